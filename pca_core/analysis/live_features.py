"""Features small enough to be sent to a browser, which then finds similarities itself, and what that costs in fidelity.

The browser needs ``similarity(i, j) = <query_i, key_j> + offset_i`` both ways. At feature level query and key are the same unit
vectors, turned into the axes of largest energy (a rotation keeps every cosine) and cut to as few as still pick the same first
choice; at prediction level they are probabilities and their logarithms, K numbers each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pca_core.association.pair import PairAnalysis

DIMENSIONS = (64, 96, 128, 192, 256, 384, 512)
AGREEMENT = 0.95  # of the first choice: fewer dimensions are tried first, until it is reached
MAX_BYTES = 24_000_000  # of both sides together
JUDGED_PIXELS = 1024
STEPS = 32767  # of int16
FEW_DIMENSIONS = 16  # up to here float32 costs little, and logarithms of probabilities need it


@dataclass(frozen=True, eq=False)
class LiveSide:
    """One image as the browser needs it: ``value = integer · scale`` for int16, the value itself for float32.

    Attributes:
        query, key: (N, D) int16 or float32; the same array at feature level.
        query_scale, key_scale: Of the integers; 1 for float32.
        offset: (N,) float32, added to a product gives the similarity.
    """

    query: np.ndarray
    key: np.ndarray
    query_scale: float
    key_scale: float
    offset: np.ndarray


@dataclass(frozen=True, eq=False)
class LiveFeatures:
    """Both images as the browser needs them.

    Attributes:
        source, target: See :class:`LiveSide`; the target is aggregated as the config says.
        num_dimensions: D, numbers a pixel.
        num_channels: Of the features before.
        agreement: Share of source pixels whose most similar target pixel is the exact one, 0-1, over ``num_judged`` of them.
        num_judged: Evenly spread source pixels that this was measured on.
    """

    source: LiveSide
    target: LiveSide
    num_dimensions: int
    num_channels: int
    agreement: float
    num_judged: int


@torch.no_grad()
def compress_features(analysis: PairAnalysis) -> LiveFeatures | None:
    """Compress what a pair is associated by, with the fidelity that is left.

    Returns:
        None when even the fewest dimensions would be more than :data:`MAX_BYTES`.
    """
    forward, backward = analysis.directions()
    num_channels = forward.query_RD.shape[1]
    num_pixels = len(forward.query_RD) + len(backward.query_RD)
    is_feature = analysis.config.level == "feature"
    turned_S, turned_T = forward.query_RD, backward.query_RD
    if is_feature and num_channels > min(DIMENSIONS):
        axes_CD = _axes(torch.cat([turned_S, turned_T]), min(max(DIMENSIONS), num_channels))
        turned_S, turned_T = turned_S @ axes_CD, turned_T @ axes_CD
    found = None
    for count in _choices(turned_S.shape[1]):
        if num_pixels * count * 2 > MAX_BYTES:
            break
        source, target = _feature_sides(analysis, turned_S, turned_T, count) if is_feature else _prediction_sides(analysis)
        agreement, num_judged = _agreement(analysis, source, target)
        found = LiveFeatures(source, target, count, num_channels, agreement, num_judged)
        if agreement >= AGREEMENT:
            break
    return found


def _feature_sides(analysis: PairAnalysis, turned_S: Tensor, turned_T: Tensor, count: int) -> tuple[LiveSide, LiveSide]:
    forward, backward = analysis.directions()
    source_SD, target_TD = turned_S[:, :count], turned_T[:, :count]
    return _side(source_SD, source_SD, forward.offset_R), _side(target_TD, target_TD, backward.offset_R)


def _prediction_sides(analysis: PairAnalysis) -> tuple[LiveSide, LiveSide]:
    forward, backward = analysis.directions()
    return (
        _side(forward.query_RD, backward.key_ND, forward.offset_R),
        _side(backward.query_RD, forward.key_ND, backward.offset_R),
    )


def _choices(num_channels: int) -> list[int]:
    """Dimensions to try, fewest first; no more than there are."""
    fewer = [count for count in DIMENSIONS if count < num_channels]
    return [*fewer, num_channels] if num_channels <= max(DIMENSIONS) else fewer


def _axes(rows_NC: Tensor, count: int) -> Tensor:
    """(C, count) orthonormal axes of largest energy, the largest first."""
    _, axes_CC = torch.linalg.eigh(rows_NC.T @ rows_NC)
    return axes_CC.flip(1)[:, :count]


def _side(query_ND: Tensor, key_ND: Tensor, offset_N: Tensor) -> LiveSide:
    query, query_scale = _quantise(query_ND)
    key, key_scale = (query, query_scale) if key_ND is query_ND else _quantise(key_ND)
    return LiveSide(query, key, query_scale, key_scale, offset_N.float().cpu().numpy())


def _quantise(rows_ND: Tensor) -> tuple[np.ndarray, float]:
    values = rows_ND.float().cpu().numpy()
    if values.shape[1] <= FEW_DIMENSIONS:
        return np.ascontiguousarray(values), 1.0
    scale = max(float(np.abs(values).max()), 1e-12) / STEPS
    return np.round(values / scale).astype(np.int16), scale


def _agreement(analysis: PairAnalysis, source: LiveSide, target: LiveSide) -> tuple[float, int]:
    """How often the browser's first choice is the exact one."""
    exact_S = analysis.association.candidate_index[:, 0].cpu().numpy()
    judged = np.unique(np.linspace(0, len(exact_S) - 1, min(JUDGED_PIXELS, len(exact_S))).astype(int))
    scores = torch.from_numpy(source.query[judged].astype(np.float32)) @ torch.from_numpy(target.key.astype(np.float32)).T
    return float((scores.argmax(1).numpy() == exact_S[judged]).mean()), len(judged)
