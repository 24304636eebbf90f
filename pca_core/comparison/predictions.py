"""Two nets on one image: what changed, and whether for the better."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from pca_core.inference import predict
from pca_core.models import Checkpoint
from pca_core.models.checkpoints import check_same_classes
from pca_core.types import IGNORE_INDEX, Sample

STAYED_RIGHT, BECAME_RIGHT, BECAME_WRONG, STAYED_WRONG, CHANGED, UNCHANGED = range(6)
OUTCOMES: dict[int, tuple[str, tuple[int, int, int]]] = {
    STAYED_RIGHT: ("stayed right", (214, 214, 214)),
    BECAME_RIGHT: ("became right", (0, 114, 178)),
    BECAME_WRONG: ("became wrong", (213, 94, 0)),
    STAYED_WRONG: ("stayed wrong", (120, 120, 120)),
    CHANGED: ("changed, no label", (240, 228, 66)),
    UNCHANGED: ("unchanged, no label", (236, 236, 236)),
}
"""Name and colour of each outcome (Okabe and Ito's blue, vermilion and yellow: apart for every colour vision)."""


@dataclass(frozen=True)
class ImageComparison:
    """Predictions of two nets for one image.

    Attributes:
        sample: The image, with its label if it has one.
        before, after: (H, W) uint8 class indices.
    """

    sample: Sample
    before: np.ndarray
    after: np.ndarray

    @cached_property
    def outcome(self) -> np.ndarray:
        """(H, W) uint8, a key of :data:`OUTCOMES` for each pixel."""
        is_changed = self.before != self.after
        outcome = np.where(is_changed, CHANGED, UNCHANGED).astype(np.uint8)
        if self.sample.label is None:
            return outcome
        is_labelled = self.sample.label != IGNORE_INDEX
        was_right, is_right = self.before == self.sample.label, self.after == self.sample.label
        judged = np.select(
            [was_right & is_right, ~was_right & is_right, was_right & ~is_right],
            [STAYED_RIGHT, BECAME_RIGHT, BECAME_WRONG],
            STAYED_WRONG,
        )
        return np.where(is_labelled, judged, outcome).astype(np.uint8)

    @property
    def changed_share(self) -> float:
        """Pixels that another class is predicted for, 0-1."""
        return float((self.before != self.after).mean())

    def shares(self) -> dict[str, float]:
        """Share of all pixels by the name of their outcome; those that do not occur are left out."""
        counts = np.bincount(self.outcome.ravel(), minlength=len(OUTCOMES)) / self.outcome.size
        return {OUTCOMES[code][0]: float(share) for code, share in enumerate(counts) if share > 0}


def compare_image(before: Checkpoint, after: Checkpoint, sample: Sample) -> ImageComparison:
    """Predict with both nets.

    Raises:
        InputError: ``CHECKPOINT_CLASSES`` when they speak of different classes.
    """
    check_same_classes("The second net", after.label_space, before.label_space)
    return ImageComparison(sample, predict(before, sample.image), predict(after, sample.image))


def overlay_outcome(comparison: ImageComparison, opacity: float = 0.75) -> np.ndarray:
    """The image in grey with its changed pixels in the colours of :data:`OUTCOMES`: (H, W, 3) uint8 RGB."""
    grey = cv2.cvtColor(cv2.cvtColor(comparison.sample.image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    colours = np.array([colour for _, colour in OUTCOMES.values()], np.uint8)[comparison.outcome]
    is_marked = np.isin(comparison.outcome, (BECAME_RIGHT, BECAME_WRONG, CHANGED))[..., None]
    return np.where(is_marked, cv2.addWeighted(grey, 1 - opacity, colours, opacity, 0), grey)
