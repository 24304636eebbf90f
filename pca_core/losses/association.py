"""The association loss: strengthens the cycle-consistent pairs of a source and a target image. Source: PLCA section 3.

Shape suffixes as in :mod:`pca_core.association.similarity`; M counts the consistent pixels that are pulled on.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pca_core.association.aggregation import aggregate
from pca_core.association.cycle import AssociationConfig, check_labels, search_cycles
from pca_core.association.likelihood import Chosen, pair_nll
from pca_core.association.similarity import make_map_directions
from pca_core.types import Association, Level


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
    *,
    pixels_per_class: int | None = None,
    generator: torch.Generator | None = None,
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
        pixels_per_class: Pull on at most so many consistent pixels of a class in each image, drawn at random, so that road and
            sky do not drown the rest; None pulls on all, as the paper does.
        generator: Of that draw, on the CPU.

    Returns:
        :class:`AssociationLoss`. Gradients reach source and target; extra memory is O(N·C), forward and backward.

    Raises:
        ValueError: On shapes or labels that do not fit together.

    Source: PLCA eq. 5. We take exact log-probabilities (the authors add 1e-10 inside the logarithm, or clamp it at −100).
    """
    config = config or AssociationConfig(level=level, alpha=alpha)
    _check_batch(source, target, source_labels)
    aggregated = aggregate(target, config.level, config.alpha, contrast_normalisation=config.contrast_normalisation)
    total, count, associations = (source.sum() + target.sum()) * 0.0, 0, []
    for source_CHW, target_CHW, labels in zip(source, aggregated, source_labels, strict=True):
        draw = _Draw(pixels_per_class, generator)
        value, num_rows, association = _pair_nll(source_CHW, target_CHW, labels, config, draw)
        total, count = total + value, count + num_rows
        associations.append(association)
    return AssociationLoss(total / max(count, 1), tuple(associations))


def _pair_nll(
    source_CHW: Tensor, target_CHW: Tensor, labels: Tensor, config: AssociationConfig, draw: _Draw
) -> tuple[Tensor, int, Association]:
    """Summed ``−log[p(j*|i) p(i*|j*)]`` over the drawn consistent pixels of one pair, and how many these are."""
    forward, backward = make_map_directions(
        source_CHW, target_CHW, config.level, contrast_normalisation=config.contrast_normalisation
    )
    sizes = tuple(source_CHW.shape[-2:]), tuple(target_CHW.shape[-2:])
    search = search_cycles(forward, backward, labels.flatten(), sizes, config)
    found = search.association
    row_M = draw.rows(found.is_consistent, labels.flatten())
    match_M = found.target_index[row_M]
    there = Chosen(row_M, match_M, torch.ones_like(found.margin[row_M]), search.forward_log_normalizer_S)
    # Many source pixels share a match; each distinct one is swept once on the way back, weighted by how many.
    hub_M, count_M = match_M.unique(return_counts=True)
    weight_M = count_M.to(found.margin.dtype)
    back = Chosen(hub_M, found.target_return_index[hub_M], weight_M, search.backward_log_normalizer_T)
    return pair_nll(forward, backward, there, back, config.tile_rows), len(row_M), found


@dataclass(frozen=True)
class _Draw:
    """Which consistent pixels are pulled on: all, or at most so many of each class."""

    pixels_per_class: int | None
    generator: torch.Generator | None

    def rows(self, is_consistent_S: Tensor, label_S: Tensor) -> Tensor:
        row_M = is_consistent_S.nonzero()[:, 0]
        if self.pixels_per_class is None or not len(row_M):
            return row_M
        row_M = row_M[torch.randperm(len(row_M), generator=self.generator).to(row_M.device)]
        label_M, order_M = label_S[row_M].sort(stable=True)
        starts_K = torch.cat([torch.zeros_like(label_M[:1], dtype=torch.bool), label_M.diff() != 0]).nonzero()[:, 0]
        first_M = torch.zeros_like(label_M)
        first_M[starts_K] = starts_K
        place_M = torch.arange(len(label_M), device=label_M.device) - first_M.cummax(0).values
        return row_M[order_M[place_M < self.pixels_per_class]].sort().values


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
