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

from pca_core.runs import RunStore, Supervisor, checkpoints, execute
from pca_core.runs.folder import Run, create_folder
from pca_core.runs.store import describe_environment
from tests.conftest import ROOT
from tests.faults.conftest import is_running, wait_for
from tests.unit.adaptation_data import TINY

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
        time.sleep(rng.uniform(0.005, 0.08))
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
        evaluate_every=5,
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


def test_a_killed_server_leaves_nothing_behind_and_its_run_goes_on(store: RunStore, supervisor: Supervisor, request_of, tmp_path):
    path = tmp_path / "request.json"
    path.write_text(json.dumps(request_of(steps=300, save_every=3, evaluate_every=100).to_dict()))
    command = [sys.executable, "-m", "tests.faults.server", str(store.root), str(path)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    run = store.get(server.stdout.readline().strip())
    wait_for(lambda: run.read_status().step >= 4, 120, "the first steps")
    worker = run.read_status().pid
    server.kill()
    server.wait()
    wait_for(lambda: not is_running(worker) and not run.is_alive, 5, "the worker's end")
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


def test_a_full_disk_costs_no_checkpoint(tmp_path, request_of):
    request = request_of(steps=6, save_every=2)
    run = create_folder(tmp_path / "run", request, describe_environment())
    assert execute(run, lambda step, _: run.raise_flag("pause") if step.step == 2 else None) == "paused"
    kept = checkpoints.find_newest(run.checkpoints_folder)
    command = [sys.executable, "-m", "tests.faults.limited", str(run.folder), "100000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert done.stdout.strip().endswith("failed"), done.stderr[-2000:]
    status = run.read_status()
    assert (status.state, status.code) == ("failed", "disk")
    assert "Make room and resume" in status.message
    assert checkpoints.find_newest(run.checkpoints_folder) == kept
    assert not list(run.checkpoints_folder.glob(".writing-*"))
    assert execute(run) == "done"


def test_a_loss_that_is_not_finite_never_becomes_a_checkpoint(tmp_path, request_of, monkeypatch):
    import torch

    run = create_folder(tmp_path / "run", request_of(steps=6, save_every=1), describe_environment())

    def poison(step, _):
        if step.step == 2:
            nan = lambda logits: logits.mean() * torch.nan  # noqa: E731
            monkeypatch.setattr("pca_core.adaptation.methods.plca.smoothing_loss", nan)

    assert execute(run, poison) == "failed"
    assert run.read_status().code == "nonfinite"
    assert "learning rate" in run.read_status().message
    assert checkpoints.step_of(run.checkpoints()[-1]) == 2
    assert not run.adapted_path.exists()


def test_what_changed_since_the_start_is_not_resumed(tmp_path, request_of):
    request = request_of(steps=4)
    run = create_folder(tmp_path / "run", request, describe_environment())
    assert execute(run, lambda *_: run.raise_flag("pause")) == "paused"
    image = next((Path(request.target.where) / "images").iterdir())
    image.write_bytes(image.read_bytes() + b"\0")
    assert execute(run) == "failed"
    assert "target of run run changed" in run.read_status().message
    assert TINY.method in request.config.method


def test_a_run_says_what_went_wrong_with_its_input(tmp_path, request_of):
    request = request_of()
    (Path(request.checkpoint)).write_bytes(b"nothing of the kind")
    run: Run = create_folder(tmp_path / "run", request, describe_environment())
    assert execute(run) == "failed"
    assert run.read_status().code == "input"
    assert "safetensors" in run.read_status().message
