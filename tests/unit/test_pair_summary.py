"""What pairs come to: against counting by hand."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from pca_core import AssociationConfig, PairAnalysis
from pca_core.analysis.pair_summary import (
    count_by_verdict,
    coverage_map,
    make_edges,
    tabulate_classes,
    total_pairs,
    vary_switches,
)
from pca_core.analysis.pairs import VERDICT_CODES, list_pairs
from pca_core.types import IGNORE_INDEX


@pytest.fixture
def analysis(pair) -> PairAnalysis:
    return PairAnalysis(pair)


def test_totals_are_those_of_the_pairs(analysis):
    pairs, totals = list_pairs(analysis), total_pairs(analysis)
    is_labelled = pairs.own_class != IGNORE_INDEX
    closed = (pairs.own_class == pairs.return_class) & is_labelled
    assert totals.count == closed.sum()
    assert totals.rate == pytest.approx(closed.sum() / is_labelled.sum())
    assert totals.coverage == pytest.approx(len(set(pairs.target_index.tolist())) / 40)
    assert totals.consistent_coverage == pytest.approx(len(set(pairs.target_index[closed].tolist())) / 40)
    judged = closed & (pairs.match_label != IGNORE_INDEX)
    assert totals.correct_rate == pytest.approx((pairs.match_label == pairs.own_class)[judged].mean())
    assert totals.mutual_rate == pytest.approx((pairs.return_index == pairs.source_index)[is_labelled].mean())


def test_deltas_are_now_less_then(analysis):
    now, then = total_pairs(analysis), total_pairs(analysis.with_config(AssociationConfig(alpha=0.0)))
    change = now.minus(then)
    for name, value in asdict(now).items():
        assert change[name] == pytest.approx(value - getattr(then, name))
    assert set(now.minus(now).values()) == {0}


def test_without_target_labels_nothing_is_said_of_the_truth(pair):
    analysis = PairAnalysis(replace(pair, target_labels=None))
    totals = total_pairs(analysis)
    assert totals.correct_rate is None
    assert totals.minus(totals)["correct_rate"] is None
    table = tabulate_classes(list_pairs(analysis), analysis.pair, 4)
    assert (table.correct_rate, table.num_target, table.coverage) == (None, None, None)
    assert table.num_pixels.sum() == 51


@pytest.mark.parametrize(
    "config",
    [AssociationConfig(), AssociationConfig("prediction", 0.0, mutual=True, top_k=4, contrast_normalisation=False)],
    ids=["paper", "all switched"],
)
def test_each_variant_differs_in_its_switch_alone(config):
    fields = {
        "aggregation": "alpha",
        "level": "level",
        "mutual": "mutual",
        "top_k": "top_k",
        "normalisation": "contrast_normalisation",
    }
    variants = vary_switches(config)
    assert list(variants) == (list(fields) if config == AssociationConfig() else ["paper", *fields])
    for name, field in fields.items():
        before, after = asdict(config), asdict(variants[name])
        assert {key for key in before if before[key] != after[key]} == {field}
    assert variants.get("paper", config) == AssociationConfig()


def test_the_table_counts_class_by_class(analysis):
    pairs = list_pairs(analysis)
    table = tabulate_classes(pairs, analysis.pair, 6)  # two classes more than occur
    target_T = analysis.pair.target_labels.flatten().numpy()
    for one in range(4):
        own = pairs.own_class == one
        closed = own & (pairs.verdict == VERDICT_CODES.index("consistent"))
        judged = closed & (pairs.match_label != IGNORE_INDEX)
        assert table.num_pixels[one] == own.sum()
        assert table.share[one] == pytest.approx(own.sum() / 51)
        assert table.rate[one] == pytest.approx(closed.sum() / own.sum())
        assert table.correct_rate[one] == pytest.approx((pairs.match_label[judged] == one).mean())
        assert table.similarity[one] == pytest.approx(pairs.similarity[own].mean())
        assert table.margin[one] == pytest.approx(pairs.margin[own].mean())
        reached = [index for index in set(pairs.target_index.tolist()) if target_T[index] == one]
        assert table.coverage[one] == pytest.approx(len(reached) / (target_T == one).sum())
    assert table.num_pixels[4:].tolist() == [0, 0]
    assert np.isnan(table.rate[4:]).all()
    assert np.isnan(table.coverage[4:]).all()


def test_nothing_labelled_is_no_error(pair):
    analysis = PairAnalysis(replace(pair, source_labels=torch.full_like(pair.source_labels, IGNORE_INDEX)))
    pairs = list_pairs(analysis)
    assert total_pairs(analysis).count == 0
    assert np.isnan(tabulate_classes(pairs, pair, 4).rate).all()
    assert set(coverage_map(analysis.association).ravel().tolist()) == {0, 1}


def test_coverage_tells_claimed_and_pulled_on(analysis):
    pairs, codes = list_pairs(analysis), coverage_map(analysis.association)
    assert codes.shape == (5, 8)
    for index, code in enumerate(codes.ravel()):
        claims = pairs.verdict[pairs.target_index == index]
        assert code == (0 if len(claims) == 0 else 2 if VERDICT_CODES.index("consistent") in claims else 1)
    totals = total_pairs(analysis)
    assert (codes > 0).mean() == pytest.approx(totals.coverage)
    assert (codes == 2).mean() == pytest.approx(totals.consistent_coverage)


def test_histograms_hold_every_pair_under_its_verdict(analysis):
    pairs = list_pairs(analysis)
    for values in (pairs.similarity, pairs.margin):
        counts = count_by_verdict(values, pairs.verdict, make_edges(values, 10))
        assert counts.shape == (4, 10)
        assert counts.sum(1).tolist() == [(pairs.verdict == code).sum() for code in range(4)]


def test_a_histogram_by_hand():
    values, verdict = np.array([0.1, 0.1, 0.6, 5.0, np.inf]), np.array([0, 1, 1, 1, 2])
    counts = count_by_verdict(values, verdict, np.array([0.0, 0.5, 1.0]))
    assert counts.tolist() == [[1, 0], [1, 2], [0, 1], [0, 0]]


@pytest.mark.parametrize("values", [np.full(5, 0.3), np.full(4, np.inf), np.zeros(0)], ids=["one value", "infinite", "none"])
def test_edges_of_hardly_anything_still_grow(values):
    edges = make_edges(values, 4)
    assert len(edges) == 5
    assert (np.diff(edges) > 0).all()
