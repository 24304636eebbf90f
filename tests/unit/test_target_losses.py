"""Losses without target labels, and the draw of pixels that the association pulls on."""

from __future__ import annotations

import math

import pytest
import torch

from pca_core.losses import association_loss, cross_entropy_loss, entropy_loss, self_training_loss, weighted_cross_entropy_loss
from pca_core.losses.association import _Draw


def random(*shape: int, seed: int = 0, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_entropy_by_hand():
    assert entropy_loss(torch.zeros(1, 4, 2, 2)).item() == pytest.approx(math.log(4))
    assert entropy_loss(torch.tensor([100.0, 0, 0])[None, :, None, None]).item() == pytest.approx(0, abs=1e-6)


def test_self_training_counts_sure_pixels_over_all():
    logits = torch.zeros(1, 2, 1, 2)
    teacher = torch.tensor([[[[0.95, 0.6]], [[0.05, 0.4]]]])
    assert self_training_loss(logits, teacher, 0.9).item() == pytest.approx(math.log(2) / 2)
    assert self_training_loss(logits, teacher, 0.5).item() == pytest.approx(math.log(2))
    assert self_training_loss(logits, teacher, 0.99).item() == 0


def test_gradients():
    logits, teacher = random(2, 3, 3, 4).requires_grad_(), random(2, 3, 3, 4, seed=1).softmax(1)
    labels, weights = teacher.argmax(1), teacher.max(1).values
    assert torch.autograd.gradcheck(entropy_loss, logits)
    assert torch.autograd.gradcheck(lambda x: self_training_loss(x, teacher, 0.5), logits)
    assert torch.autograd.gradcheck(lambda x: weighted_cross_entropy_loss(x, labels, weights), logits)


def test_a_draw_of_all_pixels_changes_nothing():
    source, target = random(1, 6, 5, 6), random(1, 6, 4, 7, seed=1)
    labels = torch.randint(0, 3, (1, 5, 6), generator=torch.Generator().manual_seed(2))
    whole = association_loss(source, target, labels)
    assert association_loss(source, target, labels, pixels_per_class=1000).value.item() == pytest.approx(whole.value.item())
    assert association_loss(source, target, labels, pixels_per_class=1000).rate == whole.rate


def test_a_draw_takes_so_many_of_each_class():
    """With every pixel alike the loss is one number whatever is drawn; its gradient says how many rows were."""
    source = torch.ones(1, 2, 4, 5, dtype=torch.float64) + 0.01 * random(1, 2, 4, 5)
    target = torch.ones(1, 2, 3, 3, dtype=torch.float64) + 0.01 * random(1, 2, 3, 3, seed=1)
    labels = torch.zeros(1, 4, 5, dtype=torch.int64)
    labels[0, 0, :2] = 1
    source[:, 0] *= torch.where(labels[0] == 1, -1.0, 1.0)
    target[:, 0, 0] *= -1
    source.requires_grad_()
    config = {"alpha": 0.0}
    consistent = association_loss(source, target, labels, **config).associations[0].is_consistent
    counts = torch.bincount(labels.flatten()[consistent], minlength=2)
    assert counts[0] > 3, "the case must hold more than is drawn"

    def rows(limit: int, seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        loss = association_loss(source, target, labels, **config, pixels_per_class=limit, generator=generator)
        (gradient,) = torch.autograd.grad(loss.value, source)
        return gradient.abs().sum(1).flatten() > 1e-9

    drawn = _Draw(3, torch.Generator().manual_seed(0)).rows(consistent, labels.flatten())
    assert torch.bincount(labels.flatten()[drawn], minlength=2).tolist() == [3, min(3, int(counts[1]))]
    assert consistent[drawn].all()
    assert len(drawn.unique()) == len(drawn)
    assert rows(3, 0).any()
    assert torch.equal(rows(3, 0), rows(3, 0))


def test_weighted_cross_entropy_is_a_weighted_mean():
    logits, labels = torch.zeros(1, 3, 1, 4), torch.tensor([[[0, 0, 1, 255]]])
    logits[0, 0] = 2.0
    weights = torch.tensor([1.0, 4.0, 9.0])
    each = torch.nn.functional.cross_entropy(logits, labels.clamp(max=2), reduction="none").flatten()
    expected = (each[0] + each[1] + 4 * each[2]) / 6
    assert cross_entropy_loss(logits, labels, class_weights=weights).item() == pytest.approx(expected.item())
    even = cross_entropy_loss(logits, labels, class_weights=torch.ones(3))
    assert even.item() == pytest.approx(cross_entropy_loss(logits, labels).item())
    nothing = torch.full_like(labels, 255)
    assert cross_entropy_loss(logits, nothing, class_weights=weights).item() == 0
