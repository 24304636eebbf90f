"""The engine: every method on real images, exact resume, memory that runs out, losses that are not finite."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest
import torch

from pca_core import device as device_module
from pca_core.adaptation import METHODS, PRESETS, AdaptationConfig, OutOfMemory, adapt, config_from_dict, config_to_dict
from pca_core.adaptation.learner import Learner
from pca_core.adaptation.methods import plca
from pca_core.adaptation.methods.plca import PLCA
from pca_core.adaptation.views import ViewMaker
from pca_core.checks import InputError
from pca_core.data import FolderDataset
from pca_core.inference import evaluate
from pca_core.losses import LossWeights
from pca_core.metrics import score
from pca_core.models import Checkpoint, load_checkpoint
from pca_core.training import OptimizerConfig
from tests.unit.adaptation_data import SIZE, TINY, make_checkpoint, make_domains, open_domains
from tests.unit.training_data import note_products

SUPERVISED = {"cross_entropy", "lovasz", "total"}
ASSOCIATION = {"feature_association", "prediction_association", "source_smoothing", "target_smoothing"}
EVERYTHING = replace(
    TINY, batch_norm="per-domain", recalibrate=True, with_teacher=True, with_self_training=True, confidence=0.3, rare_class=0.5
)


@pytest.fixture
def domains(tmp_path) -> tuple[FolderDataset, FolderDataset]:
    return open_domains(tmp_path)


def state(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in checkpoint.model.state_dict().items()}


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


@pytest.mark.parametrize(
    ("method", "losses", "levels"),
    [
        ("plca", SUPERVISED | ASSOCIATION, {"feature", "prediction"}),
        ("self-training", SUPERVISED | {"self_training"}, set()),
        ("entropy", {"entropy", "total"}, set()),
        ("source-only", SUPERVISED, set()),
    ],
)
def test_a_method_takes_its_steps_on_a_copy(method, losses, levels, domains):
    checkpoint = make_checkpoint(domains[0])
    before = state(checkpoint)
    adaptation = adapt(checkpoint, *domains, replace(TINY, method=method))
    steps = list(adaptation)
    assert [step.step for step in steps] == [1, 2, 3, 4]
    assert all(step.losses.keys() == losses for step in steps)
    assert all(step.association.keys() == levels for step in steps)
    assert all(step.gradient_norm > 0 and step.images_per_second > 0 and step.memory_mb > 0 for step in steps)
    assert [step.health is not None for step in steps] == [False, True, False, True]
    assert steps[1].scores.keys() == {"source"}
    assert_equal(before, state(checkpoint))
    adapted = adaptation.checkpoint()
    assert any(not torch.equal(before[name], tensor) for name, tensor in adapted.model.state_dict().items())
    assert not adapted.model.training
    assert adapted.notes["adapted_with"] == method
    assert config_from_dict(adapted.notes["adaptation"]) == adaptation.config


@pytest.mark.parametrize("is_fast", [True, False])
def test_the_net_is_mixed_where_the_device_multiplies_bfloat16(is_fast, domains, monkeypatch):
    """Products of the net alone: features, logits and losses are float32 again, and so are the weights."""
    monkeypatch.setattr(device_module, "multiplies_bfloat16", lambda device: is_fast)
    checkpoint, seen = make_checkpoint(domains[0]), {}
    views = ViewMaker(checkpoint, *domains, TINY, range(2)).make(1)
    images = {"source": views.source_images, "target": views.target_images}
    for precision in ("float32", "bfloat16", "auto"):
        config = replace(TINY, precision=precision, with_teacher=True)
        learner = Learner(checkpoint, config, METHODS["plca"], torch.device("cpu"))
        kinds, of_teacher = note_products(learner.model), note_products(learner.teacher)
        assert learner.ask_teacher(views.target_plain).dtype == torch.float32
        assert of_teacher
        outputs = learner.forward(images)
        update = learner.descend(METHODS["plca"].compute_terms, views, 1e-3)
        assert {outputs["target"].features.dtype, outputs["target"].logits.dtype} == {torch.float32}
        assert {parameter.dtype for parameter in learner.model.parameters()} == {torch.float32}
        assert kinds == of_teacher
        seen[precision] = kinds, update.losses["total"]
    assert seen["float32"][0] == {torch.float32}
    assert seen["bfloat16"][0] == {torch.bfloat16}
    assert seen["auto"] == seen["bfloat16" if is_fast else "float32"]
    assert seen["bfloat16"][1] == pytest.approx(seen["float32"][1], rel=0.02)
    assert seen["bfloat16"][1] != seen["float32"][1]


def test_adabn_sees_every_target_image_once_and_changes_no_weight(domains):
    checkpoint = make_checkpoint(domains[0])
    adaptation = adapt(checkpoint, *domains, replace(TINY, method="adabn"))
    assert [step.step for step in adaptation] == [1]  # four images make one batch
    changed = {
        name
        for name, tensor in adaptation.checkpoint().model.state_dict().items()
        if not torch.equal(tensor, state(checkpoint)[name])
    }
    assert changed
    assert all("running" in name or "num_batches" in name for name in changed)


@pytest.mark.parametrize(
    ("short_side", "enlarge", "own", "expected"),
    [
        pytest.param(None, 1.0, 16, 16, id="as-trained"),
        pytest.param(None, 1.5, 16, 24, id="enlarged"),
        pytest.param(None, 8.0, 16, SIZE[0], id="no-larger-than-the-images"),
        pytest.param(None, 1.5, 64, 64, id="never-smaller"),
        pytest.param(40, 1.5, 16, 40, id="as-asked"),
    ],
)
@pytest.mark.parametrize("method", ["plca", "adabn"])
def test_the_adapted_net_sees_images_at_the_size_of_its_steps(method, short_side, enlarge, own, expected, domains):
    checkpoint = replace(make_checkpoint(domains[0]), short_side=own)
    run = adapt(checkpoint, *domains, replace(TINY, method=method, short_side=short_side, enlarge=enlarge, steps=1))
    begun = run.start.scores["source"]["miou"]
    list(run)
    assert run.checkpoint().short_side == expected
    held_out = run.inputs.held_out
    assert begun == pytest.approx(score(evaluate(checkpoint, held_out)).miou)  # before, it is the net as it came
    if method == "plca":
        assert run.views.source_size[0] == run.views.target_size[0] == expected


def test_entropy_moves_scales_and_shifts_alone(domains):
    checkpoint = make_checkpoint(domains[0])
    adaptation = adapt(checkpoint, *domains, replace(TINY, method="entropy", optimizer=OptimizerConfig(learning_rate=0.01)))
    list(adaptation)
    before, after = state(checkpoint), state(adaptation.checkpoint())
    moved = {name for name, _ in checkpoint.model.named_parameters() if not torch.equal(before[name], after[name])}
    assert moved
    assert all(before[name].ndim == 1 for name in moved)


@pytest.mark.parametrize("config", [EVERYTHING, replace(TINY, method="source-only"), replace(TINY, batch_norm="frozen")])
def test_the_same_seed_gives_the_same_numbers(config, domains):
    def run(seed: int) -> tuple:
        adaptation = adapt(make_checkpoint(domains[0]), *domains, replace(config, seed=seed))
        return [step.losses for step in adaptation], state(adaptation.checkpoint())

    first, again, other = run(0), run(0), run(1)
    assert first[0] == again[0]
    assert_equal(first[1], again[1])
    assert first[0] != other[0]


@pytest.mark.parametrize(
    "config",
    [
        EVERYTHING,
        replace(TINY, method="entropy", optimizer=OptimizerConfig("sgd", 0.01)),
        replace(TINY, method="self-training", batch_norm="frozen"),
    ],
)
def test_two_and_two_steps_equal_four(config, domains, tmp_path):
    checkpoint = make_checkpoint(domains[0])
    whole = adapt(checkpoint, *domains, config)
    expected = [(step.losses, step.health) for step in whole]
    first = adapt(checkpoint, *domains, config)
    begun = [(step.losses, step.health) for step in islice(first, 2)]
    first.save(tmp_path / "state")
    first.close()
    torch.rand(5)  # whatever else happens in between
    second = adapt(checkpoint, *domains, config)
    second.load(tmp_path / "state")
    rest = list(second)
    assert [step.step for step in rest] == [3, 4]
    assert begun + [(step.losses, step.health) for step in rest] == expected
    assert_equal(state(whole.checkpoint()), state(second.checkpoint()))
    assert load_checkpoint(tmp_path / "state" / "model.safetensors").label_space == checkpoint.label_space


def test_adabn_goes_on_where_it_was_stopped(tmp_path):
    domains = open_domains(tmp_path, num_target=12)
    checkpoint, config = make_checkpoint(domains[0]), replace(TINY, method="adabn")
    whole, first = adapt(checkpoint, *domains, config), adapt(checkpoint, *domains, config)
    assert len(list(whole)) == 2
    next(first)
    first.save(tmp_path / "state")
    second = adapt(checkpoint, *domains, config)
    second.load(tmp_path / "state")
    assert [step.step for step in second] == [2]
    assert_equal(state(whole.checkpoint()), state(second.checkpoint()))


def test_a_state_of_other_settings_is_refused(domains, tmp_path):
    first = adapt(make_checkpoint(domains[0]), *domains, TINY)
    next(first)
    first.save(tmp_path / "state")
    other = adapt(make_checkpoint(domains[0]), *domains, replace(TINY, seed=1))
    with pytest.raises(InputError, match="seed") as refusal:
        other.load(tmp_path / "state")
    assert refusal.value.code == "RESUME_MISMATCH"


def test_a_state_from_before_a_knob_goes_on(domains, tmp_path, monkeypatch):
    """A run that was paused before an update: what it could not have said is taken as the default."""
    first = adapt(make_checkpoint(domains[0]), *domains, TINY)
    next(first)
    description = first._description()
    del description["config"]["enlarge"]
    monkeypatch.setattr(first, "_description", lambda: description)
    first.save(tmp_path / "state")
    same, other = (adapt(make_checkpoint(domains[0]), *domains, replace(TINY, enlarge=factor)) for factor in (1.0, 1.5))
    same.load(tmp_path / "state")
    assert [step.step for step in same] == [2, 3, 4]
    with pytest.raises(InputError, match="enlarge"):
        other.load(tmp_path / "state")


def test_parts_of_a_step_add_up_to_the_step(domains):
    """The objective is a mean over pairs; only batch statistics would tell parts from the whole."""
    config = replace(TINY, steps=2, batch_norm="frozen", batch_size=4)
    whole = adapt(make_checkpoint(domains[0]), *domains, config)
    parts = adapt(make_checkpoint(domains[0]), *domains, replace(config, batch_size=2, accumulation=2))
    for one, other in zip(whole, parts, strict=True):
        assert one.losses == pytest.approx(other.losses, rel=1e-4)
        assert one.gradient_norm == pytest.approx(other.gradient_norm, rel=1e-3)


class Hungry(PLCA):
    """Runs out of memory on more pairs at a time than ``fits``."""

    def __init__(self, fits: int) -> None:
        self.fits = fits

    def compute_terms(self, learner, views):
        if len(views) > self.fits:
            raise MemoryError
        return super().compute_terms(learner, views)


def test_memory_that_runs_out_makes_smaller_parts(domains, monkeypatch):
    config = replace(TINY, batch_size=4, batch_norm="frozen", steps=2)
    expected = [step.losses for step in adapt(make_checkpoint(domains[0]), *domains, config)]
    monkeypatch.setitem(METHODS, "plca", Hungry(fits=1))
    steps = list(adapt(make_checkpoint(domains[0]), *domains, config))
    assert [step.micro_batch for step in steps] == [1, 1]
    for step, losses in zip(steps, expected, strict=True):
        assert step.losses == pytest.approx(losses, rel=1e-4)


def test_memory_that_never_suffices_ends_the_run(domains, monkeypatch):
    monkeypatch.setitem(METHODS, "plca", Hungry(fits=0))
    with pytest.raises(OutOfMemory, match="one pair"):
        next(adapt(make_checkpoint(domains[0]), *domains, TINY))


def test_a_loss_that_is_not_finite_stops_before_a_weight_moves(domains, monkeypatch):
    checkpoint = make_checkpoint(domains[0])
    adaptation = adapt(checkpoint, *domains, replace(TINY, batch_norm="frozen"))
    monkeypatch.setattr(plca, "smoothing_loss", lambda logits: logits.mean() * torch.nan)
    with pytest.raises(FloatingPointError, match="learning rate"):
        next(adaptation)
    assert_equal(state(checkpoint), state(adaptation.checkpoint()))


def test_target_labels_are_not_even_opened(tmp_path):
    source, target = make_domains(tmp_path)
    for path in (target / "labels").iterdir():
        path.write_bytes(b"no image at all")
    steps = list(adapt(make_checkpoint(FolderDataset(source)), FolderDataset(source), FolderDataset(target), TINY))
    assert "target" not in steps[-1].scores


def test_target_labels_are_scored_on_when_they_are_given(domains):
    steps = list(adapt(make_checkpoint(domains[0]), *domains, TINY, scored_target=domains[1]))
    assert 0 <= steps[-1].scores["target"]["miou"] <= 100
    unscored = list(adapt(make_checkpoint(domains[0]), *domains, TINY))
    assert [step.losses for step in steps] == [step.losses for step in unscored]


def test_terms_without_weight_are_left_out(domains):
    weights = LossWeights(prediction_association=0, source_smoothing=0, target_smoothing=0)
    step = next(adapt(make_checkpoint(domains[0]), *domains, replace(TINY, weights=weights)))
    assert step.losses.keys() == SUPERVISED | {"feature_association"}
    assert step.association.keys() == {"feature"}


def test_only_the_classifier_or_all_but_it(domains):
    for layers, is_moved in (("classifier", True), ("all-but-classifier", False)):
        checkpoint = make_checkpoint(domains[0])
        adaptation = adapt(checkpoint, *domains, replace(TINY, trained_layers=layers))
        list(adaptation)
        before, after = state(checkpoint), state(adaptation.checkpoint())
        for name, _ in checkpoint.model.named_parameters():
            assert (not torch.equal(before[name], after[name])) == (name.startswith("classifier") == is_moved), name


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_presets_are_plain_values(preset):
    assert config_from_dict(config_to_dict(preset)) == preset


def test_the_papers_preset_is_the_papers():
    """PLCA, section 4.1 and the authors' defaults."""
    paper = PRESETS["plca-paper"]
    optimizer = paper.optimizer
    assert (optimizer.name, optimizer.learning_rate, optimizer.momentum, optimizer.weight_decay) == ("sgd", 2.5e-4, 0.9, 5e-4)
    assert (optimizer.schedule, optimizer.power) == ("poly", 0.9)
    epoch = 24_966 / 8
    assert (paper.steps / epoch, optimizer.schedule_steps / epoch) == pytest.approx((28, 30), abs=1e-3)
    assert (paper.crop, paper.batch_size, paper.accumulation) == ((730, 730), 4, 2)
    assert (paper.association.alpha, paper.association.stride, paper.association.contrast_normalisation) == (0.5, 1, True)
    weights = paper.weights
    assert (weights.lovasz, weights.feature_association, weights.prediction_association) == (0.75, 0.1, 0.1)
    assert (weights.source_smoothing, weights.target_smoothing) == (0.01, 0.01)
    assert not any((paper.with_teacher, paper.with_self_training, paper.recalibrate, paper.colour_transfer))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"optimizer": {"learning_rat": 1}}, r"optimizer\.learning_rat: Unexpected"),
        ({"optimizer": {"learning_rate": -1}}, "learning_rate must be positive"),
        ({"batch_norm": "none"}, "batch_norm: Input should be 'shared', 'frozen' or 'per-domain'"),
        ({"weights": {"lovasz": -1}}, "lovasz must be a number from 0"),
        ({"association": {"alpha": 2}}, "alpha must lie in"),
        ({"confidence": 1.5}, "confidence must lie in"),
        ({"enlarge": 0.5}, r"enlarge must lie in \[1, 8\], got 0.5"),
        ({"crop": [8, 8]}, "crop must be at least 32"),
    ],
)
def test_settings_that_cannot_be_are_named(values, expected):
    with pytest.raises(ValueError, match=expected):
        config_from_dict(values)


def test_defaults_are_the_papers_objective():
    assert AdaptationConfig().weights == LossWeights()
