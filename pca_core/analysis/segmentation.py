"""One image as a net segments it: classes, how sure the net is, and how right where labels tell."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pca_core.analysis.calibration import Reliability, measure_reliability
from pca_core.data import resize_label
from pca_core.metrics import SegmentationScore, confusion_matrix, score
from pca_core.types import IGNORE_INDEX

RIGHT, WRONG, UNJUDGED = range(3)
MAP_PIXELS = 40_000  # of the maps that are shown: enough for a screen, little to send


@dataclass(frozen=True, eq=False)
class SegmentedImage:
    """Predictions for one image.

    Numbers are of the whole image at its own size; maps are (m, n), at most some :data:`MAP_PIXELS` of its pixels.

    Attributes:
        probabilities: (K, h, w) at the resolution of the features, as they came.
        classes: (H, W) uint8, at the size of the image.
        class_map: (m, n) uint8.
        confidence: (m, n) float32, probability of the predicted class, 0-1.
        entropy: (m, n) float32, entropy of the prediction as a share of log K, 0 (sure) to 1.
        margin: (m, n) float32, probability of the first less that of the second class, 0-1.
        mean_confidence, mean_entropy, mean_margin: Of the whole image.
        label_map: (m, n) uint8 class indices and 255, or None without labels.
        error_map: (m, n) uint8: :data:`RIGHT`, :data:`WRONG`, :data:`UNJUDGED`; None without labels.
        class_shares: (K,) share of pixels that each class is predicted for.
        score, confusion: Against the labels, (K, K) rows are labels; None without.
        reliability: Confidence against accuracy; None without labels.
    """

    probabilities: Tensor
    classes: np.ndarray
    class_map: np.ndarray
    confidence: np.ndarray
    entropy: np.ndarray
    margin: np.ndarray
    mean_confidence: float
    mean_entropy: float
    mean_margin: float
    label_map: np.ndarray | None
    error_map: np.ndarray | None
    class_shares: np.ndarray
    score: SegmentationScore | None
    confusion: np.ndarray | None
    reliability: Reliability | None


@torch.no_grad()
def describe_segmentation(probabilities: Tensor, size: tuple[int, int], label: np.ndarray | None) -> SegmentedImage:
    """Bring a prediction to the size of its image, as :func:`pca_core.inference.predict` does, and judge it.

    Args:
        probabilities: (K, h, w) softmax outputs at the resolution of the features.
        size: (H, W) of the image.
        label: (H, W) class indices and 255; None, or a map without any class, is no label.

    Raises:
        ValueError: When the label has another size or a class that the net does not know.
    """
    num_classes = len(probabilities)
    classes, confidence, entropy, margin = _sweep_classes(probabilities, size)
    small = _map_size(size)
    maps = [resize_label(values, small) for values in (classes, confidence, entropy, margin)]
    means = [float(values.mean(dtype=np.float64)) for values in (confidence, entropy, margin)]
    shares = np.bincount(classes.ravel(), minlength=num_classes) / classes.size
    if label is None or not (label != IGNORE_INDEX).any():
        return SegmentedImage(probabilities, classes, *maps, *means, None, None, shares, None, None, None)
    confusion = confusion_matrix(label, classes, num_classes)
    is_judged = label != IGNORE_INDEX
    reliability = measure_reliability(confidence[is_judged], (classes == label)[is_judged])
    label_map = resize_label(label, small)
    errors = np.where(label_map == IGNORE_INDEX, UNJUDGED, np.where(maps[0] == label_map, RIGHT, WRONG)).astype(np.uint8)
    judged = score(confusion), confusion, reliability
    return SegmentedImage(probabilities, classes, *maps, *means, label_map, errors, shares, *judged)


def _sweep_classes(probabilities: Tensor, size: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Class, confidence, entropy and margin of every pixel, (H, W) each, class by class: never (K, H, W) at once."""
    best, second, entropy = torch.zeros(3, *size, device=probabilities.device)
    classes = torch.zeros(size, dtype=torch.uint8, device=probabilities.device)
    for index, one in enumerate(probabilities.float()):
        full = F.interpolate(one[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
        classes.masked_fill_(full > best, index)
        second = torch.maximum(second, torch.minimum(best, full))
        best = torch.maximum(best, full)
        entropy -= torch.special.xlogy(full, full)
    entropy = (entropy / math.log(max(len(probabilities), 2))).clamp_(0, 1)
    return tuple(values.cpu().numpy() for values in (classes, best, entropy, best - second))


def _map_size(size: tuple[int, int]) -> tuple[int, int]:
    factor = max(1.0, math.sqrt(size[0] * size[1] / MAP_PIXELS))
    return max(1, round(size[0] / factor)), max(1, round(size[1] / factor))


@dataclass(frozen=True)
class PixelPrediction:
    """What a net says of one feature pixel.

    Attributes:
        likely: (class index, probability) of the most probable classes, best first.
        entropy: Of all its classes, as a share of log K, 0-1.
        label: Its class index; None where there is no label.
    """

    likely: tuple[tuple[int, float], ...]
    entropy: float
    label: int | None


def describe_pixel(probabilities: Tensor, labels: Tensor | None, index: int, count: int = 5) -> PixelPrediction:
    """Tell the most probable classes of one feature pixel.

    Args:
        probabilities: (K, h, w).
        labels: (h, w) class indices and 255, or None.
        index: Row-major in (h, w).
        count: Classes at most.
    """
    own_K = probabilities.flatten(1)[:, index]
    values, classes = own_K.topk(min(count, len(own_K)))
    entropy = -torch.special.xlogy(own_K, own_K).sum().item() / math.log(max(len(own_K), 2))
    label = IGNORE_INDEX if labels is None else int(labels.flatten()[index])
    likely = tuple(zip(classes.tolist(), values.tolist(), strict=True))
    return PixelPrediction(likely, min(max(entropy, 0.0), 1.0), None if label == IGNORE_INDEX else label)
