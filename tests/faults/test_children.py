"""Children of a server that lives for weeks: none stays behind, and none is let go that was just started."""

from __future__ import annotations

import io
import shutil
import subprocess
import threading
import time
from contextlib import suppress

import pytest

from pca_core.checks import InputError
from pca_core.runs import Run, Supervisor
from pca_core.runs import supervisor as module
from pca_core.runs.supervisor import _CHILDREN, device_lock
from pca_core.runs.waiting import start_ticks
from tests.faults.conftest import wait_for
from tests.faults.test_queue import BRIEF, slow_python


def test_a_look_at_all_runs_reaps_what_has_ended_even_of_deleted_runs(supervisor, request_of):
    run = supervisor.start(request_of(), work=BRIEF)
    child = _CHILDREN[run.folder]
    wait_for(lambda: run.read_status().state == "done" and start_ticks(child.pid) is None, 30, "the end of the child")
    supervisor.store.delete(run)
    assert child.returncode is None, "nobody has asked yet how it ended"
    assert supervisor.reconcile_all() == []
    assert child.returncode == 0
    assert child.stdin.closed
    assert run.folder not in _CHILDREN


def test_a_late_look_does_not_undo_a_resume(supervisor, request_of, monkeypatch):
    """It found the worker gone; before it could say so, another session has told it and resumed the run."""
    run = supervisor.store.create(request_of())
    run.write_status(state="running")
    other, mark = Supervisor(supervisor.store), supervisor._interrupt
    monkeypatch.setattr(module.sys, "executable", str(slow_python(supervisor.store.root, 1.0)))

    def be_late(run: Run):
        assert other.reconcile(run).state == "interrupted"
        other.resume(run, work=BRIEF)
        return mark(run)

    monkeypatch.setattr(supervisor, "_interrupt", be_late)
    assert supervisor.reconcile(run).state == "queued"
    monkeypatch.undo()
    wait_for(lambda: supervisor.reconcile(run).state == "done", 30, "the resumed run")


class Ended:
    """A child that has ended; while somebody asks it how, another session resumes its run."""

    def __init__(self, resume: threading.Thread) -> None:
        self.stdin, self._resume = io.BytesIO(), resume

    def poll(self) -> int:
        if self._resume.ident is None:
            self._resume.start()
            self._resume.join(2.0)  # or it waits until this is over
        return 0


def test_a_late_reaper_lets_no_new_child_go(supervisor, request_of, monkeypatch):
    """A worker ends with this end of its standard input: whoever reaps the last one must go on holding that of the next."""
    run = supervisor.store.create(request_of())
    run.write_status(state="interrupted")
    monkeypatch.setattr(module.sys, "executable", str(slow_python(supervisor.store.root, 1.0)))
    resume = threading.Thread(target=Supervisor(supervisor.store).resume, args=(run, BRIEF))
    _CHILDREN[run.folder] = Ended(resume)
    supervisor.reconcile(run)
    resume.join(20)
    assert isinstance(_CHILDREN.get(run.folder), subprocess.Popen)
    wait_for(lambda: supervisor.reconcile(run).state in ("done", "interrupted"), 30, "the end of the resumed run")
    assert run.read_status().state == "done"


def test_a_run_that_was_deleted_meanwhile_has_no_place(supervisor, request_of, monkeypatch):
    with device_lock(supervisor.store, "cpu"):
        known, unknown = (supervisor.store.create(request_of()) for _ in range(2))
        assert known.request.device == "cpu"  # as a list has read it
        real = Run.read_status

        def read_then_delete(run: Run):
            status = real(run)
            shutil.rmtree(run.folder, ignore_errors=True)
            return status

        monkeypatch.setattr(Run, "read_status", read_then_delete)
        assert supervisor.queue_position(known) in (None, 1)
        assert supervisor.queue_position(unknown) is None


def test_a_list_survives_runs_that_come_and_go(supervisor, request_of):
    stop, seen = threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            for run, _ in supervisor.reconcile_all():
                seen.append(supervisor.queue_position(run))
            supervisor.store.list_unreadable()

    failures = []
    monitored = threading.Thread(target=lambda: _note(look, failures))
    monitored.start()
    ended = time.monotonic() + 3
    while time.monotonic() < ended:
        run = supervisor.store.create(request_of())
        run.write_status(state="queued", pid=1)
        while run.is_there:
            with suppress(InputError):  # a look may hold its lock for a moment
                supervisor.store.delete(run)
    stop.set()
    monitored.join()
    assert failures == []
    assert seen


def _note(work, failures: list) -> None:
    try:
        work()
    except Exception as error:
        failures.append(error)


DAMAGE = (
    '{"state": "queued", "asked": "yesterday", "pid": null}',
    '{"state": "queued", "asked": NaN, "pid": -1}',
    "[]",
    "[" * 200_000,
)


@pytest.mark.parametrize("content", DAMAGE, ids=lambda content: content[:30])
@pytest.mark.parametrize("name", ["status.json", "run.json"])
def test_a_queue_goes_on_beside_a_damaged_run(supervisor, request_of, name, content):
    bad = supervisor.store.create(request_of())
    with bad.lock():  # as a child that waits holds it
        (bad.folder / name).write_text(content)
        good = supervisor.start(request_of(), work=BRIEF)
        wait_for(lambda: supervisor.reconcile(good).state == "done", 30, "the run behind the damaged one")
