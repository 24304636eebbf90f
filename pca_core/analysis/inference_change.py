"""One image segmented in two ways by the same net: which pixels change, and whether for the better."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pca_core.analysis.segmentation import SegmentedImage
from pca_core.types import IGNORE_INDEX

UNCHANGED, BECAME_RIGHT, BECAME_WRONG, OTHER_WRONG, UNJUDGED_CHANGE = range(5)
NUM_CHANGES = 5


@dataclass(frozen=True, eq=False)
class InferenceChange:
    """What the second way changes.

    Attributes:
        change_map: (H, W) uint8 at the size of the image: :data:`UNCHANGED`, :data:`BECAME_RIGHT`, :data:`BECAME_WRONG`,
            :data:`OTHER_WRONG` (wrong before and after), :data:`UNJUDGED_CHANGE` (no label).
        shares: (5,) share of all pixels by code; they sum to 1.
        iou: (K,) change of the IoU in points, NaN for a class that has none in one of them; None without labels.
    """

    change_map: np.ndarray
    shares: np.ndarray
    iou: np.ndarray | None

    @property
    def changed_share(self) -> float:
        """Pixels that another class is predicted for, 0-1."""
        return float(1 - self.shares[UNCHANGED])


def compare_inference(before: SegmentedImage, after: SegmentedImage, label: np.ndarray | None) -> InferenceChange:
    """Hold two segmentations of one image against each other.

    Args:
        before, after: From :func:`~pca_core.analysis.segmentation.describe_segmentation`.
        label: (H, W) class indices and 255, or None.
    """
    is_changed = before.classes != after.classes
    if label is None:
        codes = np.where(is_changed, UNJUDGED_CHANGE, UNCHANGED)
    else:
        codes = np.select(
            [~is_changed, label == IGNORE_INDEX, after.classes == label, before.classes == label],
            [UNCHANGED, UNJUDGED_CHANGE, BECAME_RIGHT, BECAME_WRONG],
            OTHER_WRONG,
        )
    shares = np.bincount(codes.ravel(), minlength=NUM_CHANGES) / codes.size
    is_scored = before.score is not None and after.score is not None
    return InferenceChange(codes.astype(np.uint8), shares, after.score.iou - before.score.iou if is_scored else None)
