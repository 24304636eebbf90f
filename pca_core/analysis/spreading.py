"""Spatial aggregation seen from every target pixel: what it borrows, what others borrow from it, what α changes, what the loss
then reaches. Source of the method: PLCA section 3.3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pca_core.association.aggregation import PAPER_ALPHA, aggregation_row
from pca_core.association.cycle import AssociationConfig, as_float
from pca_core.association.pair import PairAnalysis
from pca_core.association.similarity import Direction, flatten_pixels, make_direction, normalise_rows, safe_log
from pca_core.association.statistics import summarise
from pca_core.association.strips import iterate_strips
from pca_core.losses import association_loss
from pca_core.types import IGNORE_INDEX, Association

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
NEAR = 4
NOTICEABLE = 0.01  # of an even share


@dataclass(frozen=True, eq=False)
class WeightMaps:
    """What the aggregation weights ``w_jj'`` of all target pixels have in common.

    Attributes:
        entropy: (h', w') float32, entropy of each pixel's weights as a share of log T: 0 borrows from one pixel, 1 from all.
        lent: (h', w') float32, ``Σ_j w_jj'``: what all pixels together borrow from this one; 1 on average.
    """

    entropy: np.ndarray
    lent: np.ndarray

    @property
    def mean_lenders(self) -> float:
        """Pixels that a pixel effectively borrows from, ``exp(entropy)`` in the mean."""
        return float(np.exp(self.entropy.astype(np.float64) * np.log(max(self.entropy.size, 2))).mean())


@dataclass(frozen=True, eq=False)
class Loan:
    """What one target pixel borrows.

    Attributes:
        times_even: (h', w') float32, its weights as multiples of uniform, 1/T.
        num_lenders: ``exp(entropy)`` of its weights.
        own_class_share, own_class_even: Share of weight on its own class, and of pixels in it; None where its class is not known.
        judged_by: What told the classes.
        near_share: Share of weight at most :data:`NEAR` rows and columns away.
    """

    times_even: np.ndarray
    num_lenders: float
    own_class_share: float | None
    own_class_even: float | None
    judged_by: str
    near_share: float


@dataclass(frozen=True)
class AlphaEffect:
    """The association under one α.

    Attributes:
        alpha: Share that is borrowed.
        flips: Share of source pixels with another match than without aggregation, 0-1.
        rate, coverage, consistent_coverage, correct_rate: As in :class:`~pca_core.association.PairStatistics`.
    """

    alpha: float
    flips: float
    rate: float
    coverage: float
    consistent_coverage: float
    correct_rate: float | None


@dataclass(frozen=True, eq=False)
class Reach:
    """Which target pixels the association loss acts on, under one α.

    Attributes:
        pull: (h', w') float32, cycle-consistent pairs that pull on each target pixel, ``(1−α) c + α Wᵀ c`` with ``c_j`` the
            number of consistent pairs that end on j and W the aggregation weights. The sum is the number of consistent pairs.
        gradient: (h', w') float32, ‖∂L/∂F_j‖ of the whole loss: the softmax also pushes pixels away, those that no pair ends on.
    """

    pull: np.ndarray
    gradient: np.ndarray

    @property
    def pulled(self) -> float:
        """Share of target pixels with at least 1 % of an even share of the pull, 0-1."""
        return float((self.pull > NOTICEABLE * self.pull.mean()).mean())

    @property
    def spread(self) -> float:
        """Share of target pixels over which the gradient effectively spreads, ``exp(entropy of its norms) / T``, 0-1."""
        total = float(self.gradient.sum(dtype=np.float64))
        if total == 0:
            return 0.0
        share = self.gradient.astype(np.float64) / total
        return float(np.exp(-(share * np.log(share, out=np.zeros_like(share), where=share > 0)).sum()) / share.size)


def _target(analysis: PairAnalysis) -> Tensor:
    pair = analysis.pair
    return as_float(pair.target_features if analysis.config.level == "feature" else pair.target_probabilities)


def _weights_direction(analysis: PairAnalysis) -> Direction:
    """The direction whose row softmax are the aggregation weights."""
    target_TC = flatten_pixels(_target(analysis))
    if analysis.config.level == "feature":
        key_TC = normalise_rows(target_TC)
        return make_direction(key_TC, key_TC, normalise=analysis.config.contrast_normalisation)
    return make_direction(target_TC, safe_log(target_TC), normalise=False)


@torch.no_grad()
def map_weights(analysis: PairAnalysis) -> WeightMaps:
    """Sweep the aggregation weights of every target pixel once, in strips: O(T·C) memory. α plays no part."""
    direction = _weights_direction(analysis)
    count = len(direction.query_RD)
    entropy_T, lent_T = direction.query_RD.new_empty(count), direction.query_RD.new_zeros(count)
    for rows, strip in iterate_strips(direction.query_RD, direction.key_ND, analysis.config.tile_rows):
        scaled = strip.sub_(direction.mean_R[rows, None]).mul_(direction.inverse_std_R[rows, None])
        normalizer_R1 = scaled.logsumexp(1, keepdim=True)
        weight = (scaled - normalizer_R1).exp_()
        entropy_T[rows] = normalizer_R1[:, 0] - torch.linalg.vecdot(weight, scaled)
        lent_T += weight.sum(0)
    size = analysis.pair.target_size
    share_T = (entropy_T / np.log(max(count, 2))).clamp(0, 1)
    return WeightMaps(share_T.reshape(size).float().cpu().numpy(), lent_T.reshape(size).float().cpu().numpy())


def describe_loan(analysis: PairAnalysis, index: int) -> Loan:
    """What target pixel ``index`` borrows: one row of weights."""
    pair, config = analysis.pair, analysis.config
    weight_T = aggregation_row(
        flatten_pixels(_target(analysis)), index, config.level, contrast_normalisation=config.contrast_normalisation
    )
    weights = weight_T.reshape(pair.target_size).double().cpu().numpy()
    classes, judged_by = pair.target_prediction, "by prediction"
    if pair.target_labels is not None and pair.target_labels.flatten()[index] != IGNORE_INDEX:
        classes, judged_by = pair.target_labels, "by label"
    row, column = divmod(index, pair.target_size[1])
    near = weights[max(0, row - NEAR) : row + NEAR + 1, max(0, column - NEAR) : column + NEAR + 1].sum()
    is_own = None if classes is None else (classes == classes.flatten()[index]).cpu().numpy()
    positive = weights[weights > 0]
    return Loan(
        (weights * weights.size).astype(np.float32),
        float(np.exp(-(positive * np.log(positive)).sum())),
        None if is_own is None else float(weights[is_own].sum()),
        None if is_own is None else float(is_own.mean()),
        judged_by,
        float(near),
    )


def with_alpha(analysis: PairAnalysis, alpha: float) -> PairAnalysis:
    """The same pair under another α."""
    return analysis.with_config(replace(analysis.config, alpha=alpha))


def alpha_effects(
    analysis: PairAnalysis, alphas: Sequence[float] = ALPHAS, plain: PairAnalysis | None = None
) -> list[AlphaEffect]:
    """Associate the pair under each α, a sweep each; ``plain`` is the pair under α = 0, if the caller has it."""
    plain = plain or with_alpha(analysis, 0.0)
    return [_effect(plain if alpha == 0 else with_alpha(analysis, alpha), plain.association) for alpha in alphas]


def _effect(analysis: PairAnalysis, plain: Association) -> AlphaEffect:
    pair, found = analysis.pair, analysis.association
    numbers = summarise(found, pair.source_labels, analysis.num_classes, pair.target_labels)
    flips = (found.target_index != plain.target_index).double().mean().item()
    return AlphaEffect(
        analysis.config.alpha, flips, numbers.rate, numbers.coverage, numbers.consistent_coverage, numbers.correct_rate
    )


def flip_map(analysis: PairAnalysis, plain: PairAnalysis) -> np.ndarray:
    """(h, w) bool: source pixels whose match is another than in ``plain``, the pair without aggregation."""
    flips_S = analysis.association.target_index != plain.association.target_index
    return flips_S.reshape(analysis.pair.source_size).cpu().numpy()


def measure_reach(analysis: PairAnalysis, alpha: float) -> Reach:
    """What the association loss of the config's level does to every target pixel under an α."""
    one = with_alpha(analysis, alpha)
    return Reach(_pull(one), _gradient(one))


@torch.no_grad()
def _pull(analysis: PairAnalysis) -> np.ndarray:
    found, alpha = analysis.association, analysis.config.alpha
    direction = _weights_direction(analysis)
    count_T = torch.bincount(found.target_index[found.is_consistent], minlength=found.num_target).to(direction.query_RD)
    pull_T = (1 - alpha) * count_T
    hubs = count_T.nonzero()[:, 0] if alpha > 0 else count_T.new_empty(0, dtype=torch.long)
    for part in hubs.split(1024):  # only rows that something ends on
        scaled = (direction.query_RD[part] @ direction.key_ND.T) * direction.inverse_std_R[part, None]  # the mean cancels
        pull_T = pull_T + alpha * (count_T[part] @ scaled.softmax(1))
    return pull_T.reshape(analysis.pair.target_size).float().cpu().numpy()


def _gradient(analysis: PairAnalysis) -> np.ndarray:
    """By autograd through the exact loss."""
    pair, config = analysis.pair, analysis.config
    source = as_float(pair.source_features if config.level == "feature" else pair.source_probabilities)
    target = _target(analysis).detach().clone().requires_grad_()
    with torch.enable_grad():
        loss = association_loss(source.detach().clone()[None], target[None], pair.source_labels[None], config=config)
        (gradient,) = torch.autograd.grad(loss.value, target)
    return gradient.norm(dim=0).float().cpu().numpy()


def reference_alpha(config: AssociationConfig) -> float:
    """The α to show: the config's own, or the paper's where the config has aggregation off."""
    return config.alpha or PAPER_ALPHA
