"""A trace tells what the association did: the same indices, the same numbers, the formula's maps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pca_core import AssociationConfig, FeaturePair, PairAnalysis, associate, explain_pixel
from tests import reference
from tests.conftest import make_pair
from tests.unit.test_association import at, labels

CONFIGS = {
    "paper": AssociationConfig(),
    "no aggregation": AssociationConfig(alpha=0.0),
    "prediction": AssociationConfig(level="prediction"),
    "mutual": AssociationConfig(mutual=True),
    "top-k": AssociationConfig(top_k=3),
    "raw scores": AssociationConfig(contrast_normalisation=False, alpha=0.3),
}
every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


def sides(pair, level):
    if level == "feature":
        return pair.source_features, pair.target_features
    return pair.source_probabilities, pair.target_probabilities


def plane_pair(source_degrees, target_degrees, ids, target_ids=None) -> FeaturePair:
    """Pixels in one row, told apart by direction."""
    target_labels = None if target_ids is None else labels(*target_ids)
    return FeaturePair(at(*source_degrees).float(), at(*target_degrees).float(), labels(*ids), target_labels=target_labels)


@every_config
def test_every_source_trace_agrees_with_the_association(pair, config):
    analysis = PairAnalysis(pair, config)
    found = associate(*sides(pair, config.level), pair.source_labels, config)
    for i in range(54):
        trace = explain_pixel(analysis, i)
        assert (trace.index, trace.row, trace.column, trace.side) == (i, i // 9, i % 9, "source")
        assert trace.match.index == found.target_index[i]
        assert (trace.match.row, trace.match.column) == divmod(trace.match.index, 8)
        assert trace.way_back.index == found.return_index[i]
        assert (trace.way_back.row, trace.way_back.column) == divmod(trace.way_back.index, 9)
        assert trace.match.probability == pytest.approx(found.forward_prob[i].item(), rel=1e-4)
        assert trace.match.times_uniform == pytest.approx(40 * found.forward_prob[i].item(), rel=1e-4)
        assert trace.way_back.probability == pytest.approx(found.backward_prob[i].item(), rel=1e-4)
        assert trace.match.similarity == pytest.approx(found.similarity[i].item(), abs=1e-5)
        assert trace.margin == found.margin[i]
        verdicts = {(True, True): "consistent", (True, False): "inconsistent", (False, False): "unlabelled"}
        expected = verdicts[found.is_labelled[i].item(), found.is_consistent[i].item()]
        is_own_class = trace.way_back.label == trace.label
        assert trace.verdict == ("not_mutual" if expected == "inconsistent" and is_own_class else expected)
        assert [c.index for c in trace.candidates][: config.top_k] == found.candidate_index[i].tolist()
        assert trace.rivals == tuple(j for j in range(54) if j != i and found.target_index[j] == trace.match.index)


@pytest.mark.parametrize("level", ["feature", "prediction"])
def test_maps_and_numbers_equal_the_formula(pair, level):
    source, target = (side.double().flatten(1).T for side in sides(pair, level))
    log_there, _, there, back = reference.associate(source, target, level, 0.5)
    weights = reference.similarity(target, target, level)
    weights = (reference.contrast_normalise(weights) if level == "feature" else weights).softmax(1)
    analysis = PairAnalysis(pair, AssociationConfig(level=level))
    for i in (0, 17, 53):
        trace = explain_pixel(analysis, i)
        j = trace.match.index
        np.testing.assert_allclose(trace.similarity_map.ravel(), there[i], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(trace.probability_map.ravel(), 40 * log_there[i].exp(), rtol=1e-3)
        np.testing.assert_allclose(trace.return_map.ravel(), back[j], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(trace.aggregation_map.ravel(), weights[j], rtol=1e-3, atol=1e-6)
        shapes = [m.shape for m in (trace.similarity_map, trace.probability_map, trace.aggregation_map, trace.return_map)]
        assert shapes == [(5, 8), (5, 8), (5, 8), (6, 9)]
        assert trace.aggregation_map.sum() == pytest.approx(1, abs=1e-5)
        assert trace.probability_map.mean() == pytest.approx(1, abs=1e-4)
        expected = reference.contrast_normalise(there)[i, j].item()
        assert trace.match.normalised == pytest.approx(expected, rel=1e-4)


def test_aggregation_map_without_aggregation_is_the_pixel_alone(pair):
    trace = explain_pixel(pair, 20, config=AssociationConfig(alpha=0.0))
    assert trace.aggregation_map.ravel()[trace.match.index] == 1
    assert trace.aggregation_map.sum() == 1


@every_config
def test_soft_cycle_is_the_walk_there_and_back(pair, config):
    analysis = PairAnalysis(pair, config)
    got = analysis.soft_cycle_S
    forward, backward = analysis.directions()
    there, back = (
        (((d.query_RD @ d.key_ND.T) - d.mean_R[:, None]) * d.inverse_std_R[:, None]).double().softmax(1)
        for d in (forward, backward)
    )
    label_S = pair.source_labels.flatten()
    expected = ((there @ back) * (label_S[:, None] == label_S)).sum(1)
    assert got[:3].isnan().all()
    torch.testing.assert_close(got[3:].double(), expected[3:], rtol=1e-4, atol=1e-6)
    for i in range(54):
        value = explain_pixel(analysis, i).soft_cycle
        assert value is None if i < 3 else value == pytest.approx(got[i].item(), rel=1e-5)


def test_classes_are_those_of_labels_and_model(pair):
    analysis = PairAnalysis(pair)
    predicted = pair.target_probabilities.argmax(0).flatten()
    for i in range(54):
        trace = explain_pixel(analysis, i)
        assert trace.label == (None if i < 3 else pair.source_labels.flatten()[i])
        for candidate in trace.candidates:
            label = pair.target_labels.flatten()[candidate.index].item()
            assert candidate.label == (None if label == 255 else label)
            assert candidate.predicted == predicted[candidate.index]
    bare = explain_pixel(replace(pair, target_labels=None, source_probabilities=None), 10)
    assert (bare.match.label, bare.predicted, len(bare.stages)) == (None, None, 3)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.8])
def test_ladder_rungs_are_associations_of_their_own(alpha):
    pair = make_pair(seed=8)
    analysis = PairAnalysis(pair, AssociationConfig(alpha=alpha))
    aggregated = alpha or 0.5
    rungs = {
        "cosine": AssociationConfig(alpha=0.0, contrast_normalisation=False),
        "normalised": AssociationConfig(alpha=0.0),
        "aggregated": AssociationConfig(alpha=aggregated),
        "prediction": AssociationConfig(level="prediction", alpha=aggregated),
    }
    found = {name: associate(*sides(pair, c.level), pair.source_labels, c) for name, c in rungs.items()}
    flips = 0
    for i in range(54):
        stages = explain_pixel(analysis, i).stages
        assert [stage.name for stage in stages] == list(rungs)
        previous = None
        for stage in stages:
            expected = found[stage.name]
            assert stage.match.index == expected.target_index[i]
            assert stage.way_back.index == expected.return_index[i]
            assert (stage.verdict == "consistent") == expected.is_consistent[i]
            assert stage.match.probability == pytest.approx(expected.forward_prob[i].item(), rel=1e-4)
            assert stage.margin == pytest.approx(expected.margin[i].item(), abs=1e-5)
            assert stage.is_flip == (previous is not None and previous != stage.match.index)
            previous = stage.match.index
            flips += stage.is_flip
        assert not stages[1].is_flip  # normalising a row cannot change its order
    assert flips > 0


@every_config
def test_every_target_trace_agrees_with_the_association(pair, config):
    analysis = PairAnalysis(pair, config)
    found = associate(*sides(pair, config.level), pair.source_labels, config)
    for j in range(40):
        trace = explain_pixel(analysis, j, "target")
        assert (trace.index, trace.row, trace.column, trace.side) == (j, j // 8, j % 8, "target")
        claiming = [claim.source.index for claim in trace.claims]
        assert sorted(claiming) == (found.target_index == j).nonzero()[:, 0].tolist()
        similarity = [claim.source.similarity for claim in trace.claims]
        assert similarity == sorted(similarity, reverse=True)
        assert trace.returns[0].index == found.target_return_index[j]
        assert trace.num_consistent == sum(found.is_consistent[i].item() for i in claiming)
        assert trace.similarity_map.shape == (6, 9)
        assert trace.similarity_map.ravel()[trace.returns[0].index] == pytest.approx(trace.similarity_map.max(), abs=1e-6)
        assert trace.aggregation_map.sum() == pytest.approx(1, abs=1e-5)
        for claim in trace.claims:
            told = explain_pixel(analysis, claim.source.index)
            assert claim.verdict == told.verdict
            for name in ("similarity", "normalised", "probability", "times_uniform"):
                assert getattr(claim.source, name) == pytest.approx(getattr(told.match, name), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("num_equal", [7, 70, 300])
def test_ties_read_as_the_association_decided_them(num_equal):
    """Every pixel is like every other: any of them may be first, but the trace and the association must name the same."""
    alike = torch.ones(2, 1, num_equal)
    analysis = PairAnalysis(FeaturePair(alike, alike, torch.zeros(1, num_equal, dtype=torch.long)))
    found = analysis.association
    for i in range(0, num_equal, 13):
        trace = explain_pixel(analysis, i)
        assert trace.candidates[0].index == trace.match.index == found.target_index[i]
        assert trace.way_back.index == found.return_index[i]
        assert explain_pixel(analysis, i, "target").returns[0].index == found.target_return_index[i]
        assert len({candidate.index for candidate in trace.candidates}) == 5


def test_num_candidates_is_bounded_by_the_map_and_at_least_top_k():
    pair = plane_pair((0, 90), (0, 30, 60), (0, 1))
    assert len(explain_pixel(pair, 0, num_candidates=9).candidates) == 3
    assert len(explain_pixel(pair, 0, num_candidates=9).returns) == 2
    assert len(explain_pixel(pair, 0, config=AssociationConfig(top_k=3), num_candidates=1).candidates) == 3


@pytest.mark.parametrize(
    ("index", "side", "words"),
    [
        (54, "source", r"source side must lie in \[0, 54\), got 54"),  # one past the end
        (-1, "source", r"\[0, 54\), got -1"),  # no counting from the end
        (40, "target", r"target side must lie in \[0, 40\), got 40"),  # a source index on the smaller side
        (0, "middle", "'source' or 'target', got 'middle'"),
    ],
)
def test_a_pixel_that_is_not_there(pair, index, side, words):
    with pytest.raises(ValueError, match=words):
        explain_pixel(pair, index, side)


def test_another_config_than_the_analysis_has_is_refused(pair):
    analysis = PairAnalysis(pair, AssociationConfig(alpha=0.2))
    with pytest.raises(ValueError, match="another config"):
        explain_pixel(analysis, 0, config=AssociationConfig())
    assert explain_pixel(analysis, 0, config=AssociationConfig(alpha=0.2)).alpha == 0.2


def test_float64_near_ties_read_the_same_in_the_trace_as_in_the_association():
    """Two target pixels an angle of 1e-3 apart tie in float32; in float64 the second is exactly the source's direction."""
    angles = torch.tensor([1e-3, 0.0], dtype=torch.float64)
    target = torch.stack([angles.cos(), angles.sin()])[:, None]
    source = torch.tensor([[[1.0, 1.0]], [[0.0, 0.0]]], dtype=torch.float64)
    labels = torch.zeros(1, 2, dtype=torch.long)
    config = AssociationConfig(alpha=0.0)
    found = associate(source, target, labels, config)
    assert found.target_index.tolist() == [1, 1]
    assert explain_pixel(FeaturePair(source, target, labels), 0, config=config).match.index == 1
