"""Association on pixels whose similarities a person can see, and what must not change it."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from pca_core import AssociationConfig, associate
from pca_core.association.similarity import row_moments
from tests import reference
from tests.conftest import make_pair

COSINE = AssociationConfig(alpha=0.0)
PER_SOURCE = ("target_index", "return_index", "forward_prob", "backward_prob", "similarity", "margin", "is_consistent")


def at(*degrees: float) -> torch.Tensor:
    """One pixel per direction in the plane, (2, 1, N): the similarity of two is the cosine of the angle between them."""
    angle = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angle.cos(), angle.sin()])[:, None]


def labels(*ids: int) -> torch.Tensor:
    return torch.tensor([ids])


def cos(degrees: float) -> float:
    return math.cos(math.radians(degrees))


def random_sides(seed=0, channels=6, source=(5, 7), target=(4, 9), classes=3):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(channels, *source, generator=generator, dtype=torch.float64)
    b = torch.randn(channels, *target, generator=generator, dtype=torch.float64)
    label = torch.randint(0, classes, source, generator=generator)
    label[0, 0] = 255
    return a, b, label


def test_cycle_by_hand():
    found = associate(at(0, 1, 2, 90), at(1, 91, 180), labels(0, 0, 1, 255), COSINE)
    assert found.target_index.tolist() == [0, 0, 0, 1]
    assert found.target_return_index.tolist() == [1, 3, 3]
    assert found.return_index.tolist() == [1, 1, 1, 3]
    # 0 and 1 come back on their class, 2 comes back on another, 3 comes back to itself but has no label.
    assert found.is_consistent.tolist() == [True, True, False, False]
    assert found.is_labelled.tolist() == [True, True, True, False]
    assert found.hubness.tolist() == [3, 1, 0]
    assert (found.rate, found.coverage, found.consistent_coverage) == pytest.approx((2 / 3, 2 / 3, 1 / 3))
    assert found.similarity.tolist() == pytest.approx([cos(1), cos(0), cos(1), cos(1)])
    assert found.margin.tolist() == pytest.approx([cos(1) - cos(91), 1 - cos(90), cos(1) - cos(89), cos(1) - cos(89)])


def test_probabilities_by_hand():
    """Row (1, 0) has mean 1/2 and unbiased deviation 1/√2: the softmax sees ±1/√2. The way back has one column: p = 1."""
    found = associate(at(0), at(0, 90), labels(0), COSINE)
    assert found.forward_prob.item() == pytest.approx(1 / (1 + math.exp(-math.sqrt(2))))
    assert found.backward_prob.item() == pytest.approx(1.0)
    raw = associate(at(0), at(0, 90), labels(0), AssociationConfig(alpha=0.0, contrast_normalisation=False))
    assert raw.forward_prob.item() == pytest.approx(1 / (1 + math.exp(-1)))


def test_top_k_takes_the_second_candidate_when_only_that_closes_the_cycle():
    source, target, ids = at(0, 10), at(6, -10), labels(0, 1)  # pixel 0 → 6° → pixel 1; but 0 → −10° → 0
    first = associate(source, target, ids, COSINE)
    assert (first.target_index[0], first.is_consistent[0]) == (0, False)
    second = associate(source, target, ids, AssociationConfig(alpha=0.0, top_k=2))
    assert (second.target_index[0], second.return_index[0], second.is_consistent[0]) == (1, 0, True)
    assert second.candidate_index.tolist() == [[0, 1], [0, 1]]
    assert second.similarity[0].item() == pytest.approx(cos(10))
    assert second.margin[0].item() == pytest.approx(cos(6) - cos(10))  # of the candidates, whichever was taken
    assert second.forward_prob[0] < first.forward_prob[0]
    assert (second.target_index[1], second.is_consistent[1]) == (0, True)  # closes with its first: the second is not asked


def test_top_k_keeps_the_first_candidate_when_none_closes():
    found = associate(at(0, 10), at(9, 8), labels(0, 1), AssociationConfig(alpha=0.0, top_k=2))
    assert (found.target_index[0], found.is_consistent[0]) == (1, False)


@pytest.mark.parametrize("is_mutual", [False, True])
def test_an_unlabelled_pixel_keeps_its_first_candidate(is_mutual):
    """Its cycle cannot close, so nothing may lead it past the first: 255 = 255 is no agreement."""
    config = AssociationConfig(alpha=0.0, top_k=2, mutual=is_mutual)
    found = associate(at(0, 10), at(6, -10), labels(255, 1), config)
    assert found.target_index.tolist() == [0, 0]
    assert found.is_consistent.tolist() == [False, True]


@pytest.mark.parametrize("is_mutual", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_more_candidates_never_close_fewer_cycles(seed, is_mutual):
    source, target, ids = random_sides(seed)
    consistent = [
        associate(source, target, ids, AssociationConfig(top_k=k, mutual=is_mutual)).is_consistent for k in (1, 2, 5, 36)
    ]
    for fewer, more in pairwise(consistent):
        assert (more | ~fewer).all()
    assert consistent[-1].sum() > consistent[0].sum()


def test_mutual_asks_for_the_very_pixel():
    source, target, ids = random_sides(3, classes=2)
    loose, strict = (associate(source, target, ids, AssociationConfig(mutual=mutual)) for mutual in (False, True))
    itself = torch.arange(ids.numel())
    assert torch.equal(strict.is_consistent, (strict.return_index == itself) & strict.is_labelled)
    assert torch.equal(strict.target_index, loose.target_index)
    assert 0 < strict.is_consistent.sum() < loose.is_consistent.sum()


def test_permuting_target_pixels_permutes_the_indices_only():
    source, target, ids = random_sides()
    order = torch.randperm(36, generator=torch.Generator().manual_seed(1))
    before = associate(source, target, ids)
    after = associate(source, target.flatten(1)[:, order].view_as(target), ids)
    assert torch.equal(order[after.target_index], before.target_index)
    assert torch.equal(after.target_return_index, before.target_return_index[order])
    for name in PER_SOURCE[1:]:
        torch.testing.assert_close(getattr(after, name), getattr(before, name))


def test_permuting_source_pixels_permutes_the_rows_only():
    source, target, ids = random_sides()
    order = torch.randperm(35, generator=torch.Generator().manual_seed(2))
    before = associate(source, target, ids)
    after = associate(source.flatten(1)[:, order].view_as(source), target, ids.flatten()[order].view_as(ids))
    assert torch.equal(order[after.return_index], before.return_index[order])
    for name in set(PER_SOURCE) - {"return_index"}:
        torch.testing.assert_close(getattr(after, name), getattr(before, name)[order])


@pytest.mark.parametrize("factor", [2.0**-20, 2.0**20, 1e6, -1.0])
def test_scaling_both_maps_changes_nothing(factor):
    source, target, ids = random_sides()
    before, after = associate(source, target, ids), associate(source * factor, target * factor, ids)
    for name in PER_SOURCE:
        torch.testing.assert_close(getattr(after, name), getattr(before, name))


def test_the_length_of_a_feature_does_not_matter_without_aggregation():
    source, target, ids = random_sides()
    lengths = 2.0 ** torch.randint(-9, 9, (36,)).double().view(4, 9)  # powers of two divide out without rounding
    before, after = associate(source, target, ids, COSINE), associate(source, target * lengths, ids, COSINE)
    for name in PER_SOURCE:
        torch.testing.assert_close(getattr(after, name), getattr(before, name), rtol=1e-12, atol=0)


def test_unlabelled_pixels_that_nobody_returns_to_change_nothing():
    source, target = at(0, 10, 20, 30), at(2, 11, 14, 33)
    before = associate(source, target, labels(0, 1, 1, 0), COSINE)
    after = associate(torch.cat([source, at(180, 200)], 2), target, labels(0, 1, 1, 0, 255, 255), COSINE)
    assert (after.rate, after.is_labelled.sum()) == (before.rate, 4)
    assert torch.equal(after.is_consistent, torch.cat([before.is_consistent, torch.tensor([False, False])]))
    for name in ("target_index", "return_index", "forward_prob", "similarity"):
        torch.testing.assert_close(getattr(after, name)[:4], getattr(before, name))


def test_an_unlabelled_pixel_on_the_way_back_breaks_the_cycle():
    found = associate(at(0, 2), at(1.5), labels(0, 255), COSINE)
    assert found.return_index.tolist() == [1, 1]
    assert found.is_consistent.tolist() == [False, False]
    assert found.rate == 0.0


def test_constant_features_give_even_probabilities():
    found = associate(torch.ones(4, 3, 5), torch.full((4, 4, 6), 7.0), torch.zeros(3, 5, dtype=torch.long))
    assert found.margin.abs().max() < 1e-6
    torch.testing.assert_close(found.forward_prob, torch.full((15,), 1 / 24), rtol=1e-6, atol=0)
    torch.testing.assert_close(found.backward_prob, torch.full((15,), 1 / 15), rtol=1e-6, atol=0)
    assert found.rate == 1.0  # one class: every way back ends on it


def test_a_zero_vector_resembles_everything_alike():
    source = torch.cat([torch.zeros(2, 1, 1, dtype=torch.float64), at(40)], 2)
    found = associate(source, at(0, 50, 100), labels(0, 0), COSINE)
    assert (found.similarity[0], found.margin[0]) == (0, 0)
    assert found.forward_prob[0].item() == pytest.approx(1 / 3)
    everything_zero = associate(torch.zeros(2, 1, 3), torch.zeros(2, 1, 4), labels(0, 1, 1))
    assert everything_zero.forward_prob.tolist() == pytest.approx([1 / 4] * 3)


def test_a_single_target_pixel_has_no_second_choice():
    found = associate(at(0, 50, 90), at(60), labels(0, 1, 1), COSINE)
    assert found.target_index.tolist() == [0, 0, 0]
    assert found.return_index.tolist() == [1, 1, 1]
    assert found.forward_prob.tolist() == pytest.approx([1.0] * 3)
    assert found.margin.isinf().all()
    assert (found.rate, found.coverage) == (2 / 3, 1.0)


def test_a_single_source_pixel_is_always_returned_to():
    found = associate(at(0), at(60, 50), labels(4), COSINE)
    assert (found.target_index.tolist(), found.return_index.tolist(), found.rate) == ([1], [0], 1.0)
    assert found.backward_prob.tolist() == pytest.approx([1.0])


def test_prediction_level_shows_minus_kl():
    source, target, ids = random_sides(channels=4)
    source, target = source.softmax(0), target.softmax(0)
    found = associate(source, target, ids, AssociationConfig(level="prediction", alpha=0.0, top_k=3))
    p, q = source.flatten(1).T, target.flatten(1).T[found.candidate_index]
    divergence = F.kl_div(q.log(), p[:, None].expand_as(q), reduction="none").sum(2)
    torch.testing.assert_close(found.candidate_similarity, -divergence, rtol=1e-6, atol=1e-8)
    assert (found.similarity <= 0).all()


def test_prediction_level_goes_back_with_the_other_divergence():
    """KL(q‖p) prefers the second source pixel (0.81 against 1.24), KL(p‖q) would prefer the first (0.58 against 1.68)."""
    source = torch.tensor([[0.96, 0.02, 0.02], [0.2, 0.2, 0.6]]).T[:, None]
    target = torch.tensor([[0.49, 0.49, 0.02]]).T[:, None]
    found = associate(source, target, labels(0, 0), AssociationConfig(level="prediction", alpha=0.0))
    assert found.return_index.tolist() == [1, 1]


def test_certain_predictions_stay_finite():
    one_hot = torch.eye(3)[:, None]
    found = associate(one_hot, one_hot, labels(0, 1, 2), AssociationConfig(level="prediction"))
    assert found.target_index.tolist() == [0, 1, 2]
    assert found.rate == 1.0
    assert found.similarity.isfinite().all()


def test_contrast_normalisation_moves_probabilities_but_no_match():
    source, target, ids = random_sides()
    on, off = (associate(source, target, ids, AssociationConfig(alpha=0, contrast_normalisation=c)) for c in (True, False))
    assert torch.equal(on.target_index, off.target_index)
    cosine = reference.similarity(source.flatten(1).T, target.flatten(1).T, "feature")
    torch.testing.assert_close(off.forward_prob, cosine.softmax(1).max(1).values)
    torch.testing.assert_close(on.forward_prob, reference.contrast_normalise(cosine).softmax(1).max(1).values)


def test_inputs_are_left_as_they_are_and_need_no_graph():
    pair = make_pair(seed=1)
    source, target = pair.source_features.clone().requires_grad_(), pair.target_features.clone().requires_grad_()
    found = associate(source, target, pair.source_labels)
    assert not found.forward_prob.requires_grad
    assert torch.equal(source, pair.source_features)
    assert torch.equal(target, pair.target_features)


@pytest.mark.parametrize("layout", ["planes", "pixels", "one channel", "expanded"])
def test_maps_stay_what_they_are_however_they_lie_in_memory(layout):
    """Rows are brought to unit length in place only where they are a copy."""
    generator = torch.Generator().manual_seed(0)
    channels = 1 if layout == "one channel" else 6
    maps = [torch.randn(channels, 5, 7, generator=generator) + 3 for _ in range(2)]
    if layout == "pixels":
        maps = [side.permute(1, 2, 0).contiguous().permute(2, 0, 1) for side in maps]
    if layout == "expanded":
        maps = [side[:, :1, :1].expand(-1, 5, 7) for side in maps]
    before = [side.clone() for side in maps]
    labels = torch.zeros(5, 7, dtype=torch.long)
    found = associate(*maps, labels, AssociationConfig(alpha=0.0))
    plain = associate(*(side.contiguous() for side in before), labels, AssociationConfig(alpha=0.0))
    for side, old in zip(maps, before, strict=True):
        assert torch.equal(side, old)
    assert torch.equal(found.similarity, plain.similarity)


def test_moments_of_wide_features_are_those_of_the_matrix():
    """From bands of the covariance, of a width that the bands do not divide."""
    generator = torch.Generator().manual_seed(0)
    query_RD, key_ND = (torch.randn(rows, 131, generator=generator, dtype=torch.float64) + 1 for rows in (37, 3000))
    mean_R, inverse_std_R = row_moments(query_RD, key_ND)
    matrix = query_RD @ key_ND.T
    torch.testing.assert_close(mean_R, matrix.mean(1))
    torch.testing.assert_close(inverse_std_R, 1 / matrix.std(1))
