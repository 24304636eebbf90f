"""Spatial aggregation: by hand, against the formula, and what it must not do."""

from __future__ import annotations

import math

import pytest
import torch

from pca_core import aggregate
from pca_core.association import aggregation_row
from tests import reference


def random_maps(level="feature", seed=0, size=(4, 6)):
    maps = torch.randn(2, 5, *size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return maps if level == "feature" else (2 * maps).softmax(1)


def test_two_orthogonal_pixels_by_hand():
    """Cosine rows (1, 0) and (0, 1) normalise to ±1/√2: each keeps w = 1/(1 + e^−√2) of itself and borrows 1 − w."""
    w = 1 / (1 + math.exp(-math.sqrt(2)))
    target = torch.tensor([[[[3.0, 0.0]], [[0.0, 5.0]]]])  # pixel 0 = 3 e1, pixel 1 = 5 e2
    got = aggregate(target, alpha=1.0)[0, :, 0].T
    torch.testing.assert_close(got, torch.tensor([[3 * w, 5 * (1 - w)], [3 * (1 - w), 5 * w]]))
    torch.testing.assert_close(aggregate(target, alpha=0.25)[0, :, 0].T, 0.75 * target[0, :, 0].T + 0.25 * got)


def test_prediction_level_by_hand():
    """−KL of (¾, ¼) to itself is 0, to (¼, ¾) it is −½ log 3: the weights are √3 : 1."""
    target = torch.tensor([[[[0.75, 0.25]], [[0.25, 0.75]]]], dtype=torch.float64)
    w = math.sqrt(3) / (1 + math.sqrt(3))
    first = w * 0.75 + (1 - w) * 0.25
    expected = torch.tensor([[first, 1 - first], [1 - first, first]], dtype=torch.float64)
    torch.testing.assert_close(aggregate(target, "prediction", 1.0)[0, :, 0], expected, rtol=1e-8, atol=0)


@pytest.mark.parametrize("alpha", [0.3, 1.0])
@pytest.mark.parametrize("level", ["feature", "prediction"])
def test_equals_the_formula_written_out(level, alpha):
    maps = random_maps(level)
    for got, image in zip(aggregate(maps, level, alpha), maps, strict=True):
        expected = reference.aggregate(image.flatten(1).T, level, alpha)
        torch.testing.assert_close(got.flatten(1).T, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("level", ["feature", "prediction"])
def test_rows_equal_the_formula_and_sum_to_one(level):
    rows_TC = random_maps(level)[0].flatten(1).T
    matrix = reference.similarity(rows_TC, rows_TC, level)
    weights = (reference.contrast_normalise(matrix) if level == "feature" else matrix).softmax(1)
    for index in range(24):
        row = aggregation_row(rows_TC, index, level)
        torch.testing.assert_close(row, weights[index], rtol=1e-6, atol=1e-9)
        assert row.sum().item() == pytest.approx(1)
        assert row.argmax() == index


def test_rows_without_normalisation_weigh_by_plain_cosine():
    rows_TC = random_maps()[0].flatten(1).T
    weights = reference.similarity(rows_TC, rows_TC, "feature").softmax(1)
    torch.testing.assert_close(aggregation_row(rows_TC, 3, "feature", contrast_normalisation=False), weights[3])
    mixed = aggregate(rows_TC.T.reshape(1, 5, 4, 6), alpha=1.0, contrast_normalisation=False)
    torch.testing.assert_close(mixed.flatten(2)[0].T, weights @ rows_TC)


def test_images_of_a_batch_do_not_borrow_from_each_other():
    maps = random_maps()
    torch.testing.assert_close(aggregate(maps), torch.cat([aggregate(maps[:1]), aggregate(maps[1:])]), rtol=0, atol=0)


@pytest.mark.parametrize("level", ["feature", "prediction"])
def test_where_a_pixel_lies_does_not_matter(level):
    maps = random_maps(level)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(1))
    permuted = maps.flatten(2)[..., order].view_as(maps)
    torch.testing.assert_close(aggregate(permuted, level), aggregate(maps, level).flatten(2)[..., order].view_as(maps))


def test_predictions_stay_distributions():
    mixed = aggregate(random_maps("prediction"), "prediction", 0.7)
    assert (mixed > 0).all()
    torch.testing.assert_close(mixed.sum(1), torch.ones(2, 4, 6, dtype=torch.float64))
    certain = aggregate(torch.eye(3)[None, :, None], "prediction", 0.5)
    torch.testing.assert_close(certain, torch.eye(3)[None, :, None], rtol=0, atol=1e-6)  # 1e-10 against 1: nothing to borrow


def test_alpha_zero_is_the_target_itself():
    maps = random_maps()
    assert aggregate(maps, alpha=0.0) is maps


@pytest.mark.parametrize("value", [0.0, 2.5])
def test_constant_maps_stay_as_they_are(value):
    maps = torch.full((1, 4, 3, 5), value)
    torch.testing.assert_close(aggregate(maps), maps)


def test_a_single_pixel_has_nobody_to_borrow_from():
    pixel = torch.tensor([3.0, -4.0]).view(1, 2, 1, 1)
    torch.testing.assert_close(aggregate(pixel), pixel)
    assert aggregation_row(pixel.flatten(1), 0, "feature").tolist() == [1.0]


def test_gradients_reach_the_pixels_that_were_borrowed_from():
    maps = random_maps()[:1].requires_grad_()
    aggregate(maps)[0, :, 0, 0].sum().backward()
    assert (maps.grad[0].abs().sum(0) > 0).all()


@pytest.mark.parametrize(
    ("target", "options", "words"),
    [
        (torch.zeros(5, 4, 6), {}, r"got shape \(5, 4, 6\).*target\[None\]"),  # one image without its batch axis
        (torch.zeros(1, 5, 4, 6), {"level": "logit"}, "'feature' or 'prediction', got 'logit'"),  # no such level
        (torch.zeros(1, 5, 4, 6), {"alpha": 1.5}, r"\[0, 1\], got 1.5"),  # more than everything
        (torch.zeros(1, 5, 4, 6), {"alpha": -0.1}, r"\[0, 1\], got -0.1"),  # less than nothing
        (torch.zeros(1, 5, 4, 6), {"alpha": math.nan}, r"\[0, 1\], got nan"),  # no number compares with NaN
    ],
)
def test_wrong_arguments_are_named(target, options, words):
    with pytest.raises(ValueError, match=words):
        aggregate(target, **options)


def test_of_no_images_come_none():
    assert aggregate(torch.zeros(0, 5, 4, 6)).shape == (0, 5, 4, 6)
