"""Training: the schedule, exact repetition, and data that cannot be trained on."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from pca_core import device, load_checkpoint
from pca_core.data import FolderDataset
from pca_core.inference import evaluate
from pca_core.metrics import score
from pca_core.training import Augmentation, TrainConfig
from pca_core.training.trainer import Trainer
from tests.unit.training_data import TINY, assert_equal_weights, make_data, note_products, refuse, run


@pytest.fixture
def data(tmp_path) -> FolderDataset:
    return FolderDataset(make_data(tmp_path / "data"))


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
    assert config.optimizer.learning_rate_at(step, config.steps) == pytest.approx(2 * factor)


def test_no_warmup_begins_at_the_peak():
    assert TrainConfig(warmup_steps=0, learning_rate=0.5).optimizer.learning_rate_at(0, 10) == 0.5


def test_same_seed_same_run_and_another_seed_another(data, tmp_path):
    config = TrainConfig(steps=2, batch_size=2, short_side=32)
    first, again = run(data, tmp_path / "a.safetensors", config), run(data, tmp_path / "b.safetensors", config)
    assert first == again
    assert_equal_weights(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    other = run(data, tmp_path / "c.safetensors", TrainConfig(steps=2, batch_size=2, short_side=32, seed=1))
    assert other[0] != first[0]


@pytest.mark.parametrize("is_fast", [True, False])
def test_the_net_is_mixed_where_the_device_multiplies_bfloat16(is_fast, data, tmp_path, monkeypatch):
    monkeypatch.setattr(device, "multiplies_bfloat16", lambda device: is_fast)
    seen = {}
    for precision in ("float32", "bfloat16", "auto"):
        trainer = Trainer(data, TrainConfig(steps=1, batch_size=2, short_side=32, precision=precision), torch.device("cpu"))
        kinds = note_products(trainer.model)
        (step,) = trainer.run()
        assert {parameter.dtype for parameter in trainer.model.parameters()} == {torch.float32}
        seen[precision] = kinds, step.losses
    assert (seen["float32"][0], seen["bfloat16"][0]) == ({torch.float32}, {torch.bfloat16})
    assert seen["auto"] == seen["bfloat16" if is_fast else "float32"]
    assert seen["bfloat16"][1]["total"] == pytest.approx(seen["float32"][1]["total"], rel=0.02)


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="auto, float32, bfloat16, got 'half'"):
        TrainConfig(precision="half")


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
    monkeypatch.setattr("pca_core.losses.segmentation.cross_entropy_loss", lambda *_, **__: torch.tensor(torch.nan))
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
