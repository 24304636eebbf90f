"""What ends a run is told in a word and a sentence, and costs nothing that was saved."""

from __future__ import annotations

import errno
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from pca_core.adaptation import Adaptation, OutOfMemory
from pca_core.checks import InputError
from pca_core.data import encode_png
from pca_core.runs import PinnedPixel, checkpoints, execute
from pca_core.runs.faults import explain
from pca_core.runs.folder import create_folder
from pca_core.runs.store import describe_environment
from tests.conftest import ROOT


@pytest.fixture
def run_of(tmp_path, request_of):
    def make(**knobs: object):
        return create_folder(tmp_path / "run", request_of(**{"method": "source-only", **knobs}), describe_environment())

    return make


def pause_at(run, number: int):
    return lambda step, _: run.raise_flag("pause") if step.step == number else None


def test_a_full_disk_costs_no_checkpoint(run_of):
    run = run_of(steps=6)
    assert execute(run, pause_at(run, 2)) == "paused"
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


def test_a_disk_without_room_for_a_line_is_told_all_the_same(run_of, monkeypatch):
    """Room for the last words was set aside."""
    run, real = run_of(steps=4), Path.open

    def full(path, mode="r", *arguments, **options):
        if path.name == "metrics.jsonl" and "a" in mode and len(run.read_metrics()) > 2:
            monkeypatch.setattr("pca_core.runs.folder.write_atomic", no_room)
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, mode, *arguments, **options)

    def no_room(path, data, **options):
        if (run.folder / "reserve").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        Path(path).write_bytes(data)

    monkeypatch.setattr(Path, "open", full)
    assert execute(run) == "failed"
    assert (run.read_status().state, run.read_status().code) == ("failed", "disk")
    assert checkpoints.step_of(run.checkpoints()[-1]) == 2


def test_a_loss_that_is_not_finite_never_becomes_a_checkpoint(run_of, monkeypatch):
    run = run_of(method="plca", steps=6, save_every=1)

    def poison(step, _):
        if step.step == 2:
            nan = lambda logits: logits.mean() * torch.nan  # noqa: E731
            monkeypatch.setattr("pca_core.adaptation.methods.plca.smoothing_loss", nan)

    assert execute(run, poison) == "failed"
    assert run.read_status().code == "nonfinite"
    assert "learning rate" in run.read_status().message
    assert checkpoints.step_of(run.checkpoints()[-1]) == 2
    assert not run.adapted_path.exists()


def test_a_weight_that_is_not_finite_never_becomes_a_checkpoint(run_of, monkeypatch):
    """The loss before it was: a step can be finite and lead nowhere."""
    run, real = run_of(save_every=1), Adaptation.save

    def poisoned(adaptation, folder):
        if adaptation.step == 2:
            next(adaptation._learner.model.parameters()).data.fill_(torch.inf)
        real(adaptation, folder)

    monkeypatch.setattr(Adaptation, "save", poisoned)
    assert execute(run) == "failed"
    assert run.read_status().code == "nonfinite"
    assert [path.name for path in run.checkpoints()] == ["step-000001"]


def test_what_changed_since_the_start_is_not_resumed(run_of):
    run = run_of()
    assert execute(run, pause_at(run, 1)) == "paused"
    add_to_an_image(run)
    assert execute(run) == "failed"
    assert "target of run run changed" in run.read_status().message


def test_what_is_put_right_before_the_first_checkpoint_may_change(run_of, monkeypatch):
    run = run_of()
    with monkeypatch.context() as patch:
        patch.setattr(Adaptation, "save", lambda *_: (_ for _ in ()).throw(RuntimeError("of another kind")))
        assert execute(run) == "failed"
    assert "log of the run" in run.read_status().message
    assert "Traceback" in run.read_log()
    add_to_an_image(run)
    assert execute(run) == "done"
    assert [record["step"] for record in run.read_metrics()] == [0, 1, 2, 3, 4]


def add_to_an_image(run) -> None:
    image = next((Path(run.request.target.where) / "images").iterdir())
    image.write_bytes(encode_png(np.zeros((32, 48, 3), np.uint8)))


def test_a_run_says_what_went_wrong_with_its_input(run_of):
    run = run_of()
    Path(run.request.checkpoint).write_bytes(b"nothing of the kind")
    assert execute(run) == "failed"
    assert run.read_status().code == "input"
    assert "safetensors" in run.read_status().message
    assert "Traceback" not in run.read_log()


def test_a_preview_that_fails_costs_nothing(tmp_path, request_of):
    pixel = PinnedPixel("000", "001", "source", 10**9)
    request = replace(request_of(method="source-only", evaluate_every=4), pinned_pixels=(pixel,))
    run = create_folder(tmp_path / "run", request, describe_environment())
    assert execute(run) == "done"
    assert "no preview of step 4" in run.read_log()


def test_a_run_that_is_cancelled_before_its_first_step_takes_none(run_of):
    run = run_of()
    run.raise_flag("cancel")
    assert execute(run) == "cancelled"
    assert run.read_metrics() == []
    assert not run.has_flag("cancel")


def test_too_much_cannot_be_pinned(request_of):
    with pytest.raises(ValueError, match="pinned_targets may name at most 3, got 4"):
        replace(request_of(), pinned_targets=("a", "b", "c", "d"))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk"),
        (OSError(errno.EFBIG, "File too large"), "disk"),
        (SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"), "disk"),
        (RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0"), "disk"),  # torch.save
        (OSError(errno.EACCES, "Permission denied"), "input"),
        (OutOfMemory("Memory ran out even with one pair at a time."), "oom"),
        (torch.OutOfMemoryError("CUDA out of memory."), "oom"),  # outside a step: no ladder there
        (MemoryError(), "oom"),
        (cv2.error("(-4:Insufficient memory) Failed to allocate 1724976 bytes in function 'OutOfMemoryError'"), "oom"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "oom"),
        (FloatingPointError("The loss became nan."), "nonfinite"),
        (InputError("ADAPT_ONE_IMAGE", "At least 2 target images are needed."), "input"),
        (KeyError("x"), "input"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{type(value).__name__}-{value}"[:40],
)
def test_every_end_has_a_word_and_a_sentence(error, code):
    found = explain(error)
    assert (found["state"], found["code"]) == ("failed", code)
    assert found["message"].endswith((".", "!"))
    assert "\n" not in found["message"]
