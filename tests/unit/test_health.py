"""What is told of a net without target labels, on cases that can be checked by hand."""

from __future__ import annotations

import math

import pytest
import torch

from pca_core.adaptation.health import (
    Health,
    advise,
    class_overlap,
    class_shares,
    find_vanished,
    normalised_entropy,
    soft_neighbourhood_density,
)


def one_hot(classes: list[int], num_classes: int) -> torch.Tensor:
    """(1, K, N, 1) certain predictions."""
    return torch.nn.functional.one_hot(torch.tensor(classes), num_classes).T.float()[None, :, :, None]


def test_entropy_is_one_when_nothing_is_known_and_zero_when_all_is():
    assert normalised_entropy(torch.full((1, 4, 2, 2), 0.25)) == pytest.approx(1)
    assert normalised_entropy(one_hot([0, 1, 2, 3], 4)) == 0
    half = torch.tensor([0.5, 0.5, 0, 0])[None, :, None, None]
    assert normalised_entropy(half) == pytest.approx(0.5)


def test_shares_leave_out_what_has_no_label():
    assert class_shares(torch.tensor([0, 0, 1, 255]), 3).tolist() == pytest.approx([2 / 3, 1 / 3, 0])


def test_overlap():
    one, other = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.25, 0.25, 0.5])
    assert class_overlap(one, one) == 1
    assert class_overlap(one, other) == 0.5


def test_density_counts_neighbours():
    """Two groups of five certain pixels: each has four equals and five at similarity 0, e^20 times less likely."""
    assert soft_neighbourhood_density(one_hot([0] * 5 + [1] * 5, 2)) == pytest.approx(math.log(4), abs=1e-4)
    assert soft_neighbourhood_density(one_hot([0] * 10, 2)) == pytest.approx(math.log(9), abs=1e-4)


def test_density_is_drawn_the_same_each_time():
    probabilities = torch.randn(2, 5, 40, 40, generator=torch.Generator().manual_seed(0)).softmax(1)
    assert soft_neighbourhood_density(probabilities, 200) == soft_neighbourhood_density(probabilities, 200)
    assert soft_neighbourhood_density(probabilities, 200) != soft_neighbourhood_density(probabilities, 200, seed=1)


def test_a_class_has_vanished_when_next_to_nothing_is_left():
    source = torch.tensor([0.5, 0.3, 0.2, 0.001])
    target = torch.tensor([0.7, 0.3, 0.001, 0.0])
    assert find_vanished(source, target, ("road", "sky", "car", "rare")) == ("car",)


def look(**changes) -> Health:
    return Health(
        **({"entropy": 0.3, "class_balance": 0.8, "snd": 5.0, "retention": 100.0, "rate": 0.9, "coverage": 0.2} | changes)
    )


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([look(retention=10.0)], None),  # one look says nothing of a change
        ([look(), look(vanished=("car",))], "Predictions of car have all but gone"),
        ([look(vanished=("car",)), look(vanished=("car",))], None),  # it was so from the start
        ([look(), look(retention=80.0)], "Only 80 % of the held-out source mIoU"),
        ([look(), look(entropy=0.2, rate=0.8)], "surer while fewer cycles close"),
        ([look(), look(entropy=0.2)], None),
        ([look()] * 5, "Neither neighbourhood density nor cycle-consistency rate moved"),
        ([look(), look(), look(snd=5.0), look(snd=5.3), look(snd=5.6)], None),
    ],
)
def test_advice(history, expected):
    advice = advise(history)
    assert advice is None if expected is None else expected in advice
