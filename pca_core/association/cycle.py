"""Pixel-level cycle association: i → j* → i*.

``j* = argmax_j D(F_i, F_j)``, ``i* = argmax_i' D(F_j*, F_i')``; consistent when ``y_i = y_i*``. Source: PLCA section 3.1.

Where the paper is silent: with ``top_k > 1`` a source pixel may close its cycle over any of its k most similar target
pixels and takes the best one that does (the authors' ``asso_topk`` is accepted and ignored). With ``mutual`` it must come
back to itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pca_core.association.aggregation import aggregate
from pca_core.association.precision import round_directions
from pca_core.association.similarity import PRECISIONS, Direction, Precision, lift, make_map_directions
from pca_core.association.tiled import Scan, scan_both_ways
from pca_core.types import IGNORE_INDEX, Association, Level

LARGEST = 1e15  # of a feature: squares of larger ones overflow float32 in the length of a wide row
PROBABILITY_SLACK = 1e-2  # of bfloat16


@dataclass(frozen=True)
class AssociationConfig:
    """How pixels are associated.

    Attributes:
        level: ``"feature"`` (cosine) or ``"prediction"`` (−KL of the softmax outputs).
        alpha: Spatial aggregation of the target before associating; 0 is off, the paper uses 0.5.
        mutual: Consistent only if the way back ends on the very same pixel (mutual nearest neighbours).
        top_k: Number of forward candidates that may close the cycle.
        contrast_normalisation: Normalise each row of similarities before the softmax.
        tile_rows: Rows of the similarity matrix held at a time; None takes a size that benchmarks
            found fast.
        precision: ``"exact"`` float32, or what features are rounded to before they are compared, which a GPU multiplies faster;
            :func:`~pca_core.association.precision.measure_agreement` says what that changes.
    """

    level: Level = "feature"
    alpha: float = 0.5
    mutual: bool = False
    top_k: int = 1
    contrast_normalisation: bool = True
    tile_rows: int | None = None
    precision: Precision = "exact"

    def __post_init__(self) -> None:
        if self.level not in ("feature", "prediction"):
            raise ValueError(f"level must be 'feature' or 'prediction', got {self.level!r}.")
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha must lie in [0, 1], got {self.alpha}. The paper uses 0.5; 0 turns aggregation off.")
        if self.top_k < 1:
            raise ValueError(f"top_k must be at least 1, got {self.top_k}.")
        if self.tile_rows is not None and self.tile_rows < 1:
            raise ValueError(f"tile_rows must be at least 1 or None (a size that is fast), got {self.tile_rows}.")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}.")


@dataclass(frozen=True)
class CycleSearch:
    """An association together with the sweep it came from; the loss continues from here."""

    association: Association
    forward_log_normalizer_S: Tensor
    backward_log_normalizer_T: Tensor


@torch.no_grad()
def associate(
    source_features: Tensor,
    target_features: Tensor,
    source_labels: Tensor,
    config: AssociationConfig | None = None,
) -> Association:
    """Send every source pixel to its most similar target pixel and back, exactly.

    Args:
        source_features: (C, h, w) float, on any device. Probabilities (K, h, w) at ``level="prediction"``.
        target_features: (C, h', w'), same device and channels.
        source_labels: (h, w) int64 class indices, 255 where unlabelled.
        config: See :class:`AssociationConfig`; None is the paper's.

    Returns:
        :class:`~pca_core.types.Association` on the device of the features. Extra memory is O(N·C).

    Raises:
        ValueError: On shapes, labels or values that cannot be associated; the message names the cure.
    """
    config = config or AssociationConfig()
    source_features, target_features = as_float(source_features), as_float(target_features)
    check_pair(source_features, target_features, source_labels, config)
    with torch.autocast(source_features.device.type, enabled=False):
        target_features = aggregate(
            target_features[None], config.level, config.alpha, contrast_normalisation=config.contrast_normalisation
        )[0]
        forward, backward = make_map_directions(
            source_features, target_features, config.level, contrast_normalisation=config.contrast_normalisation
        )
        sizes = tuple(source_features.shape[-2:]), tuple(target_features.shape[-2:])
        return search_cycles(forward, backward, source_labels.flatten(), sizes, config).association


@torch.no_grad()
def search_cycles(
    forward: Direction,
    backward: Direction,
    label_S: Tensor,
    sizes: tuple[tuple[int, int], tuple[int, int]],
    config: AssociationConfig,
) -> CycleSearch:
    """Sweep both directions and close the cycles. ``sizes`` are the (height, width) of source and target."""
    forward, backward = round_directions(forward.detach(), backward.detach(), config.precision)
    label_S = label_S.to(forward.query_RD.device)
    num_choices = min(max(config.top_k, 2), len(forward.key_ND))  # the second choice gives the margin
    there, back = scan_both_ways(forward, backward, num_choices, config.tile_rows)
    chosen_S, is_closed_S = _close_cycles(there, back, label_S, config)
    target_index = there.index_RK.gather(1, chosen_S[:, None])[:, 0]
    forward_log_prob_SK = there.log_probability(forward)
    similarity_SK = there.score_RK + forward.offset_R[:, None]
    margin = similarity_SK[:, 0] - similarity_SK[:, 1] if num_choices > 1 else torch.full_like(similarity_SK[:, 0], torch.inf)
    is_labelled = label_S != IGNORE_INDEX
    association = Association(
        target_index=target_index,
        return_index=back.index_RK[target_index, 0],
        forward_prob=forward_log_prob_SK.gather(1, chosen_S[:, None])[:, 0].exp(),
        backward_prob=back.log_probability(backward)[target_index, 0].exp(),
        similarity=similarity_SK.gather(1, chosen_S[:, None])[:, 0],
        margin=margin,
        is_labelled=is_labelled,
        is_consistent=is_closed_S,
        candidate_index=there.index_RK[:, : config.top_k],
        candidate_similarity=similarity_SK[:, : config.top_k],
        target_return_index=back.index_RK[:, 0],
        source_size=sizes[0],
        target_size=sizes[1],
    )
    return CycleSearch(association, there.log_normalizer_R, back.log_normalizer_R)


def _close_cycles(there: Scan, back: Scan, label_S: Tensor, config: AssociationConfig) -> tuple[Tensor, Tensor]:
    """Position of the candidate that each source pixel takes, and whether it closes the cycle."""
    candidate_SK = there.index_RK[:, : config.top_k]
    return_SK = back.index_RK[:, 0][candidate_SK]
    if config.mutual:
        closes_SK = return_SK == torch.arange(len(label_S), device=label_S.device)[:, None]
    else:
        closes_SK = label_S[return_SK] == label_S[:, None]
    closes_SK &= (label_S != IGNORE_INDEX)[:, None]  # no label, no cycle to close: the first candidate stays
    # argmax of a boolean row is its first True, and 0 when there is none: the best candidate.
    return closes_SK.to(torch.uint8).argmax(1), closes_SK.any(1)


def as_float(features: Tensor) -> Tensor:
    """:func:`~pca_core.association.similarity.lift` without a graph."""
    return lift(features.detach())


def check_pair(source: Tensor, target: Tensor, labels: Tensor, config: AssociationConfig, level: Level | None = None) -> None:
    """Raise ValueError with the cure when one image pair cannot be associated: (C, h, w), (C, h', w'), (h, w).

    ``level`` is of the maps; None is the config's.
    """
    for name, features in (("source_features", source), ("target_features", target)):
        if features.ndim != 3 or features.numel() == 0:
            raise ValueError(
                f"{name} must be a non-empty (C, h, w) map, got shape {tuple(features.shape)}. "
                "Take one image off the batch: features[0]."
            )
        least, most = (end.item() for end in features.aminmax())  # NaN spreads to both ends
        if not -LARGEST <= least <= most <= LARGEST:
            raise ValueError(
                f"{name} holds NaN or infinite values, or huge ones ({least:g} to {most:g}). "
                "Check the checkpoint and the input normalisation."
            )
        if (level or config.level) == "prediction" and not -PROBABILITY_SLACK <= least <= most <= 1 + PROBABILITY_SLACK:
            raise ValueError(
                f"{name} must hold probabilities at level='prediction', got values from {least:g} to {most:g}. "
                "Pass logits.softmax(0), or associate features at level='feature'."
            )
    if (source.dtype == torch.float64) != (target.dtype == torch.float64):
        raise ValueError(f"Both maps must have one dtype, got {source.dtype} and {target.dtype}. Convert one with .float().")
    if source.shape[0] != target.shape[0]:
        raise ValueError(
            f"source_features and target_features must have the same channels, got {source.shape[0]} and {target.shape[0]}. "
            "Compute both with the same model."
        )
    check_labels(labels, tuple(source.shape[-2:]))
    num_target = target.shape[-2] * target.shape[-1]
    if config.top_k > num_target:
        raise ValueError(
            f"top_k must be at most the number of target pixels ({num_target}), got {config.top_k}. "
            "Take fewer candidates k, or a larger target image."
        )


def check_labels(labels: Tensor, size: tuple[int, int]) -> None:
    """Raise ValueError unless ``labels`` is an integer map of ``size`` (height, width), possibly batched, with ids ≥ 0."""
    if tuple(labels.shape[-2:]) != size:
        raise ValueError(
            f"source_labels must have one class id per feature pixel {size}, got shape {tuple(labels.shape)}. "
            f"Did you pass the full-resolution label? Use resize_label(label, size={size})."
        )
    if labels.dtype.is_floating_point or labels.dtype == torch.bool:
        raise ValueError(f"source_labels must hold integer class ids, got {labels.dtype}. Convert with labels.long().")
    if labels.numel() and labels.min() < 0:
        raise ValueError(f"source_labels must hold ids ≥ 0 or 255 (ignore), got {labels.min().item()}. Map other ids to 255.")
