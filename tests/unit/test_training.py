"""Training: the schedule, exact repetition, exact resumption, and data that cannot be trained on."""

from __future__ import annotations

import json
import os
import shutil
import signal
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pca_core import InputError, load_checkpoint
from pca_core.cli import main
from pca_core.data import FolderDataset, encode_png
from pca_core.inference import evaluate
from pca_core.metrics import score
from pca_core.training import Augmentation, TrainConfig, train
from pca_core.training.trainer import Trainer, learning_rate_at

COLOURS = np.array([(200, 60, 40), (30, 90, 220), (60, 200, 70)], np.uint8)
TINY = TrainConfig(steps=8, batch_size=2, short_side=32, warmup_steps=2)


def make_data(root: Path, count: int = 3, labelled: int | None = None, size=(48, 64), names=("road", "sky", "tree")) -> Path:
    """Images of three coloured blocks with a little noise; the colour is the class, a strip at the bottom has no label."""
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    (root / "classes.json").write_text(json.dumps({"name": "blocks", "class_names": list(names)}))
    rng = np.random.default_rng(0)
    for number in range(count):
        label = np.zeros(size, np.uint8)
        label[:, size[1] // 3 + 4 * number :] = 1
        label[size[0] // 2 :, size[1] // 2 :] = 2
        noise = rng.integers(-12, 13, (*size, 3))
        image = (COLOURS[label].astype(int) + noise).clip(0, 255).astype(np.uint8)
        label[-3:] = 255
        (root / "images" / f"{number}.png").write_bytes(encode_png(image))
        if labelled is None or number < labelled:
            (root / "labels" / f"{number}.png").write_bytes(encode_png(label))
    return root


@pytest.fixture
def data(tmp_path) -> FolderDataset:
    return FolderDataset(make_data(tmp_path / "data"))


def run(data, out, config=TINY, **options):
    return [record.losses for record in train(data, out, config, **options)]


def assert_equal_weights(a: Path, b: Path) -> None:
    first, second = load_file(a), load_file(b)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("step", "factor"),
    [
        (0, 1 / 4),  # a quarter of the warm-up, nothing of the decay
        (1, 2 / 4 * 0.9**0.5),  # warm-up and decay multiply
        (3, 4 / 4 * 0.7**0.5),  # the last step of the warm-up
        (5, 0.5**0.5),  # half of the way
        (9, 0.1**0.5),  # the last step still moves
    ],
)
def test_learning_rate_by_hand(step, factor):
    config = TrainConfig(steps=10, warmup_steps=4, learning_rate=2.0, power=0.5)
    assert learning_rate_at(step, config) == pytest.approx(2 * factor)


def test_no_warmup_begins_at_the_peak():
    assert learning_rate_at(0, TrainConfig(steps=10, warmup_steps=0, learning_rate=0.5)) == 0.5


def test_same_seed_same_run_and_another_seed_another(data, tmp_path):
    config = TrainConfig(steps=2, batch_size=2, short_side=32)
    first, again = run(data, tmp_path / "a.safetensors", config), run(data, tmp_path / "b.safetensors", config)
    assert first == again
    assert_equal_weights(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    other = run(data, tmp_path / "c.safetensors", TrainConfig(steps=2, batch_size=2, short_side=32, seed=1))
    assert other[0] != first[0]


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


def refuse(code: str, data, out, config=TINY, **options) -> str:
    with pytest.raises(InputError) as caught:
        next(train(data, out, config, **options))
    assert caught.value.code == code
    return str(caught.value)


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


def test_unlabelled_data_is_refused(tmp_path):
    root = make_data(tmp_path / "data")
    shutil.rmtree(root / "labels")
    assert "classes.json" in refuse("DATA_UNLABELLED", FolderDataset(root), tmp_path / "a.safetensors")


def test_unlabelled_images_are_left_out(tmp_path):
    data = FolderDataset(make_data(tmp_path / "data", count=4, labelled=2))
    run(data, tmp_path / "a.safetensors", TrainConfig(steps=2, batch_size=2, short_side=32))
    notes = load_checkpoint(tmp_path / "a.safetensors").notes
    assert (notes["num_images"], notes["trained_on"], notes["step"]) == (2, "data", 2)


def test_the_checkpoint_says_what_it_was_trained_on(data, tmp_path):
    run(data, tmp_path / "a.safetensors", TrainConfig(steps=1, batch_size=1, short_side=40))
    checkpoint = load_checkpoint(tmp_path / "a.safetensors", label_space=data.label_space)
    assert (checkpoint.architecture, checkpoint.short_side) == ("compact", 40)
    assert checkpoint.label_space == data.label_space
    assert not checkpoint.model.training


def test_two_images_are_learnt_by_heart(tmp_path):
    data = FolderDataset(make_data(tmp_path / "data", count=2))
    config = TrainConfig(
        steps=30, batch_size=2, short_side=32, warmup_steps=3, learning_rate=5e-3, augmentation=Augmentation(1, 1)
    )
    losses = [loss["total"] for loss in run(data, tmp_path / "a.safetensors", config)]
    assert np.mean(losses[-3:]) < 0.4 * losses[0]
    assert score(evaluate(load_checkpoint(tmp_path / "a.safetensors"), data)).pixel_accuracy > 85


def test_a_diverging_run_stops_with_the_step_and_writes_nothing(data, tmp_path, monkeypatch):
    monkeypatch.setattr("pca_core.training.trainer.cross_entropy_loss", lambda *_: torch.tensor(torch.nan))
    with pytest.raises(FloatingPointError, match="nan at step 1"):
        run(data, tmp_path / "a.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_biases_and_norms_do_not_decay(data):
    decayed, free = Trainer(data, TINY, torch.device("cpu")).optimizer.param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (1e-2, 0.0)
    assert all(parameter.ndim > 1 for parameter in decayed["params"])
    assert all(parameter.ndim == 1 for parameter in free["params"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),  # nothing to do
        ({"batch_size": 0}, "batch_size must be at least 1"),  # nothing to learn from
        ({"short_side": -5}, "short_side must be at least 1, got -5"),  # no picture
        ({"learning_rate": 0.0}, "learning_rate must be positive"),  # would stand still
    ],
)
def test_impossible_settings_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        TrainConfig(**options)
