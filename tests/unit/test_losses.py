from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck

from pca_core import (
    AssociationConfig,
    LossWeights,
    aggregate,
    associate,
    association_loss,
    cross_entropy_loss,
    lovasz_softmax_loss,
    smoothing_loss,
    total_loss,
)
from pca_core.association import similarity as similarity_module
from pca_core.losses import association as association_module
from pca_core.losses.segmentation import _guarded_cross_entropy
from tests import reference
from tests.conftest import torch_threads


def random_maps(seed=0, batch=2, channels=5, source=(3, 4), target=(4, 3), classes=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(batch, channels, *source, dtype=dtype, generator=generator)
    b = torch.randn(batch, channels, *target, dtype=dtype, generator=generator)
    labels = torch.randint(0, classes, (batch, *source), generator=generator)
    labels[0, 0, 0] = 255
    return a, b, labels


@pytest.fixture
def freeze_moments(monkeypatch):
    """Keep the row moments of the first evaluation: they carry no gradient, so a numeric check must not move them either."""

    def freeze(calls_per_evaluation):
        real, seen, calls = similarity_module.row_moments, {}, [0]

        def first_moments(query, key):
            place = calls[0] % calls_per_evaluation
            calls[0] += 1
            return seen.setdefault(place, real(query, key))

        monkeypatch.setattr(similarity_module, "row_moments", first_moments)

    with torch_threads(1):  # pairs one after the other: calls come in one order
        yield freeze


# Two image pairs: two directions each, and at feature level one aggregation each.
@pytest.mark.parametrize(("level", "calls_per_evaluation"), [("feature", 6), ("prediction", 4)])
def test_association_gradient_is_right(freeze_moments, level, calls_per_evaluation):
    freeze_moments(calls_per_evaluation)
    source, target, labels = random_maps()
    if level == "prediction":
        source, target = source.softmax(1), target.softmax(1)
    source.requires_grad_()
    target.requires_grad_()
    assert association_loss(source, target, labels, level).rate > 0
    assert gradcheck(lambda a, b: association_loss(a, b, labels, level).value, (source, target), atol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("level", ["feature", "prediction"])
def test_association_equals_the_formula_written_out(level, alpha):
    source, target, labels = random_maps(seed=5, source=(5, 6), target=(4, 7))
    if level == "prediction":
        source, target = source.softmax(1), target.softmax(1)
    gradients = []
    for value_of in (
        lambda a, b: association_loss(a, b, labels, level, alpha).value,
        lambda a, b: reference.association_loss(a, b, labels, level, alpha),
    ):
        a, b = source.clone().requires_grad_(), target.clone().requires_grad_()
        value = value_of(a, b)
        value.backward()
        gradients.append((value.detach(), a.grad, b.grad))
    for got, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-9)


def test_association_by_hand():
    """Two source pixels, two target pixels, each at right angles: both cycles close and every margin is known."""
    source = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])  # (1, 2, 1, 2): pixel 0 = e1, pixel 1 = e2
    target = source.clone()
    result = association_loss(source, target, torch.tensor([[[0, 1]]]), alpha=0.0)
    # Rows are (1, 0) and (0, 1): mean 1/2, unbiased std 1/√2, so scores are ±1/√2 and p = 1/(1 + e^−√2), both ways.
    log_probability = -torch.log1p(torch.exp(torch.tensor(-(2.0**0.5))))
    torch.testing.assert_close(result.value, -2 * log_probability)
    assert (result.rate, result.coverage) == (1.0, 1.0)


@pytest.mark.parametrize("level", ["feature", "prediction"])
def test_nothing_consistent_is_a_differentiable_zero(level):
    source, target, labels = random_maps()
    if level == "prediction":
        source, target = source.softmax(1), target.softmax(1)
    source.requires_grad_()
    target.requires_grad_()
    result = association_loss(source, target, torch.full_like(labels, 255), level)
    assert result.value.item() == 0.0
    result.value.backward()
    assert source.grad.abs().max() == 0
    assert target.grad.abs().max() == 0


def test_mean_runs_over_the_consistent_pixels_of_the_batch():
    source, target, labels = random_maps(seed=1)
    both = association_loss(source, target, labels)
    single = [association_loss(source[i : i + 1], target[i : i + 1], labels[i : i + 1]) for i in range(2)]
    counts = [result.associations[0].is_consistent.sum() for result in single]
    assert counts[0] != counts[1]
    mean = sum(result.value * count for result, count in zip(single, counts, strict=True)) / sum(counts)
    torch.testing.assert_close(both.value, mean)


@pytest.mark.parametrize("level", ["feature", "prediction"])
def test_a_mean_over_pairs_is_the_mean_of_their_losses(level):
    """Of pairs with unlike numbers of consistent pixels; values and gradients."""
    source, target, labels = random_maps(batch=3, channels=6, source=(5, 6), target=(6, 5), classes=2)
    labels[1, 1:] = 255
    if level == "prediction":
        source, target = source.softmax(1), target.softmax(1)
    leaves = source.requires_grad_(), target.requires_grad_()
    whole = association_loss(source, target, labels, level, reduction="pairs")
    single = [association_loss(source[i : i + 1], target[i : i + 1], labels[i : i + 1], level) for i in range(3)]
    assert len({found.associations[0].is_consistent.sum().item() for found in single}) > 1
    expected = torch.stack([found.value for found in single]).mean()
    torch.testing.assert_close(whole.value, expected)
    for got, other in zip(*(torch.autograd.grad(value, leaves) for value in (whole.value, expected)), strict=True):
        torch.testing.assert_close(got, other)
    with pytest.raises(ValueError, match="reduction must be 'pixels' or 'pairs', got 'mean'"):
        association_loss(source, target, labels, level, reduction="mean")


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_pairs_do_not_wait_for_each_other_and_give_what_they_give_in_turn(threads, monkeypatch):
    """Small maps a thread each, larger ones by all threads where they do not share out evenly: the same loss and draw."""
    maps = [side.float() for side in random_maps(batch=5, channels=8, source=(24, 24), target=(23, 25))[:2]]
    labels = torch.randint(0, 4, (5, 24, 24), generator=torch.Generator().manual_seed(1))

    def find():
        leaves = [side.clone().requires_grad_() for side in maps]
        generator = torch.Generator().manual_seed(3)
        loss = association_loss(*leaves, labels, pixels_per_class=9, generator=generator)
        return loss.value.detach(), *torch.autograd.grad(loss.value, leaves)

    expected = find()
    with torch_threads(threads):
        for small in (0, 2**22):
            monkeypatch.setattr(association_module, "SMALL_MAP", small)
            for got, other in zip(find(), expected, strict=True):
                torch.testing.assert_close(got, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("level", ["feature", "prediction"])
@pytest.mark.parametrize("batch", [1, 2])
def test_half_precision_and_autocast_are_lifted(dtype, level, batch):
    """What halves hold is associated exactly; gradients come back in their precision. Large enough for the fused passes."""
    source, target, labels = random_maps(batch=batch, channels=7, source=(24, 25), target=(23, 26), dtype=torch.float32)
    if level == "prediction":
        source, target = source.softmax(1), target.softmax(1)
    halves = [side.to(dtype).requires_grad_() for side in (source, target)]
    wholes = [side.detach().float().requires_grad_() for side in halves]
    expected = association_loss(*wholes, labels, level)
    for context in (torch.autocast("cpu", torch.bfloat16, enabled=False), torch.autocast("cpu", torch.bfloat16)):
        with context:
            found = association_loss(*halves, labels, level)
            lifted = association_loss(*wholes, labels, level)
            borrowed = aggregate(wholes[1], level)
            (steep,) = torch.autograd.grad(borrowed.sum(), wholes[1])
            associated = associate(halves[0][0], halves[1][0], labels[0], AssociationConfig(level=level))
        assert found.value.item() == lifted.value.item() == expected.value.item()
        plain = aggregate(wholes[1], level)
        assert torch.equal(borrowed, plain)
        torch.testing.assert_close(steep, torch.autograd.grad(plain.sum(), wholes[1])[0])
        assert torch.equal(associated.forward_prob, expected.associations[0].forward_prob)
        for got, whole, half in zip(
            torch.autograd.grad(found.value, halves), torch.autograd.grad(lifted.value, wholes), halves, strict=True
        ):
            assert got.dtype == half.dtype
            torch.testing.assert_close(got, whole.to(dtype))
    assert aggregate(halves[1], level).dtype == dtype


def test_the_default_type_of_torch_does_not_matter():
    source, target, labels = random_maps(channels=6, source=(24, 25), target=(23, 26), dtype=torch.float32)
    expected = association_loss(source.requires_grad_(), target, labels).value
    torch.set_default_dtype(torch.float64)
    try:
        assert association_loss(source, target, labels).value.item() == expected.item()
    finally:
        torch.set_default_dtype(torch.float32)


def test_only_wanted_gradients_are_computed():
    source, target, labels = random_maps()
    target.requires_grad_()
    loss = association_loss(source, target, labels)
    assert torch.autograd.grad(loss.value, target)[0].abs().sum() > 0
    with torch.no_grad():
        assert not association_loss(source, target, labels).value.requires_grad
    assert not association_loss(source, target.detach(), labels).value.requires_grad


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source": torch.zeros(5, 3, 4)}, "add the batch axis"),
        ({"source": torch.zeros(0, 5, 3, 4), "target": torch.zeros(0, 5, 4, 3)}, "at least one pair"),
        ({"target": torch.zeros(2, 6, 4, 3)}, "agree in batch and channels"),
        ({"labels": torch.zeros(2, 12, 16, dtype=torch.long)}, "resize_label"),
        ({"labels": torch.zeros(3, 3, 4, dtype=torch.long)}, "B = 2"),
        ({"labels": torch.full((2, 3, 4), -1)}, "ids ≥ 0"),
        ({"labels": torch.zeros(2, 3, 4)}, "integer"),
    ],
)
def test_wrong_shapes_are_named(change, words):
    source, target, labels = random_maps()
    arguments = {"source": source, "target": target, "labels": labels} | change
    with pytest.raises(ValueError, match=words):
        association_loss(arguments["source"], arguments["target"], arguments["labels"])


def test_cross_entropy_gradient_and_empty_labels():
    logits, _, labels = random_maps(channels=3)
    assert gradcheck(lambda x: cross_entropy_loss(x, labels), (logits.requires_grad_(),))
    empty = cross_entropy_loss(logits, torch.full_like(labels, 255))
    empty.backward()
    assert empty.item() == 0
    assert logits.grad.abs().max() == 0


@pytest.mark.parametrize("wrong", [3, 254, -1])
@pytest.mark.parametrize("loss", [cross_entropy_loss, lovasz_softmax_loss])
def test_an_id_that_is_no_class_is_named(loss, wrong):
    labels = torch.tensor([[[0, 2], [255, wrong]]])
    with pytest.raises(ValueError, match=rf"class ids 0 to 2 or 255 \(ignore\), got {wrong}\. Map other ids"):
        loss(torch.randn(1, 3, 2, 2).softmax(1), labels)


def test_where_ids_are_not_looked_at_a_wrong_one_makes_the_loss_nan_and_nothing_else_changes():
    """What a GPU runs; the CPU can run it too."""
    logits, labels = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4))
    labels[0, 0] = 255
    is_labelled = labels != 255
    guarded = _guarded_cross_entropy(logits, labels, is_labelled) / is_labelled.sum()
    torch.testing.assert_close(guarded, cross_entropy_loss(logits, labels))
    for wrong in (3, -1, -100):
        labels[1, 1, 1] = wrong
        assert _guarded_cross_entropy(logits, labels, is_labelled).isnan()


def test_lovasz_gradient():
    logits, _, labels = random_maps(channels=3, seed=2)
    assert gradcheck(lambda x: lovasz_softmax_loss(x.softmax(1), labels), (logits.requires_grad_(),))


def test_lovasz_by_hand():
    """Two pixels, one wrong by 1: a class with one hit and one false positive has IoU 1/2, the missed class IoU 0."""
    probabilities = torch.tensor([[[[1.0, 1.0]], [[0.0, 0.0]]]])
    labels = torch.tensor([[[0, 1]]])
    assert lovasz_softmax_loss(probabilities, labels).item() == pytest.approx((0.5 + 1.0) / 2)


def test_lovasz_wants_a_label_for_each_pixel():
    with pytest.raises(ValueError, match=r"one class id per pixel \(1, 4, 6\), got shape \(1, 8, 12\)"):
        lovasz_softmax_loss(torch.full((1, 3, 4, 6), 1 / 3), torch.zeros(1, 8, 12, dtype=torch.long))


def test_lovasz_without_labels_is_a_differentiable_zero():
    logits, _, labels = random_maps(channels=3)
    logits.requires_grad_()
    value = lovasz_softmax_loss(logits.softmax(1), torch.full_like(labels, 255))
    value.backward()
    assert value.item() == 0
    assert logits.grad.abs().max() == 0


def test_smoothing_gradient_holds_its_factor_fixed():
    """The factor (ℓ/τ − 1) is detached by design: finite differences must hold it fixed too."""
    logits, _, _ = random_maps(channels=4, seed=4)
    factor = (-logits.log_softmax(1).mean(1) / 10 - 1).detach()

    def surrogate(x):
        return (factor * -x.log_softmax(1).mean(1)).mean()

    logits.requires_grad_()
    smoothing_loss(logits).backward()
    step, numeric = 1e-6, torch.zeros_like(logits)
    for place in range(logits.numel()):
        bump = torch.zeros_like(logits).flatten()
        bump[place] = step
        bump = bump.view_as(logits)
        numeric.view(-1)[place] = (surrogate(logits.detach() + bump) - surrogate(logits.detach() - bump)) / (2 * step)
    torch.testing.assert_close(logits.grad, numeric, rtol=1e-5, atol=1e-9)


def test_total_is_the_papers_weighted_sum():
    of_the_paper = [name for name in LossWeights.__dataclass_fields__ if name not in ("entropy", "self_training")]
    terms = {name: torch.tensor(1.0) for name in of_the_paper}
    assert total_loss(terms).item() == pytest.approx(1 + 0.75 + 0.1 + 0.1 + 0.01 + 0.01)
    assert total_loss({"lovasz": torch.tensor(2.0)}, LossWeights(lovasz=3.0)).item() == 6.0
    with pytest.raises(ValueError, match="nonsense"):
        total_loss({"nonsense": torch.tensor(1.0)})
