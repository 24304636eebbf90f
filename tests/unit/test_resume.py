"""A stopped run goes on as if it had never stopped, or says why it cannot."""

from __future__ import annotations

import os
import shutil
import signal
from itertools import islice
from pathlib import Path

import pytest
import torch

from pca_core import load_checkpoint
from pca_core.cli import main
from pca_core.data import FolderDataset
from pca_core.training import Augmentation, TrainConfig, train
from tests.unit.training_data import TINY, assert_equal_weights, make_data, refuse, run


@pytest.fixture
def data(tmp_path) -> FolderDataset:
    return FolderDataset(make_data(tmp_path / "data"))


def test_four_and_four_steps_equal_eight(data, tmp_path):
    whole = run(data, tmp_path / "whole.safetensors")
    out = tmp_path / "parts.safetensors"
    steps = train(data, out, TINY)
    first = [record.losses for record in islice(steps, 4)]
    steps.close()
    assert not out.exists()
    assert out.with_name("parts.safetensors.resume").exists()
    rest = list(train(data, out, TINY, is_resumed=True))
    assert [record.step for record in rest] == [5, 6, 7, 8]
    assert first + [record.losses for record in rest] == whole
    assert_equal_weights(tmp_path / "whole.safetensors", out)
    assert not out.with_name("parts.safetensors.resume").exists()


def test_ctrl_c_in_the_middle_of_a_step_can_be_resumed_exactly(data, tmp_path, monkeypatch):
    """Between forward and update the batch-norm averages have moved already: stopping there would move them twice."""
    run(data, tmp_path / "whole.safetensors")
    real, calls = torch.optim.AdamW.step, []

    def interrupted(optimizer, *arguments):
        calls.append(optimizer)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return real(optimizer, *arguments)

    out = tmp_path / "stopped.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(data, out)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    rest = list(train(data, out, TINY, is_resumed=True))
    assert rest[0].step == 4
    assert_equal_weights(tmp_path / "whole.safetensors", out)


def test_ctrl_c_on_the_command_line_says_how_to_go_on(data, tmp_path, capsys, monkeypatch):
    out = tmp_path / "net.safetensors"
    arguments = ["train", "--source", str(data.root), "--out", str(out)]
    arguments += ["--steps", "3", "--batch-size", "1", "--short-side", "32"]
    real = torch.optim.AdamW.step
    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", lambda *given: (os.kill(os.getpid(), signal.SIGINT), real(*given))[1])
        assert main(arguments) == 130
    assert "Go on with --resume." in capsys.readouterr().err
    assert not out.exists()
    assert main([*arguments, "--resume"]) == 0
    assert load_checkpoint(out).notes["step"] == 3


def test_state_is_saved_every_so_often(data, tmp_path):
    steps = train(data, tmp_path / "a.safetensors", TINY, save_every=3)
    state = tmp_path / "a.safetensors.resume"
    assert [(record.step, state.exists()) for record in islice(steps, 3)] == [(1, False), (2, False), (3, True)]


@pytest.fixture
def stopped(data, tmp_path) -> Path:
    out = tmp_path / "stopped.safetensors"
    steps = train(data, out, TINY)
    next(steps)
    steps.close()
    return out


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"learning_rate": 1e-3}, "learning_rate"),  # another optimiser path
        ({"steps": 9}, "steps"),  # another schedule
        ({"seed": 1}, "seed"),  # other views
        ({"augmentation": Augmentation(flip=0.0)}, "augmentation"),  # a nested difference
    ],
)
def test_resume_with_other_settings_names_the_difference(data, stopped, change, named):
    config = TrainConfig(**{"steps": 8, "batch_size": 2, "short_side": 32, "warmup_steps": 2} | change)
    assert named in refuse("RESUME_MISMATCH", data, stopped, config, is_resumed=True)


def test_resume_with_other_data_names_the_difference(data, stopped, tmp_path):
    fewer = FolderDataset(data.root, exclude="0")
    assert "list of images" in refuse("RESUME_MISMATCH", fewer, stopped, is_resumed=True)
    renamed = FolderDataset(make_data(tmp_path / "renamed", names=("road", "tree", "sky")))
    assert "classes" in refuse("RESUME_MISMATCH", renamed, stopped, is_resumed=True)
    more = FolderDataset(make_data(tmp_path / "more", names=("road", "sky", "tree", "car")))
    assert "classes" in refuse("RESUME_MISMATCH", more, stopped, is_resumed=True)


def test_resume_without_a_usable_state(data, stopped, tmp_path):
    refuse("RESUME_NOT_FOUND", data, tmp_path / "other.safetensors", is_resumed=True)
    state = stopped.with_name(stopped.name + ".resume")
    state.write_bytes(state.read_bytes()[:-100])
    refuse("RESUME_BROKEN", data, stopped, is_resumed=True)
    run(data, tmp_path / "done.safetensors", TrainConfig(steps=1, batch_size=1, short_side=32))
    shutil.copy(tmp_path / "done.safetensors", state)  # a checkpoint is no state
    refuse("RESUME_BROKEN", data, stopped, is_resumed=True)
