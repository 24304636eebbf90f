"""A kill at any moment never costs the newest checkpoint, nor leaves anything behind."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from pca_core.runs import RunStore, Supervisor, checkpoints, execute
from pca_core.runs.folder import create_folder
from pca_core.runs.store import describe_environment
from tests.conftest import ROOT
from tests.faults.conftest import is_running, wait_for

KILLS = 100


def _publish_forever(folder: Path, first: int) -> None:
    step = first
    while True:
        step += 1
        payload = bytes([step % 256]) * 300_000
        checkpoints.publish(folder, step, lambda path, data=payload: [(path / name).write_bytes(data) for name in ("a", "b")])


def test_of_a_hundred_kills_none_breaks_the_newest_checkpoint(tmp_path):
    context, rng, newest = multiprocessing.get_context("fork"), random.Random(0), 0
    torn = 0
    for _ in range(KILLS):
        writer = context.Process(target=_publish_forever, args=(tmp_path, newest))
        writer.start()
        time.sleep(rng.uniform(0.005, 0.05))
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        torn += bool(list(tmp_path.glob(".writing-*")))
        checkpoints.sweep(tmp_path)
        published = sorted(tmp_path.glob("step-*"))
        found = checkpoints.find_newest(tmp_path)
        if published:
            assert found == published[-1], "the newest that is listed is whole"
            assert len(set((found / "a").read_bytes())) == 1
            assert (found / "a").read_bytes() == (found / "b").read_bytes()
            assert checkpoints.step_of(found) >= newest
            newest = checkpoints.step_of(found)
    assert torn > KILLS // 10, "the kills came between two writes: the test would show nothing"
    assert newest > KILLS // 10


def test_a_checkpoint_that_was_tampered_with_is_none(tmp_path):
    for step in (1, 2):
        checkpoints.publish(tmp_path, step, lambda path: (path / "a").write_bytes(b"whole"))
    (tmp_path / "step-000002" / "a").write_bytes(b"wrong")
    assert checkpoints.find_newest(tmp_path).name == "step-000001"
    checkpoints.publish(tmp_path, 3, lambda path: (path / "a").write_bytes(b"whole"))
    assert [path.name for path in checkpoints.find_valid(tmp_path)] == ["step-000001", "step-000003"]
    (tmp_path / "step-000003" / "MANIFEST.json").unlink()
    assert checkpoints.find_newest(tmp_path).name == "step-000001"


def test_ten_and_ten_steps_equal_twenty(tmp_path, request_of):
    """Through the run folder, with everything on: weights and records bit for bit."""
    request = request_of(
        save_every=4,
        steps=20,
        evaluate_every=10,
        batch_norm="per-domain",
        with_teacher=True,
        with_self_training=True,
        confidence=0.3,
    )
    whole, parts = (create_folder(tmp_path / name, request, describe_environment()) for name in ("whole", "parts"))
    assert execute(whole) == "done"

    def pause(step, _):
        if step.step == 10:
            parts.raise_flag("pause")

    assert execute(parts, pause) == "paused"
    assert checkpoints.step_of(parts.checkpoints()[-1]) == 10
    parts.append_metrics({"step": 11, "losses": {}, "from": "a step that the checkpoint does not know"})
    first = []
    assert execute(parts, lambda step, _: first.append(step.step)) == "done"
    assert first[0] == 11
    timeless = ("seconds", "images_per_second", "memory_mb", "time")
    records = [
        [{key: value for key, value in record.items() if key not in timeless} for record in run.read_metrics()]
        for run in (whole, parts)
    ]
    assert [record["step"] for record in records[1]] == list(range(21))
    assert records[0] == records[1]
    assert whole.adapted_path.read_bytes() == parts.adapted_path.read_bytes()


def test_a_killed_server_leaves_nothing_behind_and_its_run_goes_on(
    store: RunStore, supervisor: Supervisor, request_of, tmp_path, tell
):
    path = tmp_path / "request.json"
    path.write_text(json.dumps(request_of(steps=300, save_every=3, evaluate_every=100).to_dict()))
    command = [sys.executable, "-m", "tests.faults.server", str(store.root), str(path)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    run = store.get(server.stdout.readline().strip())
    wait_for(lambda: run.read_status().step >= 4, 120, "the first steps")
    worker = run.read_status().pid
    server.kill()
    server.wait()
    seconds = wait_for(lambda: not is_running(worker) and not run.is_alive, 5, "the worker's end")
    assert supervisor.reconcile(run).state == "interrupted"
    assert not run.is_alive
    saved = checkpoints.step_of(run.checkpoints()[-1])
    assert saved >= 3
    supervisor.resume(run)
    wait_for(lambda: run.read_status().step > saved and run.read_status().state == "running", 120, "going on")
    steps = [record["step"] for record in run.read_metrics()]
    assert steps == list(range(len(steps))), "every step once, none left out"
    supervisor.cancel(run)
    wait_for(lambda: supervisor.reconcile(run).state == "cancelled", 30, "cancelling")
    assert not list(run.checkpoints_folder.glob(".writing-*"))
    tell(7, f"server killed: worker gone and lock free after {seconds:.1f} s, the run went on from step {saved}")


def test_ctrl_c_loses_no_step(tmp_path, request_of, monkeypatch):
    """Also in the middle of a step: it is finished and saved, and the rest equals never having stopped."""
    request = request_of(save_every=100, method="source-only", steps=4)
    whole, parts = (create_folder(tmp_path / name, request, describe_environment()) for name in ("whole", "parts"))
    assert execute(whole) == "done"
    real, calls = torch.optim.AdamW.step, []

    def interrupted(optimizer, *arguments):
        calls.append(optimizer)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return real(optimizer, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", interrupted)
        assert execute(parts) == "paused"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert [path.name for path in parts.checkpoints()] == ["step-000002"]
    assert execute(parts) == "done"
    assert [record["step"] for record in parts.read_metrics()] == [0, 1, 2, 3, 4]
    assert whole.adapted_path.read_bytes() == parts.adapted_path.read_bytes()


def test_what_stands_is_not_written_again(tmp_path):
    checkpoints.publish(tmp_path, 1, lambda path: (path / "a").write_bytes(b"whole"))
    before = (tmp_path / "step-000001" / "a").stat().st_ino
    checkpoints.publish(tmp_path, 1, lambda path: (path / "a").write_bytes(b"whole"))
    assert (tmp_path / "step-000001" / "a").stat().st_ino == before
    (tmp_path / "step-000001" / "a").write_bytes(b"torn")
    checkpoints.publish(tmp_path, 1, lambda path: (path / "a").write_bytes(b"whole"))
    assert checkpoints.find_newest(tmp_path).name == "step-000001", "what is broken is"


def test_two_valid_ones_stay_whatever_else_lies_there(tmp_path):
    write = lambda path: (path / "a").write_bytes(b"whole")  # noqa: E731
    for step in (1, 2, 3):
        checkpoints.publish(tmp_path, step, write)
    (tmp_path / "step-000003" / "a").write_bytes(b"torn")
    checkpoints.publish(tmp_path, 4, write)
    assert [path.name for path in checkpoints.find_valid(tmp_path)] == ["step-000002", "step-000004"]
    with pytest.raises(RuntimeError, match="no room"):
        checkpoints.publish(tmp_path, 5, lambda path: (write(path), (_ for _ in ()).throw(RuntimeError("no room")))[1])
    assert [path.name for path in checkpoints.find_valid(tmp_path)] == ["step-000002", "step-000004"]
    assert not list(tmp_path.glob(".writing-*"))
