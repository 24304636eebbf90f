"""What target pixels borrow and how far the loss reaches: against full matrices and loops over pixels."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from pca_core import AssociationConfig, PairAnalysis
from pca_core.analysis.spreading import (
    ALPHAS,
    NEAR,
    alpha_effects,
    describe_loan,
    flip_map,
    map_weights,
    measure_reach,
    reference_alpha,
    with_alpha,
)
from pca_core.types import IGNORE_INDEX, FeaturePair
from tests import reference
from tests.conftest import ROOT, make_pair

LEVELS = ["feature", "prediction"]
NUM_TARGET, TARGET_SIZE = 40, (5, 8)


def side_maps(pair: FeaturePair, level: str) -> tuple[torch.Tensor, torch.Tensor]:
    if level == "feature":
        return pair.source_features, pair.target_features
    return pair.source_probabilities, pair.target_probabilities


def rows(pair: FeaturePair, level: str) -> list[torch.Tensor]:
    return [one.flatten(1).T.double() for one in side_maps(pair, level)]


def weight_matrix(pair: FeaturePair, level: str, *, normalise: bool = True) -> torch.Tensor:
    """(T, T): row j is what target pixel j borrows from whom."""
    target_TC = rows(pair, level)[1]
    similarity = reference.similarity(target_TC, target_TC, level)
    return (reference.contrast_normalise(similarity) if level == "feature" and normalise else similarity).softmax(1)


def walk(pair: FeaturePair, level: str, alpha: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """j*, i* and whether the cycle closes, of every source pixel."""
    _, _, there, back = reference.associate(*rows(pair, level), level, alpha)
    match, labels = there.argmax(1), pair.source_labels.flatten()
    home = back.argmax(1)[match]
    return match, home, (labels[home] == labels) & (labels != IGNORE_INDEX)


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("level", LEVELS)
def test_weight_maps_are_those_of_the_whole_matrix(pair, level, normalise):
    config = AssociationConfig(level=level, contrast_normalisation=normalise, tile_rows=7)
    found = map_weights(PairAnalysis(pair, config))
    weights = weight_matrix(pair, level, normalise=normalise)
    entropy = -(weights * weights.log()).sum(1)
    np.testing.assert_allclose(found.entropy.ravel(), entropy / np.log(NUM_TARGET), atol=2e-6)
    np.testing.assert_allclose(found.lent.ravel(), weights.sum(0), rtol=1e-5)
    assert found.lent.sum() == pytest.approx(NUM_TARGET, rel=1e-5)
    assert found.mean_lenders == pytest.approx(entropy.exp().mean().item(), rel=1e-4)
    assert found.entropy.shape == found.lent.shape == TARGET_SIZE


@pytest.mark.parametrize("level", LEVELS)
def test_a_loan_is_one_row_of_the_matrix_counted_by_hand(pair, level):
    analysis, weights = PairAnalysis(pair, AssociationConfig(level=level)), weight_matrix(pair, level)
    labels = pair.target_labels.flatten()
    for index in (0, 13, NUM_TARGET - 3):
        loan, row = describe_loan(analysis, index), weights[index]
        np.testing.assert_allclose(loan.times_even.ravel(), row * NUM_TARGET, rtol=1e-4)
        assert loan.num_lenders == pytest.approx(np.exp(-sum(float(w) * np.log(float(w)) for w in row)), rel=1e-5)
        own = [float(row[j]) for j in range(NUM_TARGET) if labels[j] == labels[index]]
        assert (loan.own_class_share, loan.own_class_even) == (pytest.approx(sum(own), abs=1e-6), len(own) / NUM_TARGET)
        near = sum(
            float(row[j])
            for j in range(NUM_TARGET)
            if abs(j // 8 - index // 8) <= NEAR and abs(j % 8 - index % 8) <= NEAR
        )  # fmt: skip
        assert loan.near_share == pytest.approx(near, abs=1e-6)
        assert loan.judged_by == "by label"


def test_an_unlabelled_pixel_is_judged_by_prediction_and_without_any_not_at_all(pair):
    unlabelled = NUM_TARGET - 1
    predicted = pair.target_probabilities.argmax(0).flatten()
    weights = weight_matrix(pair, "feature")[unlabelled]
    bare = replace(pair, target_labels=None)
    for one in (pair, bare):
        loan = describe_loan(PairAnalysis(one), unlabelled)
        assert loan.judged_by == "by prediction"
        assert loan.own_class_share == pytest.approx(weights[predicted == predicted[unlabelled]].sum().item(), abs=1e-6)
    loan = describe_loan(PairAnalysis(replace(bare, source_probabilities=None, target_probabilities=None)), unlabelled)
    assert (loan.own_class_share, loan.own_class_even) == (None, None)


@pytest.mark.parametrize("level", LEVELS)
def test_effects_of_every_alpha_are_counted_pixel_by_pixel(pair, level):
    analysis = PairAnalysis(pair, AssociationConfig(level=level, alpha=0.3))
    plain, _, _ = walk(pair, level, 0.0)
    labels, target_labels = pair.source_labels.flatten(), pair.target_labels.flatten()
    for effect, alpha in zip(alpha_effects(analysis), ALPHAS, strict=True):
        match, _, is_closed = walk(pair, level, alpha)
        assert effect.alpha == alpha
        assert effect.flips == (match != plain).double().mean().item()
        assert effect.rate == pytest.approx(is_closed.sum().item() / (labels != IGNORE_INDEX).sum().item())
        assert effect.coverage == len(set(match.tolist())) / NUM_TARGET
        assert effect.consistent_coverage == len(set(match[is_closed].tolist())) / NUM_TARGET
        ends = [(labels[i], target_labels[match[i]]) for i in range(len(match)) if is_closed[i]]
        judged = [own == end for own, end in ends if end != IGNORE_INDEX]
        assert effect.correct_rate == pytest.approx(np.mean(judged))
        flips = flip_map(with_alpha(analysis, alpha), with_alpha(analysis, 0.0))
        assert (flips.ravel() == (match != plain).numpy()).all()
    assert alpha_effects(PairAnalysis(replace(pair, target_labels=None)), [0.5])[0].correct_rate is None


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("level", LEVELS)
def test_reach_is_that_of_the_formula_written_out(pair, level, alpha):
    reach = measure_reach(PairAnalysis(pair, AssociationConfig(level=level, alpha=0.25)), alpha)
    match, _, is_closed = walk(pair, level, alpha)
    pull, weights = torch.zeros(NUM_TARGET, dtype=torch.double), weight_matrix(pair, level)
    for i in is_closed.nonzero().flatten():
        pull[match[i]] += 1 - alpha
        pull += alpha * weights[match[i]]
    np.testing.assert_allclose(reach.pull.ravel(), pull, rtol=1e-4, atol=1e-6)
    assert reach.pull.sum() == pytest.approx(is_closed.sum().item(), rel=1e-4)
    assert reach.pulled == (pull > 0.01 * pull.mean()).double().mean().item()

    source, target = (one.double()[None] for one in side_maps(pair, level))
    target.requires_grad_()
    reference.association_loss(source, target, pair.source_labels[None], level, alpha).backward()
    norms = target.grad[0].norm(dim=0)
    np.testing.assert_allclose(reach.gradient, norms, rtol=2e-3, atol=1e-6 * norms.max().item())
    share = norms / norms.sum()
    assert reach.spread == pytest.approx((-(share * share.log()).sum()).exp().item() / NUM_TARGET, rel=1e-3)


def test_without_aggregation_only_ends_of_cycles_are_pulled_on_and_with_it_nearly_all(pair):
    without, with_it = (measure_reach(PairAnalysis(pair), alpha) for alpha in (0.0, 0.5))
    match, _, is_closed = walk(pair, "feature", 0.0)
    assert set(np.flatnonzero(without.pull)) == set(match[is_closed].tolist())
    assert without.pulled < 0.8 < with_it.pulled


def test_nothing_consistent_reaches_nobody():
    pair = make_pair(seed=1)
    pair = replace(pair, source_labels=torch.full_like(pair.source_labels, IGNORE_INDEX))
    reach = measure_reach(PairAnalysis(pair), 0.5)
    assert (reach.pull.sum(), reach.gradient.sum(), reach.pulled, reach.spread) == (0, 0, 0, 0)
    assert alpha_effects(PairAnalysis(pair), [0.5])[0].rate == 0


def test_one_target_pixel_borrows_from_itself():
    pair = make_pair(seed=2, target=(1, 1))
    pair = replace(pair, target_labels=torch.tensor([[2]]))
    analysis = PairAnalysis(pair)
    weights, loan = map_weights(analysis), describe_loan(analysis, 0)
    assert (weights.entropy.item(), weights.lent.item(), weights.mean_lenders) == (0, 1, 1)
    assert (loan.times_even.item(), loan.num_lenders, loan.own_class_share, loan.near_share) == (1, 1, 1, 1)
    assert [effect.flips for effect in alpha_effects(analysis)] == [0] * len(ALPHAS)


def test_alpha_shown_is_the_configs_own_or_the_papers():
    assert reference_alpha(AssociationConfig(alpha=0.3)) == 0.3
    assert reference_alpha(AssociationConfig(alpha=0.0)) == 0.5


def test_memory_does_not_grow_with_the_square():
    """16,384 pixels squared in float32 are 1 GiB: weights, pull and loan have to do with far less."""
    script = """
import resource, torch
from pca_core import PairAnalysis
from pca_core.analysis.spreading import _pull, describe_loan, map_weights, with_alpha
from pca_core.types import FeaturePair
generator = torch.Generator().manual_seed(0)
maps = [torch.randn(16, 128, 128, generator=generator) for _ in range(2)]
analysis = PairAnalysis(FeaturePair(*maps, torch.randint(0, 4, (128, 128), generator=generator)))
analysis.association
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
map_weights(analysis), _pull(with_alpha(analysis, 0.5)), describe_loan(analysis, 5)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 400  # MiB
