"""The association loss: strengthens the cycle-consistent pairs of a source and a target image. Source: PLCA section 3.

Shape suffixes as in :mod:`pca_core.association.similarity`; M counts the consistent pixels that are pulled on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pca_core.association.aggregation import aggregate
from pca_core.association.cycle import AssociationConfig, as_float, check_labels, search_cycles
from pca_core.association.likelihood import Chosen, pair_nll
from pca_core.association.similarity import make_map_directions
from pca_core.association.threads import run_in_parts
from pca_core.types import Association, Level

SMALL_MAP = 2048**2  # similarities of a pair up to which one thread a pair is quicker than all threads on one


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
    reduction: Literal["pixels", "pairs"] = "pixels",
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
        reduction: Mean over the pixels of the batch, or over its pairs, each the mean over its own pixels.
        pixels_per_class: Pull on at most so many consistent pixels of a class in each image, drawn at random, so that road and
            sky do not drown the rest; None pulls on all, as the paper does.
        generator: Of that draw, on the CPU.

    Returns:
        :class:`AssociationLoss`, computed in float32 whatever the maps and autocast are (float64 for such maps). Gradients, of
        first order only, reach source and target; they are computed with the value, where they are wanted, so that the
        backward pass only scales them. Extra memory is O(N·C).

    Raises:
        ValueError: On shapes or labels that do not fit together, or an unknown reduction. NaN in the maps is not looked for: it
            shows in the value, and rate and coverage mean nothing then.

    Source: PLCA eq. 5. We take exact log-probabilities (the authors add 1e-10 inside the logarithm, or clamp it at −100).
    """
    if reduction not in ("pixels", "pairs"):
        raise ValueError(f"reduction must be 'pixels' or 'pairs', got {reduction!r}.")
    config = config or AssociationConfig(level=level, alpha=alpha)
    _check_batch(source, target, source_labels)
    draws = _Draw.of_each(len(source), pixels_per_class, generator)
    wanted = tuple(torch.is_grad_enabled() and side.requires_grad for side in (source, target))
    found: list[_PairTerm] = [None] * len(source)

    def work(_: int, pairs: slice) -> None:
        for b in range(*pairs.indices(len(source))):
            found[b] = _find_term(source[b], target[b], source_labels[b], config, draws[b], wanted)

    side_by_side = _count_side_by_side(source, target)
    run_in_parts(work, side_by_side)
    work(0, slice(side_by_side, len(source)))
    counts = [term.num_rows for term in found]
    shares = [1 / max(sum(counts), 1)] * len(counts) if reduction == "pixels" else [1 / max(n, 1) / len(counts) for n in counts]
    gradients = [_share([term.gradients[side] for term in found], shares) for side in range(2)]
    value = _WithGradients.apply(source, target, _share([term.value for term in found], shares).sum(), *gradients)
    return AssociationLoss(value, tuple(term.association for term in found))


def _count_side_by_side(source: Tensor, target: Tensor) -> int:
    """How many pairs of a batch are taken by one thread each; the rest has all threads, pair by pair."""
    if source.device.type != "cpu":
        return 0
    is_small = source[0, 0].numel() * target[0, 0].numel() <= SMALL_MAP
    return len(source) - (0 if is_small else len(source) % torch.get_num_threads())


@dataclass(frozen=True)
class _PairTerm:
    """One pair's summed term, and its gradients with respect to the two maps, None where not wanted."""

    value: Tensor
    gradients: tuple[Tensor | None, Tensor | None]
    num_rows: int
    association: Association


def _find_term(
    source_CHW: Tensor, target_CHW: Tensor, labels: Tensor, config: AssociationConfig, draw: _Draw, wanted: tuple[bool, bool]
) -> _PairTerm:
    """Value and gradients at once: nothing of a pair but these outlives it, and pairs need not wait for each other."""
    sides = as_float(source_CHW), as_float(target_CHW)
    maps = tuple(side.requires_grad_(is_wanted) for side, is_wanted in zip(sides, wanted, strict=True))
    with torch.set_grad_enabled(any(wanted)), torch.autocast(source_CHW.device.type, enabled=False):
        aggregated = aggregate(maps[1][None], config.level, config.alpha, contrast_normalisation=config.contrast_normalisation)[0]
        value, num_rows, association = _pair_nll(maps[0], aggregated, labels, config, draw)
        leaves = [side for side in maps if side.requires_grad]
        gradients = iter(torch.autograd.grad(value, leaves, materialize_grads=True) if leaves else ())
    return _PairTerm(value.detach(), tuple(next(gradients) if is_wanted else None for is_wanted in wanted), num_rows, association)


def _share(terms: list[Tensor | None], shares: list[float]) -> Tensor | None:
    """Each times its share, (B, …); None where there are none."""
    if terms[0] is None:
        return None
    for term, share in zip(terms, shares, strict=True):
        term.mul_(share)
    return torch.stack(terms) if len(terms) > 1 else terms[0][None]


class _WithGradients(torch.autograd.Function):
    """A value whose gradients are already there."""

    @staticmethod
    def forward(ctx, source, target, value, *gradients):
        ctx.gradients, ctx.dtypes = gradients, (source.dtype, target.dtype)
        return value

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_output):
        sides = zip(ctx.gradients, ctx.dtypes, strict=True)
        return *(None if one is None else (one * grad_output).to(dtype) for one, dtype in sides), None, None, None


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

    @classmethod
    def of_each(cls, pairs: int, pixels_per_class: int | None, generator: torch.Generator | None) -> list[_Draw]:
        """One a pair, each with a generator of its own, so that it does not matter which pair is drawn first."""
        if pixels_per_class is None:
            return [cls(None, None)] * pairs
        seeds = torch.randint(2**62, (pairs,), generator=generator).tolist()
        return [cls(pixels_per_class, torch.Generator().manual_seed(seed)) for seed in seeds]

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
    if len(source) == 0:
        raise ValueError("association_loss needs at least one pair of images, got a batch of none.")
    if source.shape[:2] != target.shape[:2]:
        raise ValueError(
            f"source and target must agree in batch and channels, got {tuple(source.shape[:2])} and {tuple(target.shape[:2])}. "
            "Pair each source image with one target image."
        )
    if labels.ndim != 3 or len(labels) != len(source):
        raise ValueError(f"source_labels must be (B, h, w) with B = {len(source)}, got shape {tuple(labels.shape)}.")
    check_labels(labels, tuple(source.shape[-2:]))
