"""The terms of the PLCA objective, each formula once.

``L = L_ce + 0.75 L_lovász + 0.1 (L_fass + L_cass) + 0.01 (L_lsr^s + L_lsr^t)``. Source: PLCA section 3.

Shape suffixes as in :mod:`pca_core.association.similarity`; B is the batch, P = B·h·w all its pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pca_core.association.aggregation import aggregate
from pca_core.association.cycle import AssociationConfig, check_labels, search_cycles
from pca_core.association.similarity import make_map_directions
from pca_core.association.tiled import row_nll
from pca_core.types import IGNORE_INDEX, Association, Level


@dataclass(frozen=True)
class AssociationLoss:
    """The association loss of a batch and the associations it came from.

    Attributes:
        value: Scalar tensor, differentiable; zero (still attached to the graph) when nothing is consistent.
        associations: One per image pair.
    """

    value: Tensor
    associations: tuple[Association, ...]

    @property
    def rate(self) -> float:
        """Consistent pixels among the labelled source pixels of the batch, 0-1."""
        consistent = sum(association.is_consistent.sum().item() for association in self.associations)
        labelled = sum(association.is_labelled.sum().item() for association in self.associations)
        return consistent / max(labelled, 1)

    @property
    def coverage(self) -> float:
        """Mean over the pairs of the share of target pixels that are associated, 0-1."""
        return sum(association.coverage for association in self.associations) / len(self.associations)


def association_loss(
    source: Tensor,
    target: Tensor,
    source_labels: Tensor,
    level: Level = "feature",
    alpha: float = 0.5,
    config: AssociationConfig | None = None,
) -> AssociationLoss:
    """Contrastive loss over cycle-consistent pixel pairs.

    ``L = −1/|Î| Σ_{i∈Î} log[ p(j*|i) · p(i*|j*) ]``, the mean over the consistent pixels of the whole batch; each source image
    is associated with the target image at its place in the batch.

    Args:
        source: (B, C, h, w) features, or (B, K, h, w) probabilities at ``level="prediction"``.
        target: (B, C, h', w') likewise.
        source_labels: (B, h, w) int64, 255 = ignore.
        level: ``"feature"`` or ``"prediction"``.
        alpha: Spatial aggregation of the target, 0 = off.
        config: Every other switch (mutual, top-k, ...); its level and alpha take the place of the two arguments.

    Returns:
        :class:`AssociationLoss`. Gradients reach source and target; extra memory is O(N·C), forward and backward.

    Raises:
        ValueError: On shapes or labels that do not fit together.

    Source: PLCA eq. 5. We take exact log-probabilities (the authors add 1e-10 inside the logarithm, or clamp it at −100).
    """
    config = config or AssociationConfig(level=level, alpha=alpha)
    _check_batch(source, target, source_labels)
    aggregated = aggregate(target, config.level, config.alpha, contrast_normalisation=config.contrast_normalisation)
    total, associations = (source.sum() + target.sum()) * 0.0, []
    for source_CHW, target_CHW, labels in zip(source, aggregated, source_labels, strict=True):
        value, association = _pair_nll(source_CHW, target_CHW, labels, config)
        total = total + value
        associations.append(association)
    count = sum(association.is_consistent.sum() for association in associations)
    return AssociationLoss(total / count.clamp_min(1), tuple(associations))


def _pair_nll(source_CHW: Tensor, target_CHW: Tensor, labels: Tensor, config: AssociationConfig) -> tuple[Tensor, Association]:
    """Summed ``−log[p(j*|i) p(i*|j*)]`` over the consistent pixels of one pair."""
    forward, backward = make_map_directions(
        source_CHW, target_CHW, config.level, contrast_normalisation=config.contrast_normalisation
    )
    sizes = tuple(source_CHW.shape[-2:]), tuple(target_CHW.shape[-2:])
    search = search_cycles(forward, backward, labels.flatten(), sizes, config)
    found = search.association
    row_M = found.is_consistent.nonzero()[:, 0]
    match_M = found.target_index[row_M]
    there = row_nll(
        forward, row_M, match_M, search.forward_log_normalizer_S, torch.ones_like(found.margin[row_M]), config.tile_rows
    )
    # Many source pixels share a match; each distinct one is swept once on the way back, weighted by how many.
    hub_M, count_M = match_M.unique(return_counts=True)
    return_M = found.target_return_index[hub_M]
    back = row_nll(backward, hub_M, return_M, search.backward_log_normalizer_T, count_M.to(found.margin.dtype), config.tile_rows)
    return there + back, found


def check_class_ids(labels: Tensor, num_classes: int, ignore_index: int = IGNORE_INDEX) -> None:
    """Raise ValueError unless every id is below ``num_classes`` or ``ignore_index``. On a GPU this waits for work under way."""
    is_wrong = (labels != ignore_index) & ((labels < 0) | (labels >= num_classes))
    if is_wrong.any():
        wrong = ", ".join(map(str, labels[is_wrong].unique()[:5].tolist()))
        raise ValueError(
            f"labels must hold class ids 0 to {num_classes - 1} or {ignore_index} (ignore), got {wrong}. "
            f"Map other ids to {ignore_index}, or use a model with as many classes as the labels."
        )


def cross_entropy_loss(logits: Tensor, labels: Tensor, ignore_index: int = IGNORE_INDEX) -> Tensor:
    """Mean cross-entropy over the labelled pixels.

    Args:
        logits: (B, K, h, w).
        labels: (B, h, w) int64, ``ignore_index`` where unlabelled.
        ignore_index: Class id that does not count.

    Returns:
        Scalar tensor; zero, still attached to the graph, when no pixel is labelled.

    Raises:
        ValueError: On an id that is no class. On a GPU nothing is raised, because looking would cost a synchronisation a step
            and a wrong id would end the CUDA context: the loss is NaN then. Call :func:`check_class_ids` on the CPU before.
    """
    is_labelled = labels != ignore_index
    if labels.device.type == "cpu":
        check_class_ids(labels, logits.shape[1], ignore_index)
        total = F.cross_entropy(logits, labels, ignore_index=ignore_index, reduction="sum")
    else:
        total = _guarded_cross_entropy(logits, labels, is_labelled)
    return total / is_labelled.sum().clamp_min(1)


def _guarded_cross_entropy(logits: Tensor, labels: Tensor, is_labelled: Tensor) -> Tensor:
    """Summed cross-entropy, NaN for an id that would read outside the classes."""
    is_wrong = is_labelled & ((labels < 0) | (labels >= logits.shape[1]))
    safe_labels = labels.masked_fill(is_wrong | ~is_labelled, -100)  # torch's own ignore index, no class ever
    total = F.cross_entropy(logits, safe_labels, ignore_index=-100, reduction="sum")
    return torch.where(is_wrong.any(), torch.nan, total)


def smoothing_loss(logits: Tensor, tau: float = 10.0) -> Tensor:
    """Adaptive label smoothing: keeps predictions from collapsing, less so where they are flat already.

    ``ℓ = −mean_k log P_k`` per pixel; ``L = mean((ℓ/τ − 1).detach() · ℓ)``.

    Args:
        logits: (B, K, h, w).
        tau: The ℓ (nats) at which the pull turns from flattening to sharpening.

    Returns:
        Scalar tensor. It can be negative. Source: PLCA section 3.4.
    """
    flatness = -F.log_softmax(logits, dim=1).mean(1)
    return ((flatness / tau - 1).detach() * flatness).mean()


def lovasz_softmax_loss(probabilities: Tensor, labels: Tensor, ignore_index: int = IGNORE_INDEX) -> Tensor:
    """Lovász-softmax, a convex surrogate of 1 − mIoU over the classes present in the batch.

    Per class: errors ``|[y = k] − P_k|`` sorted descending, times the discrete gradient of the Jaccard loss along that order.

    Args:
        probabilities: (B, K, h, w) softmax outputs.
        labels: (B, h, w) int64; ``ignore_index`` where unlabelled.
        ignore_index: Class id that does not count.

    Returns:
        Scalar tensor; zero, still attached to the graph, when no pixel is labelled.

    Raises:
        ValueError: On an id that is no class.

    Source: Berman, Rannen Triki, Blaschko, CVPR 2018. All classes are sorted in one call; ties may be ordered either way.
    """
    is_labelled = labels != ignore_index
    labelled = labels[is_labelled]
    if labelled.numel() == 0:
        return (probabilities * 0.0).sum()
    present = labelled.unique()
    check_class_ids(present, probabilities.shape[1], ignore_index)
    probability_PK = probabilities.movedim(1, -1)[is_labelled]
    is_class_KP = labelled == present[:, None]
    error_KP = (is_class_KP.to(probability_PK) - probability_PK.T[present]).abs()
    sorted_error_KP, order_KP = error_KP.sort(dim=1, descending=True)
    return (sorted_error_KP * _jaccard_gradient(is_class_KP.gather(1, order_KP))).sum(1).mean()


def _jaccard_gradient(is_class_KP: Tensor) -> Tensor:
    """Increase of the Jaccard loss as pixels turn wrong one after the other, in the given order. Counts are exact integers."""
    count_K1 = is_class_KP.sum(1, keepdim=True)
    hit_KP = is_class_KP.cumsum(1)
    miss_KP = torch.arange(1, is_class_KP.size(1) + 1, device=is_class_KP.device) - hit_KP
    jaccard_KP = 1.0 - (count_K1 - hit_KP) / (count_K1 + miss_KP)
    return torch.cat([jaccard_KP[:, :1], jaccard_KP.diff(dim=1)], dim=1)


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term of the objective; zero leaves a term out. Defaults are the paper's."""

    cross_entropy: float = 1.0
    lovasz: float = 0.75
    feature_association: float = 0.1
    prediction_association: float = 0.1
    source_smoothing: float = 0.01
    target_smoothing: float = 0.01


def total_loss(terms: Mapping[str, Tensor], weights: LossWeights | None = None) -> Tensor:
    """Weighted sum of named terms, ``Σ weight · term``; the names are the fields of :class:`LossWeights`.

    Raises:
        ValueError: On an empty mapping or a name that is no term.
    """
    weights = weights or LossWeights()
    known = LossWeights.__dataclass_fields__
    unknown = sorted(set(terms) - set(known))
    if unknown or not terms:
        raise ValueError(f"Loss terms must be one or more of {', '.join(known)}, got {', '.join(unknown) or 'none'}.")
    return sum(getattr(weights, name) * value for name, value in terms.items())


def _check_batch(source: Tensor, target: Tensor, labels: Tensor) -> None:
    if source.ndim != 4 or target.ndim != 4:
        raise ValueError(
            f"association_loss needs (B, C, h, w) maps, got {tuple(source.shape)} and {tuple(target.shape)}. "
            "For one image add the batch axis: source[None]."
        )
    if source.shape[:2] != target.shape[:2]:
        raise ValueError(
            f"source and target must agree in batch and channels, got {tuple(source.shape[:2])} and {tuple(target.shape[:2])}. "
            "Pair each source image with one target image."
        )
    if labels.ndim != 3 or len(labels) != len(source):
        raise ValueError(f"source_labels must be (B, h, w) with B = {len(source)}, got shape {tuple(labels.shape)}.")
    check_labels(labels, tuple(source.shape[-2:]))
