"""Spatial aggregation: every target pixel borrows from the target pixels that resemble it.

``F̂_j = (1 − α) F_j + α Σ_j' w_jj' F_j'``. At feature level ``w_j· = softmax`` of the contrast-normalised cosine row; at
prediction level the plain softmax of ``−KL(P_j ‖ P_j')``. Both are attention with a scale per query, so no N × N matrix is
formed: ``torch.nn.functional.scaled_dot_product_attention`` does it, forward and backward, or for wide features on a GPU
:func:`pca_core.association.gpu.attend`.

Source: PLCA section 3.3. It is what spreads the gradient of a few associated pixels over the whole target image.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pca_core.association.dispatch import find_attention, find_gpu
from pca_core.association.similarity import Direction, flatten_pixels, invert_std, lift, make_direction, normalise_rows, safe_log
from pca_core.types import Level

PAPER_ALPHA = 0.5
NARROW = 16  # channels from which attention on the CPU fills its vectors; with zeros for the rest it takes half the time
GPU_CHANNELS = 8  # of which a GPU's attention kernels take multiples; for others torch forms the N × N matrix
WIDE = 256  # channels beyond which a GPU's attention kernels no longer keep a row's sum in registers


def aggregate(target: Tensor, level: Level = "feature", alpha: float = 0.5, *, contrast_normalisation: bool = True) -> Tensor:
    """Mix each target pixel with the target pixels that resemble it.

    Args:
        target: (B, C, h, w) features, or (B, K, h, w) probabilities at ``level="prediction"``.
        level: Which similarity weighs the pixels.
        alpha: Share of the borrowed part, 0 (nothing changes) to 1.
        contrast_normalisation: Normalise the cosine rows (feature level only; the method has none at prediction level).

    Returns:
        Tensor of the same shape; at prediction level still a distribution per pixel. Differentiable; the row moments are not.

    Raises:
        ValueError: On a tensor that is not (B, C, h, w), an unknown level or α outside [0, 1].
    """
    _check(target, level, alpha)
    if alpha == 0 or len(target) == 0:
        return target
    whole = lift(target)
    with torch.autocast(target.device.type, enabled=False):
        borrowed = torch.stack([borrow(image, level, contrast_normalisation) for image in whole])
        return mix(whole, borrowed, alpha).to(target.dtype)


def mix(target: Tensor, borrowed: Tensor, alpha: float) -> Tensor:
    """``(1 − α) F + α · borrowed``, of the same shape; all of aggregation that depends on α."""
    return torch.lerp(target, borrowed, alpha)


def borrow(target: Tensor, level: Level, contrast_normalisation: bool = True) -> Tensor:
    """The borrowed part of one (C, h, w) map, of the same shape."""
    return aggregate_pixels(flatten_pixels(target), level, contrast_normalisation=contrast_normalisation).T.reshape(target.shape)


def aggregate_pixels(target_TC: Tensor, level: Level, *, contrast_normalisation: bool = True) -> Tensor:
    """The borrowed part alone, ``Σ_j' w_jj' F_j'``: (T, C) → (T, C)."""
    if level == "feature":
        key_TC = normalise_rows(target_TC)
        direction = make_direction(key_TC, key_TC, normalise=contrast_normalisation)
        if fused := find_attention(direction):
            return fused.attend_within(key_TC, direction.inverse_std_R, target_TC)
    else:
        direction = make_direction(target_TC, safe_log(target_TC), normalise=False)
    return _attend(direction, target_TC)


def _attend(direction: Direction, value_NV: Tensor) -> Tensor:
    gpu = find_gpu(direction) if value_NV.size(1) > WIDE else None
    if gpu:
        return gpu.attend(direction, value_NV)
    query_RD = direction.query_RD * direction.inverse_std_R[:, None]  # the mean cancels in the softmax
    missing = _pad_to(value_NV.size(1), value_NV.device) - value_NV.size(1)
    query, key, value = (F.pad(rows, (0, missing))[None, None] for rows in (query_RD, direction.key_ND, value_NV))
    return F.scaled_dot_product_attention(query, key, value, scale=1.0)[0, 0, :, : value_NV.size(1)]


def _pad_to(channels: int, device: torch.device) -> int:
    """Channels with zeros added until torch's attention takes one of its quick ways, which keep no N × N matrix."""
    return max(NARROW, channels if device.type == "cpu" else -(-channels // GPU_CHANNELS) * GPU_CHANNELS)


def aggregation_row(target_TC: Tensor, index: int, level: Level, *, contrast_normalisation: bool = True) -> Tensor:
    """Weights ``w_j·`` with which target pixel ``index`` borrows from all target pixels: (T,), sum 1."""
    if level == "prediction":
        return (safe_log(target_TC) @ target_TC[index]).softmax(0)
    key_TC = normalise_rows(target_TC)
    score_T = key_TC @ key_TC[index]
    if contrast_normalisation and len(score_T) > 1:  # of one row the moments are taken from the row itself
        score_T = (score_T - score_T.mean()) * invert_std(score_T.var())
    return score_T.softmax(0)


def _check(target: Tensor, level: Level, alpha: float) -> None:
    if target.ndim != 4:
        raise ValueError(
            f"aggregate needs target as (B, C, h, w), got shape {tuple(target.shape)}. "
            "For one image add the batch axis: target[None]."
        )
    if level not in ("feature", "prediction"):
        raise ValueError(f"level must be 'feature' or 'prediction', got {level!r}.")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1], got {alpha}. The paper uses 0.5; 0 turns aggregation off.")
