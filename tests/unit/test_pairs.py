"""Pixel pairs as columns, against loops over pixels."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from pca_core import AssociationConfig, PairAnalysis, explain_pixel
from pca_core.analysis.pairs import (
    VERDICT_CODES,
    PairFilter,
    clearest_pairs,
    count_pair_flow,
    filter_pairs,
    list_pairs,
    margin_at,
    thin_pairs,
)
from pca_core.checks import InputError
from pca_core.types import IGNORE_INDEX
from tests.conftest import make_pair
from tests.unit.test_explain import plane_pair

CONFIGS = [
    AssociationConfig(),
    AssociationConfig(level="prediction", alpha=0.0),
    AssociationConfig(mutual=True),
    AssociationConfig(top_k=3),
]


@pytest.fixture
def pairs(pair):
    return list_pairs(PairAnalysis(pair))


def as_id(label: int | None) -> int:
    return IGNORE_INDEX if label is None else label


@pytest.mark.parametrize("config", CONFIGS, ids=["paper", "prediction", "mutual", "top-k"])
def test_every_row_is_the_trace_of_its_pixel(pair, config):
    analysis = PairAnalysis(pair, config)
    pairs = list_pairs(analysis)
    assert len(pairs) == 6 * 9
    for row in range(len(pairs)):
        trace = explain_pixel(analysis, row, with_soft_cycle=False)
        assert pairs.source_index[row] == row
        assert (pairs.target_index[row], pairs.return_index[row]) == (trace.match.index, trace.way_back.index)
        assert VERDICT_CODES[pairs.verdict[row]] == trace.verdict
        ends = pairs.own_class[row], pairs.match_label[row], pairs.match_prediction[row], pairs.return_class[row]
        assert ends == tuple(map(as_id, (trace.label, trace.match.label, trace.match.predicted, trace.way_back.label)))
        assert pairs.similarity[row] == pytest.approx(trace.match.similarity, abs=1e-5)
        assert pairs.margin[row] == pytest.approx(trace.margin, abs=1e-5)


@pytest.mark.parametrize(
    ("keep", "is_kept"),
    [
        (PairFilter(), lambda row: True),
        (PairFilter(classes=(1, 3)), lambda row: row["own"] in (1, 3)),
        (PairFilter(min_margin=0.05), lambda row: row["margin"] >= 0.05),
        (PairFilter(verdicts=("consistent",)), lambda row: row["verdict"] == "consistent"),
        (PairFilter(verdicts=("inconsistent", "unlabelled")), lambda row: row["verdict"] != "consistent"),
        (PairFilter(truth="right"), lambda row: row["own"] == row["match"] != 255),
        (PairFilter(truth="wrong"), lambda row: 255 not in (row["own"], row["match"]) and row["own"] != row["match"]),
        (PairFilter(flow="label", cell=(2, 1)), lambda row: (row["own"], row["match"]) == (2, 1)),
        (PairFilter(flow="cycle", cell=(2, 1)), lambda row: (row["own"], row["back"]) == (2, 1)),
        (PairFilter(flow="prediction", cell=(0, 0)), lambda row: (row["own"], row["predicted"]) == (0, 0)),
        (
            PairFilter(classes=(0,), verdicts=("consistent",), truth="right"),
            lambda row: row["verdict"] == "consistent" and row["own"] == row["match"] == 0,
        ),
    ],
)
def test_a_filter_keeps_what_a_loop_keeps(pairs, keep, is_kept):
    expected = [
        index
        for index in range(len(pairs))
        if is_kept(
            {
                "own": pairs.own_class[index],
                "match": pairs.match_label[index],
                "predicted": pairs.match_prediction[index],
                "back": pairs.return_class[index],
                "margin": pairs.margin[index],
                "verdict": VERDICT_CODES[pairs.verdict[index]],
            }
        )
    ]
    found = filter_pairs(pairs, keep)
    assert found.source_index.tolist() == expected
    assert expected or keep.cell is not None  # a filter that lets nothing through would show nothing
    assert found.target_index.tolist() == pairs.target_index[expected].tolist()


def test_list_pairs_filters_too(pair):
    analysis = PairAnalysis(pair)
    keep = PairFilter(verdicts=("consistent",))
    assert len(list_pairs(analysis, keep)) == int(analysis.association.is_consistent.sum())


def test_without_target_labels_the_truth_cannot_be_asked_for(pair):
    pairs = list_pairs(PairAnalysis(replace(pair, target_labels=None)))
    assert pairs.match_label is None
    assert len(filter_pairs(pairs, PairFilter(flow="cycle", cell=(1, 1)))) > 0
    with pytest.raises(InputError, match="the target has no labels"):
        filter_pairs(pairs, PairFilter(truth="right"))


def test_without_predictions_their_flow_cannot_be_asked_for(pair):
    pairs = list_pairs(PairAnalysis(replace(pair, source_probabilities=None, target_probabilities=None)))
    with pytest.raises(InputError, match="the target has no predictions"):
        count_pair_flow(pairs, "prediction", 4)


@pytest.mark.parametrize("wrong", [{"verdicts": ("maybe",)}, {"truth": "true"}, {"flow": "sideways"}])
def test_a_filter_that_does_not_exist_is_named(wrong):
    with pytest.raises(InputError, match=r"must be of .*, got '(maybe|true|sideways)'"):
        PairFilter(**wrong)


@pytest.mark.parametrize("flow", ["label", "prediction", "cycle"])
def test_the_cells_of_the_flow_hold_the_pairs_that_they_count(pairs, flow):
    counts = count_pair_flow(pairs, flow, 4)
    for row, column in np.ndindex(4, 4):
        assert len(filter_pairs(pairs, PairFilter(flow=flow, cell=(row, column)))) == counts[row, column]


def test_margins_of_a_share(pairs):
    for share in (0.1, 0.5, 0.9):
        kept = filter_pairs(pairs, PairFilter(min_margin=margin_at(pairs, share)))
        assert len(kept) / len(pairs) == pytest.approx(share, abs=0.5 / len(pairs))
    assert margin_at(pairs, 1.0) == 0
    assert margin_at(pairs.take(np.zeros(0, int)), 0.5) == 0


def test_the_clearest_come_first(pairs):
    found = clearest_pairs(pairs, 7)
    assert found.margin.tolist() == sorted(pairs.margin.tolist(), reverse=True)[:7]


def test_one_target_pixel_leaves_no_second_choice():
    pairs = list_pairs(PairAnalysis(plane_pair([0, 90], [45], [0, 1])))
    assert np.isinf(pairs.margin).all()
    assert len(filter_pairs(pairs, PairFilter(min_margin=margin_at(pairs, 0.5)))) == 2
    assert len(thin_pairs(pairs, 1)) == 1


@pytest.fixture(scope="module")
def many():
    """40 x 60 pixels of which class 3 has nine, in the middle; class 0 is the left half."""
    pair = make_pair(seed=1, source=(40, 60), target=(20, 30))
    labels = torch.ones_like(pair.source_labels)
    labels[:, :30] = 0
    labels[19:22, 29:32] = 3
    return list_pairs(PairAnalysis(replace(pair, source_labels=labels), AssociationConfig(alpha=0.0)))


@pytest.mark.parametrize("count", [3, 10, 100, 1000, 2399])
def test_thinning_keeps_so_many_and_rare_classes_in_sight(many, count):
    found = thin_pairs(many, count)
    assert len(found) == count
    assert len(set(found.source_index.tolist())) == count
    numbers = Counter(found.own_class.tolist())
    assert set(numbers) == {0, 1, 3}
    assert numbers[3] / 9 >= numbers[0] / 1197
    assert found.source_index.tolist() == thin_pairs(many, count).source_index.tolist()
    assert found.target_index.tolist() == many.target_index[found.source_index].tolist()


def test_thinning_is_even_over_the_image(many):
    """Each of 4 x 6 blocks of 100 pixels gets about its part, and more lines only add to fewer."""
    few, more = (thin_pairs(many, count) for count in (240, 720))
    row, column = np.divmod(more.source_index, 60)
    blocks = np.bincount(row // 10 * 6 + column // 10, minlength=24)
    assert blocks.min() >= 20
    assert blocks.max() <= 45
    assert set(few.source_index.tolist()) < set(more.source_index.tolist())


def test_what_is_few_enough_is_not_thinned(many):
    assert thin_pairs(many, 2400) is many
    assert len(thin_pairs(many, 0)) == 0
    assert len(thin_pairs(many, 2)) == 2
    assert len(thin_pairs(many.take(np.zeros(0, int)), 0)) == 0
