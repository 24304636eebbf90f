"""Feature maps of both images as colours, in one basis: alike colours are alike features, on either side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pca_core.association.cycle import as_float
from pca_core.association.similarity import flatten_pixels, normalise_rows
from pca_core.types import FeaturePair

LEVELS = (6, 7, 6)  # of red, green, blue: 252 colours, so that a map is one byte a pixel
ENDS = (0.01, 0.99)  # quantiles of each component that become 0 and full colour


@dataclass(frozen=True, eq=False)
class FeatureColours:
    """Both maps as places in one palette.

    Attributes:
        source, target: (h, w) uint8.
        palette: (256, 3) uint8 RGB.
        explained: (3,) share of the variance of both images' features that each component holds.
    """

    source: np.ndarray
    target: np.ndarray
    palette: np.ndarray
    explained: np.ndarray


def unit_features(pair: FeaturePair) -> tuple[Tensor, Tensor]:
    """(S, C) and (T, C) features of unit length: what cosine similarity sees."""
    return tuple(normalise_rows(flatten_pixels(as_float(one))) for one in (pair.source_features, pair.target_features))


@torch.no_grad()
def project(source_SC: Tensor, target_TC: Tensor, num_components: int) -> tuple[Tensor, Tensor, np.ndarray]:
    """Principal components of both sides together.

    Returns:
        (S, n), (T, n) coordinates, and the share of variance that each component holds. Signs are fixed: the largest loading of
        each component is positive.
    """
    both = torch.cat([source_SC, target_TC])
    mean_C = both.mean(0)
    covariance_CC = (both - mean_C).T @ (both - mean_C) / max(len(both) - 1, 1)
    variances, axes_CC = torch.linalg.eigh(covariance_CC)
    axes = axes_CC.flip(1)[:, :num_components]
    axes = axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
    explained = variances.flip(0)[:num_components] / variances.sum().clamp_min(1e-12)
    return (source_SC - mean_C) @ axes, (target_TC - mean_C) @ axes, explained.cpu().numpy()


def colour_features(pair: FeaturePair) -> FeatureColours:
    """The first three components as red, green and blue, stretched from the 1st to the 99th percentile of both images."""
    source, target = unit_features(pair)
    source, target, explained = project(source, target, min(3, source.shape[1]))
    coordinates = torch.cat([source, target]).double().cpu().numpy()
    coordinates = np.pad(coordinates, ((0, 0), (0, 3 - coordinates.shape[1])))
    low, high = np.quantile(coordinates, ENDS, axis=0)
    share = np.clip((coordinates - low) / np.maximum(high - low, 1e-12), 0, 1)
    steps = np.round(share * (np.array(LEVELS) - 1)).astype(int)
    index = ((steps[:, 0] * LEVELS[1] + steps[:, 1]) * LEVELS[2] + steps[:, 2]).astype(np.uint8)
    return FeatureColours(
        index[: len(source)].reshape(pair.source_size),
        index[len(source) :].reshape(pair.target_size),
        _palette(),
        np.pad(explained, (0, 3 - len(explained))),
    )


def _palette() -> np.ndarray:
    grid = np.stack(np.meshgrid(*(np.linspace(0, 255, count) for count in LEVELS), indexing="ij"), axis=-1).reshape(-1, 3)
    return np.pad(grid.round().astype(np.uint8), ((0, 256 - len(grid)), (0, 0)))
