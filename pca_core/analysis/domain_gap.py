"""How far the features of source and target lie apart, in numbers that papers use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pca_core.analysis.embedding import PixelSample, pair_classes
from pca_core.analysis.projection import feature_rows
from pca_core.types import FeaturePair

BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the kernels, as multiples of the median squared distance
PERMUTATIONS = 100
FOLDS = 5


@dataclass(frozen=True, eq=False)
class DomainGap:
    """Distances between the features of two images; NaN where a side has too few pixels to tell.

    Attributes:
        mmd: Unbiased squared maximum mean discrepancy, mean of five RBF kernels; around 0 for one distribution.
        mmd_by_chance: The 95th percentile of the same number when pixels are dealt to the sides at random.
        proxy_a_distance: ``2 (1 − 2ε)`` with ε the cross-validated error of a linear classifier that tells the domains apart:
            0 it cannot, 2 it always can.
        frechet: Squared Fréchet distance of the Gaussians with the means and covariances of both sides; 0 for alike ones.
        frechet_by_mean: The part of it that the means alone make, so that the rest is the spreads'.
        centroid_distance: (K,) cosine distance of the class means, NaN where a class lacks on a side.
        class_pixels: (2, K) int64 pixels of each class on the source and on the target.
        judged_by: What told the classes of the target, ``"labels"`` or ``"predictions"``.
    """

    mmd: float
    mmd_by_chance: float
    proxy_a_distance: float
    frechet: float
    frechet_by_mean: float
    centroid_distance: np.ndarray
    class_pixels: np.ndarray
    judged_by: str


def measure_gap(pair: FeaturePair, sample: PixelSample, num_classes: int, seed: int = 0) -> DomainGap:
    """All of it. Centroids are those of all pixels, the rest is measured on the sample, in which all classes weigh alike.

    Source: Gretton et al., JMLR 2012 (MMD); Ben-David et al., NeurIPS 2006 (proxy A-distance); Dowson and Landau, 1982 (Fréchet).
    """
    source = torch.from_numpy(sample.features[~sample.is_target]).double()
    target = torch.from_numpy(sample.features[sample.is_target]).double()
    can_tell = min(len(source), len(target)) >= 2
    mmd, by_chance = _mmd(source, target, seed) if can_tell else (np.nan, np.nan)
    frechet, by_mean = _frechet(source, target) if can_tell else (np.nan, np.nan)
    return DomainGap(
        mmd,
        by_chance,
        _proxy_a_distance(sample, seed) if can_tell else np.nan,
        frechet,
        by_mean,
        class_distances(pair, num_classes),
        count_classes(pair, num_classes),
        "labels" if pair.target_labels is not None else "predictions",
    )


def class_distances(pair: FeaturePair, num_classes: int) -> np.ndarray:
    """(K,) ``1 − cos`` of the mean unit features of each class on both sides; NaN where a class lacks on one."""
    means = []
    for rows, known in zip(feature_rows(pair), pair_classes(pair), strict=True):
        classes = torch.from_numpy(known).to(rows.device)
        one_hot_NK = (classes[:, None] == torch.arange(num_classes, device=rows.device)).to(rows)
        means.append((one_hot_NK.T @ rows) / one_hot_NK.sum(0)[:, None])  # 0 / 0 is NaN: no such class
    return (1 - torch.nn.functional.cosine_similarity(*means, dim=1)).clamp_min(0).double().cpu().numpy()


def count_classes(pair: FeaturePair, num_classes: int) -> np.ndarray:
    """(2, K) int64 pixels of each class on the source and on the target."""
    return np.stack([np.bincount(one[one < num_classes], minlength=num_classes) for one in pair_classes(pair)])


def _mmd(source: Tensor, target: Tensor, seed: int) -> tuple[float, float]:
    both = torch.cat([source, target])
    squared = torch.cdist(both, both).square()
    median = squared[squared > 0].median().clamp_min(1e-12) if (squared > 0).any() else squared.new_tensor(1.0)
    kernel = sum(torch.exp(-squared / (2 * factor * median)) for factor in BANDWIDTHS) / len(BANDWIDTHS)
    kernel.fill_diagonal_(0)
    is_target = torch.arange(len(both)) >= len(source)
    generator = torch.Generator().manual_seed(seed)
    shuffled = [is_target[torch.randperm(len(both), generator=generator)] for _ in range(PERMUTATIONS)]
    values = [_unbiased(kernel, one) for one in (is_target, *shuffled)]
    return values[0], float(np.quantile(values[1:], 0.95))


def _unbiased(kernel: Tensor, is_target: Tensor) -> float:
    sides = torch.stack([~is_target, is_target]).to(kernel)
    sums = sides @ kernel @ sides.T
    m, n = sides.sum(1).tolist()
    return (sums[0, 0] / (m * (m - 1)) + sums[1, 1] / (n * (n - 1)) - 2 * sums[0, 1] / (m * n)).item()


def _frechet(source: Tensor, target: Tensor) -> tuple[float, float]:
    """``‖μ − μ'‖² + tr(Σ + Σ' − 2 (Σ Σ')^½)`` and its first term.

    With ``Σ = RᵀR`` from a QR of the centred rows the trace of the root is the nuclear norm of ``R R'ᵀ``: no matrix root.
    """
    by_mean = (source.mean(0) - target.mean(0)).square().sum()
    centred = [(one - one.mean(0)) / (len(one) - 1) ** 0.5 for one in (source, target)]
    spread = sum(one.square().sum() for one in centred)
    shared = torch.linalg.svdvals(torch.linalg.qr(centred[0], mode="r")[1] @ torch.linalg.qr(centred[1], mode="r")[1].T).sum()
    return float(by_mean + (spread - 2 * shared).clamp_min(0)), float(by_mean)


def _proxy_a_distance(sample: PixelSample, seed: int) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    smaller = min(int(sample.is_target.sum()), int((~sample.is_target).sum()))
    folds = StratifiedKFold(min(FOLDS, smaller), shuffle=True, random_state=seed)
    classifier = LogisticRegression(max_iter=200, class_weight="balanced")  # sides of different size: guessing stays at one half
    accuracy = cross_val_score(classifier, sample.features, sample.is_target, cv=folds, scoring="balanced_accuracy").mean()
    return float(np.clip(2 * (1 - 2 * (1 - accuracy)), 0, 2))
