"""Feature maps of both images as colours, in one basis: alike colours are alike features, on either side."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pca_core.association.aggregation import aggregate
from pca_core.association.cycle import AssociationConfig, as_float
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


def feature_rows(pair: FeaturePair, *, is_unit: bool = True) -> tuple[Tensor, Tensor]:
    """(S, C) and (T, C) features; of unit length, which is what cosine similarity sees, or as the net gives them."""
    rows = [flatten_pixels(as_float(one)) for one in (pair.source_features, pair.target_features)]
    return tuple(normalise_rows(one) if is_unit else one for one in rows)


@torch.no_grad()
def aggregate_target(pair: FeaturePair, config: AssociationConfig) -> FeaturePair:
    """The pair with the target features that association sees under the α of ``config``; its predictions stay plain."""
    target = as_float(pair.target_features)[None]
    mixed = aggregate(target, "feature", config.alpha, contrast_normalisation=config.contrast_normalisation)
    return replace(pair, target_features=mixed[0])


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


def colour_features(pair: FeaturePair, *, is_unit: bool = True) -> FeatureColours:
    """The first three components as red, green and blue, stretched from the 1st to the 99th percentile of both images.

    Args:
        pair: Features; labels play no part.
        is_unit: Of features of unit length, so that alike colours are alike for the cosine. False lets their length count too.
    """
    source, target = feature_rows(pair, is_unit=is_unit)
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
