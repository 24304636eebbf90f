"""The numbers of a pair, counted by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from pca_core import AssociationConfig, associate, summarise
from pca_core.association.statistics import count_flow, row_shares, suggest_pixel
from tests.conftest import make_pair
from tests.unit.test_association import at, labels

SOURCE_LABELS = labels(0, 0, 1, 255, 1)


@pytest.fixture
def found():
    """0, 1, 2 claim the target at 1° and come back to 1; 3 and 4 claim the one at 91° and come back to 3; 180° is left over."""
    return associate(at(0, 1, 2, 91, 88), at(1, 91, 180), SOURCE_LABELS, AssociationConfig(alpha=0.0))


def test_by_hand(found):
    numbers = summarise(found, SOURCE_LABELS, 3, labels(0, 1, 2))
    assert found.is_consistent.tolist() == [True, True, False, False, False]
    assert numbers.rate == 2 / 4
    assert numbers.mutual_rate == 1 / 4  # pixel 1; pixel 3 comes back to itself as well, but has no label
    assert numbers.coverage == pytest.approx(2 / 3)
    assert numbers.consistent_coverage == pytest.approx(1 / 3)
    assert numbers.correct_rate == 1.0  # pixels 0 and 1 lie on class 0
    assert numbers.correct_rate_all == 3 / 4  # and pixel 4 on class 1; only pixel 2 does not match
    assert (numbers.hub_share, numbers.max_in_degree) == (3 / 5, 3)
    np.testing.assert_array_equal(numbers.rate_by_class, [1.0, 0.0, np.nan])
    np.testing.assert_array_equal(numbers.cycle_flow, [[2, 0, 0], [1, 0, 0], [0, 0, 0]])  # 4 returns to no label
    np.testing.assert_array_equal(numbers.class_flow, [[2, 0, 0], [1, 1, 0], [0, 0, 0]])


def test_unlabelled_target_pixels_judge_nothing(found):
    numbers = summarise(found, SOURCE_LABELS, 3, labels(255, 1, 2))
    assert numbers.correct_rate is None  # both consistent pixels lie on the unlabelled one
    assert numbers.correct_rate_all == 1.0  # pixel 4 is the only one to judge
    np.testing.assert_array_equal(numbers.class_flow, [[0, 0, 0], [0, 1, 0], [0, 0, 0]])


def test_without_target_labels_nothing_is_called_correct(found):
    numbers = summarise(found, SOURCE_LABELS, 3)
    assert (numbers.correct_rate, numbers.correct_rate_all, numbers.class_flow) == (None, None, None)


def test_without_labels_at_all():
    nothing = labels(255, 255)
    found = associate(at(0, 10), at(1, 9), nothing, AssociationConfig(alpha=0.0))
    numbers = summarise(found, nothing, 2, labels(0, 1))
    assert (numbers.rate, numbers.mutual_rate, numbers.coverage, numbers.consistent_coverage) == (0, 0, 1, 0)
    assert (numbers.correct_rate, numbers.correct_rate_all) == (None, None)
    assert np.isnan(numbers.rate_by_class).all()
    assert numbers.cycle_flow.sum() == 0


def test_hub_share_counts_the_busiest_hundredth():
    """250 target pixels: the 2 busiest. 7 of 10 source pixels lie on the first, 2 on the second, 1 on another."""
    target = torch.linspace(0, 249, 250)
    source = [100.0] * 7 + [50.0] * 2 + [7.0]
    ids = labels(*[0] * 10)
    found = associate(at(*source), at(*target.tolist()), ids, AssociationConfig(alpha=0.0))
    assert summarise(found, ids, 1).hub_share == pytest.approx(0.9)
    assert summarise(found, ids, 1).max_in_degree == 7


def test_counts_add_up():
    pair = make_pair(seed=5)
    found = associate(pair.source_features, pair.target_features, pair.source_labels)
    numbers = summarise(found, pair.source_labels, 4, pair.target_labels)
    ids = pair.source_labels.flatten()
    ends = ids[found.return_index]
    assert numbers.cycle_flow.sum() == ((ids != 255) & (ends != 255)).sum()
    assert np.trace(numbers.cycle_flow) == found.is_consistent.sum()
    counts = np.array([(ids == k).sum() for k in range(4)])
    assert (numbers.rate_by_class * counts).sum() / counts.sum() == pytest.approx(numbers.rate)
    assert summarise(found, pair.source_labels, 9).cycle_flow.shape == (9, 9)


def test_flow_points_from_row_to_column():
    flow = count_flow(torch.tensor([0, 0, 1, 255, 2]), torch.tensor([1, 1, 2, 0, 255]), 3)
    np.testing.assert_array_equal(flow, [[0, 2, 0], [0, 0, 1], [0, 0, 0]])


def test_to_dict_survives_strict_json(found):
    numbers = summarise(found, SOURCE_LABELS, 3, labels(255, 255, 255))
    text = json.dumps(numbers.to_dict(), allow_nan=False)
    back = json.loads(text)
    assert back["rate_by_class"] == [1.0, 0.0, None]
    assert back["correct_rate"] is None
    assert back["cycle_flow"] == [[2, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert back == numbers.to_dict()
    assert set(back) == set(numbers.__dataclass_fields__)


@pytest.mark.parametrize(("size", "middle"), [((1, 1), 0), ((1, 2), 1), ((1, 9), 4), ((3, 4), 6), ((4, 6), 15)])
def test_suggested_pixel_is_the_middle_when_nothing_closes(size, middle):
    ids = torch.full(size, 255)
    features = torch.randn(3, *size, generator=torch.Generator().manual_seed(0))
    assert suggest_pixel(associate(features, features, ids), ids) == middle


def test_suggested_pixel_is_consistent_rare_and_clear():
    """Twenty of class 0 and two of class 1, all their own match: of the rare class the one with the wider margin."""
    degrees = [*range(0, 100, 5), 200, 203]
    ids = labels(*[0] * 20, 1, 1)
    found = associate(at(*degrees), at(*degrees[:-1], 206), ids, AssociationConfig(alpha=0.0))
    assert found.is_consistent.all()
    assert found.margin[20] > found.margin[21]
    assert suggest_pixel(found, ids) == 20
    off_edge = range(2, 20)  # a tenth of the 22 columns
    clearest = max(off_edge, key=lambda index: found.margin[index].item())
    assert suggest_pixel(found, torch.zeros_like(ids)) == clearest  # one class only: the clearest of those off the edges


def test_suggested_pixel_is_off_the_edges_where_it_can_be():
    """Every pixel of a 10 × 10 map is its own match; the corner is the clearest, but marks there would be cut off."""
    features = torch.rand(8, 10, 10, generator=torch.Generator().manual_seed(1))
    features[:, 0, 0] = -1.0
    ids = torch.zeros(10, 10, dtype=torch.long)
    found = associate(features, features, ids, AssociationConfig(alpha=0.0))
    assert found.margin.argmax() == 0
    row, column = divmod(suggest_pixel(found, ids), 10)
    assert 1 <= row <= 8
    assert 1 <= column <= 8


def test_row_shares_by_hand():
    shares = row_shares(np.array([[3, 1], [0, 0]]))
    np.testing.assert_array_equal(shares, [[0.75, 0.25], [np.nan, np.nan]])
