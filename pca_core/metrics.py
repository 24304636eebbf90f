"""Segmentation scores from one confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pca_core.types import IGNORE_INDEX


def confusion_matrix(label: np.ndarray, prediction: np.ndarray, num_classes: int) -> np.ndarray:
    """Count pixels by (label, prediction): (K, K) int64. Unlabelled pixels (255) do not count.

    Args:
        label: (H, W) class indices and 255.
        prediction: (H, W) class indices.
        num_classes: K.

    Raises:
        ValueError: When the shapes differ or an id lies outside 0 .. K−1.
    """
    if label.shape != prediction.shape:
        raise ValueError(f"label and prediction must have the same shape, got {label.shape} and {prediction.shape}.")
    is_labelled = label != IGNORE_INDEX
    rows, columns = label[is_labelled].astype(np.int64), prediction[is_labelled].astype(np.int64)
    ids = np.concatenate([rows, columns])
    wrong = ids[(ids < 0) | (ids >= num_classes)]
    if wrong.size:
        raise ValueError(f"Class ids must lie in 0 .. {num_classes - 1}, got {wrong[0]}.")
    return np.bincount(rows * num_classes + columns, minlength=num_classes**2).reshape(num_classes, num_classes)


@dataclass(frozen=True)
class SegmentationScore:
    """Scores in percent.

    Attributes:
        miou: Mean IoU over the counted classes that occur in labels or predictions.
        iou: (K,) IoU per class, NaN for a class that occurs in neither.
        pixel_accuracy: Labelled pixels predicted right.
        num_pixels: Labelled pixels.
    """

    miou: float
    iou: np.ndarray
    pixel_accuracy: float
    num_pixels: int

    def to_dict(self, class_names: Sequence[str]) -> dict:
        """Ready for JSON; a class that does not occur is None."""
        return {
            "miou": self.miou,
            "iou": {name: None if np.isnan(value) else float(value) for name, value in zip(class_names, self.iou, strict=True)},
            "pixel_accuracy": self.pixel_accuracy,
            "num_pixels": self.num_pixels,
        }


def score(confusion: np.ndarray, counted: Sequence[int] | None = None) -> SegmentationScore:
    """Turn a (K, K) confusion matrix into scores; ``IoU_k = hits / (labels + predictions − hits)``.

    Args:
        confusion: From :func:`confusion_matrix`, of all classes.
        counted: Class indices that the mean is taken over; None takes all. The IoU of each stays what it is among all classes,
            as SYNTHIA's "mIoU over 13" is the mean of 13 of the 16.

    Raises:
        ValueError: When no pixel was counted.
    """
    total = int(confusion.sum())
    if total == 0:
        raise ValueError("There is no labelled pixel to score. Check the label ids and the ignore index.")
    hits = np.diag(confusion).astype(np.float64)
    union = confusion.sum(0) + confusion.sum(1) - hits
    iou = np.full(len(confusion), np.nan)
    np.divide(hits, union, out=iou, where=union > 0)
    iou *= 100
    return SegmentationScore(float(np.nanmean(_chosen(iou, counted))), iou, float(hits.sum() / total * 100), total)


def _chosen(iou: np.ndarray, counted: Sequence[int] | None) -> np.ndarray:
    chosen = iou if counted is None else iou[list(counted)]
    if np.isnan(chosen).all():
        raise ValueError("None of the classes that the mean is taken over occurs in labels or predictions. Choose others.")
    return chosen
