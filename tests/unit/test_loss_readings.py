"""A ledger read under weights: what adds up, what is held against what, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pca_core.adaptation import PRESETS
from pca_core.analysis.loss_ledger import ASSOCIATIONS, TERMS, write_ledger
from pca_core.analysis.loss_readings import (
    PICKS,
    compare_norms,
    describe_pixel,
    find_ceiling,
    measure_concentration,
    measure_reach,
    read_ledger,
    sort_norms,
    sum_by_class,
    top_pixels,
    weigh,
)
from pca_core.association.cycle import AssociationConfig
from pca_core.losses import LossWeights
from pca_core.types import IGNORE_INDEX
from tests.unit.test_loss_ledger import ALPHAS, WEIGHTS, make_classifier


@pytest.fixture
def ledgers(pair):
    classify = make_classifier()
    return [write_ledger(pair, classify, AssociationConfig(alpha=alpha)) for alpha in ALPHAS]


def test_entries_are_weighted_shares_of_the_objective(ledgers):
    weights = LossWeights(cross_entropy=2.0, lovasz=0.0, target_smoothing=1.0)
    entries = weigh(ledgers[0], weights)
    assert sum(entry.share for entry in entries) == pytest.approx(1)
    for entry in entries:
        assert entry.weighted == entry.weight * entry.value == getattr(weights, entry.name) * ledgers[0].terms[entry.name].value
    assert entries[1].weighted == 0
    nothing = weigh(ledgers[0], LossWeights(*[0.0] * 6))
    assert all(entry.share is None for entry in nothing)


def test_default_weights_are_those_of_the_papers_preset():
    assert PRESETS["plca-paper"].weights == WEIGHTS


def test_terms_with_weight_zero_do_not_pull(ledgers):
    weights = LossWeights(feature_association=0.0, prediction_association=0.0, target_smoothing=0.0)
    reading = read_ledger(ledgers[0], weights, PICKS["all"])
    assert not reading.gradient["target"].any()
    assert reading.gradient["source"].any()


def test_gradients_that_cancel_are_zero(ledgers):
    """Weights of both signs are no objective, but tell whether a sum of gradients is taken before its norm."""
    gradients = ledgers[0].gradients["source"]
    assert gradients.norms({"lovasz": 1.0}) == pytest.approx(gradients.norms({"lovasz": -1.0}))
    both = gradients.norms({"lovasz": 1.0, "cross_entropy": 1.0})
    apart = gradients.norms({"lovasz": 1.0}) + gradients.norms({"cross_entropy": 1.0})
    assert (both <= apart + 1e-12).all()
    assert (both < apart - 1e-6).any()


def test_a_pixels_own_ledger_is_its_place_in_the_maps(ledgers):
    on, off = ledgers
    whole, plain = (read_ledger(ledger, WEIGHTS, PICKS["all"]) for ledger in ledgers)
    for side, index in (("source", 17), ("target", 23)):
        *terms, last = describe_pixel(on, off, WEIGHTS, side, index)
        assert last.name == "all"
        assert sum(entry.paid for entry in terms) == pytest.approx(last.paid)
        assert last.paid == pytest.approx(whole.paid[side].flat[index] / (whole.total / whole.paid[side].size))
        assert last.gradient == pytest.approx(whole.gradient[side].flat[index] / plain.average(side))
        assert last.times_even == pytest.approx(whole.paid[side].flat[index] / whole.paid[side].mean())
    assert [entry.name for entry in terms] == [*ASSOCIATIONS, "target_smoothing"]
    assert terms[0].times_even is None  # paid by the source
    smoothing = LossWeights(**{name: float(name == "target_smoothing") for name in TERMS})
    assert on.terms["target_smoothing"].value < 0
    assert describe_pixel(on, off, smoothing, "target", 23)[-1].paid < 0  # also where the whole objective is


def test_reach_by_hand():
    norms = np.array([[0.0, 1.0, 2.0, 5.0]])
    reach = measure_reach(norms, even=2.0)
    assert (reach.touched, reach.at_even, reach.total) == (0.75, 0.5, 8.0)
    assert (reach.median, reach.maximum) == (0.75, 2.5)
    shares, times = sort_norms(norms, even=2.0)
    assert (shares.tolist(), times.tolist()) == ([0.25, 0.5, 0.75, 1.0], [2.5, 1.0, 0.5, 0.0])
    assert compare_norms(np.array([4.0, 0.0, 0.0, 1.0]), np.array([1.0, 0.0, 2.0, 0.0])).tolist() == [2, 0, -np.inf, np.inf]


def test_payers_by_hand():
    paid, classes = np.array([[3.0, 1.0], [0.0, 4.0]]), np.array([[0, 0], [2, IGNORE_INDEX]])
    np.testing.assert_array_equal(sum_by_class(paid, classes, 3), [0.5, np.nan, 0.0])
    assert np.isnan(sum_by_class(paid * 0, classes, 3)).all()
    assert top_pixels(paid, 2) == [(3, 4.0), (0, 3.0)]
    assert top_pixels(-paid, 9) == [(3, -4.0), (0, -3.0), (1, -1.0)]
    assert measure_concentration(paid, 0.25) == 0.5
    assert measure_concentration(paid * 0) == 0


def test_a_few_large_values_do_not_set_the_scale():
    values = np.ones(1000)
    values[:3] = 100.0
    assert find_ceiling(values) == 1.0
    assert find_ceiling(values, 2 * values) == 2.0
    assert find_ceiling(np.where(values > 1, values, 0.0)) == 100.0  # nothing else to scale by
