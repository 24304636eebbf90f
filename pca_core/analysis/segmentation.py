"""One image as a net segments it: classes, how sure the net is, and how right where labels tell."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pca_core.data import resize_label
from pca_core.metrics import SegmentationScore, confusion_matrix, score
from pca_core.types import IGNORE_INDEX

RIGHT, WRONG, UNJUDGED = range(3)
MAP_PIXELS = 40_000  # of the maps that are shown: enough for a screen, little to send
NUM_BINS = 10


@dataclass(frozen=True, eq=False)
class SegmentedImage:
    """Predictions for one image. Maps are (m, n), at most some :data:`MAP_PIXELS` pixels; scores are of the whole image.

    Attributes:
        classes: (H, W) uint8, at the size of the image.
        class_map: (m, n) uint8.
        confidence: (m, n) float32, probability of the predicted class, 0-1.
        entropy: (m, n) float32, entropy of the prediction as a share of log K, 0 (sure) to 1.
        label_map: (m, n) uint8 class indices and 255, or None without labels.
        error_map: (m, n) uint8: :data:`RIGHT`, :data:`WRONG`, :data:`UNJUDGED`; None without labels.
        class_shares: (K,) share of pixels that each class is predicted for.
        score, confusion: Against the labels, (K, K) rows are labels; None without.
        calibration_error: Expected calibration error, mean |confidence − accuracy| over ten bins; None without labels.
    """

    classes: np.ndarray
    class_map: np.ndarray
    confidence: np.ndarray
    entropy: np.ndarray
    label_map: np.ndarray | None
    error_map: np.ndarray | None
    class_shares: np.ndarray
    score: SegmentationScore | None
    confusion: np.ndarray | None
    calibration_error: float | None

    @property
    def mean_confidence(self) -> float:
        return float(self.confidence.mean())

    @property
    def mean_entropy(self) -> float:
        return float(self.entropy.mean())


@torch.no_grad()
def describe_segmentation(probabilities: Tensor, size: tuple[int, int], label: np.ndarray | None) -> SegmentedImage:
    """Bring a prediction to the size of its image and judge it.

    Args:
        probabilities: (K, h, w) softmax outputs at the resolution of the features.
        size: (H, W) of the image.
        label: (H, W) class indices and 255, or None.
    """
    num_classes = len(probabilities)
    full = F.interpolate(probabilities[None], size=size, mode="bilinear", align_corners=False)[0]
    confidence, classes = full.max(0)
    classes = classes.to(torch.uint8).cpu().numpy()
    small = _map_size(size)
    at_map = F.interpolate(probabilities[None], size=small, mode="bilinear", align_corners=False)[0]
    entropy = -(at_map * at_map.clamp_min(1e-10).log()).sum(0) / math.log(max(num_classes, 2))
    class_map = resize_label(classes, small)
    shown = (at_map.max(0).values.float().cpu().numpy(), entropy.clamp(0, 1).float().cpu().numpy())
    shares = np.bincount(classes.reshape(-1), minlength=num_classes) / classes.size
    is_labelled = label is not None and bool((label != IGNORE_INDEX).any())
    if not is_labelled:
        return SegmentedImage(classes, class_map, *shown, None, None, shares, None, None, None)
    label_map = resize_label(label, small)
    confusion = confusion_matrix(label, classes, num_classes)
    error = _calibration_error(confidence.cpu().numpy(), classes == label, label != IGNORE_INDEX)
    errors = np.where(label_map == IGNORE_INDEX, UNJUDGED, np.where(class_map == label_map, RIGHT, WRONG)).astype(np.uint8)
    return SegmentedImage(classes, class_map, *shown, label_map, errors, shares, score(confusion), confusion, error)


def _map_size(size: tuple[int, int]) -> tuple[int, int]:
    factor = max(1.0, math.sqrt(size[0] * size[1] / MAP_PIXELS))
    return max(1, round(size[0] / factor)), max(1, round(size[1] / factor))


def _calibration_error(confidence: np.ndarray, is_right: np.ndarray, is_judged: np.ndarray) -> float:
    """Source: Guo, Pleiss, Sun, Weinberger, ICML 2017."""
    confidence, is_right = confidence[is_judged].astype(np.float64), is_right[is_judged]
    bins = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    count = np.bincount(bins, minlength=NUM_BINS)
    gap = np.bincount(bins, confidence - is_right, minlength=NUM_BINS)
    return float(np.abs(gap).sum() / max(count.sum(), 1))


def top_classes(probabilities: Tensor, index: int, count: int = 5) -> list[tuple[int, float]]:
    """The most probable classes of one feature pixel, (class index, probability), best first."""
    values, classes = probabilities.flatten(1)[:, index].topk(min(count, len(probabilities)))
    return list(zip(classes.tolist(), values.tolist(), strict=True))
