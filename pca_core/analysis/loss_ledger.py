"""The loss ledger: what each pixel pays of every term of the PLCA objective, and the gradient that each feature then receives.

``L = L_ce + 0.75 L_lovász + 0.1 (L_fass + L_cass) + 0.01 (L_lsr^s + L_lsr^t)``, every term as :mod:`pca_core.losses` computes
it. Weights come later: :mod:`pca_core.analysis.loss_readings`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pca_core.association.cycle import AssociationConfig, as_float, check_pair
from pca_core.losses import association_loss, cross_entropy_loss, lovasz_softmax_loss, smoothing_loss
from pca_core.losses.segmentation import smoothing_per_pixel
from pca_core.types import IGNORE_INDEX, Domain, FeaturePair

TERMS: dict[str, Domain] = {
    "cross_entropy": "source",
    "lovasz": "source",
    "feature_association": "source",
    "prediction_association": "source",
    "source_smoothing": "source",
    "target_smoothing": "target",
}
"""The terms, named as in :class:`~pca_core.losses.LossWeights`, and whose pixels pay each."""
ASSOCIATIONS = ("feature_association", "prediction_association")


@dataclass(frozen=True, eq=False)
class LedgerTerm:
    """One term of the objective, shared out among the pixels that pay it; weights are not in it.

    Attributes:
        side: Whose pixels pay.
        value: Of the term.
        shares: (h, w) float64 on the grid of features; the sum is the value.
        num_paying: Pixels that the term counts: labelled ones, cycle-consistent ones, or all. With none the value is zero.
    """

    side: Domain
    value: float
    shares: np.ndarray
    num_paying: int


@dataclass(frozen=True, eq=False)
class PixelGradients:
    """The gradients of several terms by the features of each pixel, kept as what weighted sums of them need: dot products.

    Attributes:
        terms: Those that reach these features.
        products: (h, w, n, n) float64, ``<∂L_a/∂F_i, ∂L_b/∂F_i>`` of every two of the n terms.
    """

    terms: tuple[str, ...]
    products: np.ndarray

    def norms(self, weights: Mapping[str, float]) -> np.ndarray:
        """(h, w) float64, ``‖Σ_a w_a ∂L_a/∂F_i‖``; a term without a weight takes no part."""
        weight = np.array([weights.get(name, 0.0) for name in self.terms])
        return np.sqrt(np.clip(self.products @ weight @ weight, 0, None))


@dataclass(frozen=True, eq=False)
class LossLedger:
    """Every term of a pair under one α.

    Attributes:
        alpha: Of spatial aggregation; only the association terms depend on it.
        terms: By name, in the order of :data:`TERMS`.
        gradients: By the features of each image.
    """

    alpha: float
    terms: dict[str, LedgerTerm]
    gradients: dict[Domain, PixelGradients]


@dataclass(frozen=True, eq=False)
class _Account:
    """A term before its gradient is taken: a scalar with a graph, (h, w) shares, pixels that count."""

    value: Tensor
    shares: Tensor
    num_paying: int


def write_ledger(pair: FeaturePair, classify: Callable[[Tensor], Tensor], config: AssociationConfig | None = None) -> LossLedger:
    """Compute every term, share it out among pixels, and follow its gradient back to the features.

    Cross-entropy is that of the labels at the resolution of the features, so that each feature has a share of its own;
    training compares logits with the labels at full resolution. Extra memory is O(N·C).

    Args:
        pair: Features and source labels; predictions are computed anew, because gradients pass through them.
        classify: (B, C, h, w) features → (B, K, h, w) logits, of the net that the features came from.
        config: Switches of both association terms; its level plays no part, because both levels are terms. None is the paper's.

    Raises:
        ValueError: On features and labels that cannot be associated, or an id that is no class of the net.
    """
    config = config or AssociationConfig()
    check_pair(pair.source_features, pair.target_features, pair.source_labels, config, "feature")
    with torch.inference_mode(False), torch.enable_grad():
        source = as_float(pair.source_features).clone()[None].requires_grad_()
        target = as_float(pair.target_features).clone()[None].requires_grad_()
        labels = pair.source_labels.to(source.device)[None].clone()
        terms: dict[str, LedgerTerm] = {}
        found: dict[Domain, dict[str, Tensor]] = {"source": {}, "target": {}}
        for name, open_account in _accounts(source, target, labels, classify, config).items():
            account = open_account()
            gradients = torch.autograd.grad(account.value, (source, target), retain_graph=True, allow_unused=True)
            for side, gradient in zip(found, gradients, strict=True):
                if gradient is not None:
                    found[side][name] = gradient[0]
            shares = account.shares.detach().double().cpu().numpy()
            terms[name] = LedgerTerm(TERMS[name], account.value.item(), shares, account.num_paying)
    return LossLedger(config.alpha, terms, {side: _multiply(gradients) for side, gradients in found.items()})


def _accounts(
    source: Tensor, target: Tensor, labels: Tensor, classify: Callable[[Tensor], Tensor], config: AssociationConfig
) -> dict[str, Callable[[], _Account]]:
    """How each term is opened, one after the other: none needs to be kept while the next is computed."""
    source_logits, target_logits = classify(source), classify(target)
    features, predictions = replace(config, level="feature"), replace(config, level="prediction")
    return {
        "cross_entropy": lambda: _cross_entropy(source_logits, labels),
        "lovasz": lambda: _lovasz(source_logits, labels),
        "feature_association": lambda: _associate(source, target, labels, features),
        "prediction_association": lambda: _associate(source_logits.softmax(1), target_logits.softmax(1), labels, predictions),
        "source_smoothing": lambda: _smooth(source_logits),
        "target_smoothing": lambda: _smooth(target_logits),
    }


def _cross_entropy(logits: Tensor, labels: Tensor) -> _Account:
    value = cross_entropy_loss(logits, labels)
    count = int((labels != IGNORE_INDEX).sum())
    each = F.cross_entropy(logits.detach(), labels, ignore_index=IGNORE_INDEX, reduction="none")[0]
    return _Account(value, each / max(count, 1), count)


def _lovasz(logits: Tensor, labels: Tensor) -> _Account:
    """The loss is ``1/|K| Σ_k Σ_i g_ik e_ik``, errors e times the gradient g of the Jaccard loss; and ``g/|K| = |∂L/∂P|``."""
    probabilities = logits.softmax(1)
    value = lovasz_softmax_loss(probabilities, labels)
    (slope,) = torch.autograd.grad(value, probabilities, retain_graph=True)
    is_labelled = labels != IGNORE_INDEX
    is_class = F.one_hot(labels * is_labelled, logits.shape[1]).movedim(-1, 1)  # unlabelled pixels have no slope
    shares = (slope.abs() * (is_class - probabilities).abs()).sum(1)[0]
    return _Account(value, shares, int(is_labelled.sum()))


def _associate(source: Tensor, target: Tensor, labels: Tensor, config: AssociationConfig) -> _Account:
    """Each consistent pixel pays ``−log[p(j*|i) p(i*|j*)] / |Î|``."""
    loss = association_loss(source, target, labels, config=config)
    (found,) = loss.associations
    count = int(found.is_consistent.sum())
    nll_S = -(found.forward_prob.log() + found.backward_prob.log())
    shares_S = nll_S.masked_fill(~found.is_consistent, 0.0) / max(count, 1)
    return _Account(loss.value, shares_S.reshape(found.source_size), count)


def _smooth(logits: Tensor) -> _Account:
    shares = smoothing_per_pixel(logits)[0]
    return _Account(smoothing_loss(logits), shares / shares.numel(), shares.numel())


def _multiply(gradients: dict[str, Tensor]) -> PixelGradients:
    """Dot products of (C, h, w) gradients at every pixel, two terms at a time: an einsum over all took five times as long."""
    parts = list(gradients.values())
    products = parts[0].new_zeros(len(parts), len(parts), *parts[0].shape[1:], dtype=torch.float64)
    for first, second in combinations_with_replacement(range(len(parts)), 2):
        dot = torch.linalg.vecdot(parts[first].double(), parts[second].double(), dim=0)
        products[first, second] = products[second, first] = dot
    return PixelGradients(tuple(gradients), products.movedim((0, 1), (2, 3)).contiguous().cpu().numpy())
