"""The folder of a run is deleted under its worker: it ends, makes nothing anew and frees the device."""

from __future__ import annotations

import shutil
import time

import pytest

from pca_core.checks import InputError
from pca_core.runs import execute, waiting
from pca_core.runs.folder import create_folder
from pca_core.runs.store import describe_environment
from pca_core.runs.supervisor import device_lock
from tests.faults.conftest import is_running, wait_for

BRIEF = "tests.faults.work:brief"


def test_a_worker_whose_run_is_deleted_ends_and_frees_the_device(supervisor, request_of):
    run = supervisor.start(request_of(steps=5000, save_every=2, evaluate_every=3))
    wait_for(lambda: run.read_status().step >= 3, 120, "the first steps")
    worker = run.read_status().pid
    while run.folder.exists():  # what is written this very moment is in its way
        shutil.rmtree(run.folder, ignore_errors=True)
    wait_for(lambda: not is_running(worker), 15, "the worker's end")
    assert list(supervisor.store.folder.iterdir()) == []
    assert not waiting.is_held(supervisor.store.root / "devices" / "cpu.lock")
    with pytest.raises(InputError, match="not there any more"):
        supervisor.cancel(run)
    assert list(supervisor.store.folder.iterdir()) == []


def test_a_worker_that_waits_ends_too(supervisor, request_of):
    with device_lock(supervisor.store, "cpu"):
        run = supervisor.start(request_of(), work=BRIEF)
        wait_for(lambda: run.read_status().pid, 20, "the waiting child")
        waiter = run.read_status().pid
        shutil.rmtree(run.folder)
        wait_for(lambda: not is_running(waiter), 5, "the waiting child's end")
        assert list(supervisor.store.folder.iterdir()) == []


def test_a_long_step_is_ended_by_the_heartbeat(tmp_path, request_of):
    run = create_folder(tmp_path / "run", request_of(method="source-only"), describe_environment())

    def delete(*_: object) -> None:
        shutil.rmtree(run.folder)
        for _ in range(300):
            time.sleep(0.1)

    began = time.monotonic()
    assert execute(run, delete) == "deleted"
    assert time.monotonic() - began < 25
    assert not run.folder.exists()


def test_what_is_written_to_a_deleted_run_does_not_bring_it_back(tmp_path, request_of):
    run = create_folder(tmp_path / "run", request_of(), describe_environment())
    shutil.rmtree(run.folder)
    writes = (
        run.beat,
        run.write_status,
        lambda: run.raise_flag("cancel"),
        lambda: run.drop_metrics_after(1),
        lambda: run.append_metrics({"step": 1}),
    )
    for write in writes:
        with pytest.raises(FileNotFoundError):
            write()
    assert not run.folder.exists()


def test_a_resume_does_not_bring_a_deleted_run_back(supervisor, request_of, monkeypatch):
    """Asked for by a session that still shows it; or it is deleted between the look and the flag."""
    shown, queued = (supervisor.store.create(request_of()) for _ in range(2))
    assert shown.request.device == "cpu"
    supervisor.store.delete(shown)
    with pytest.raises(InputError, match="not there any more"):
        supervisor.resume(shown)
    look = supervisor.reconcile

    def look_then_delete(run):
        status = look(run)
        supervisor.store.delete(run)
        return status

    monkeypatch.setattr(supervisor, "reconcile", look_then_delete)
    with pytest.raises(InputError, match="not there any more"):
        supervisor.cancel(queued)
    assert list(supervisor.store.folder.iterdir()) == []
