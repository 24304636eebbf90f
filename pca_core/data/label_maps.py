"""Label maps that were read: resized, painted, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pca_core.checks import InputError
from pca_core.data.label_spaces import UNLABELLED_RGB
from pca_core.types import IGNORE_INDEX

if TYPE_CHECKING:
    from pca_core.types import LabelSpace


def resize_label(label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a label map by taking the pixel under each new pixel's centre, so that no new id can appear.

    Source index = floor((target index + 0.5) * source length / target length), in whole numbers; torch calls this
    "nearest-exact".

    Args:
        label: (H, W), any dtype.
        size: (height, width) in pixels.

    Returns:
        (height, width), same dtype, a copy.

    Raises:
        InputError: ``LABEL_ARRAY``, ``IMAGE_SIZE`` for a side below one pixel.
    """
    _check_label(label)
    if min(size) < 1:
        raise InputError("IMAGE_SIZE", f"size must be (height, width) of at least one pixel, got {tuple(size)}.")
    rows, columns = ((2 * np.arange(new) + 1) * old // (2 * new) for new, old in zip(size, label.shape, strict=True))
    return label[rows[:, None], columns]


def colorize(ids: np.ndarray, space: LabelSpace) -> np.ndarray:
    """Paint a label map in the colours of its classes, and mid grey where there is no label.

    Args:
        ids: (H, W) class indices and 255.
        space: The classes.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        InputError: ``LABEL_ARRAY`` for another array, ``LABEL_IDS`` for an index that is no class.
    """
    _check_ids(ids, space.num_classes)
    colours = np.full((IGNORE_INDEX + 1, 3), UNLABELLED_RGB, np.uint8)
    colours[: space.num_classes] = space.palette
    return colours[ids]


def class_frequencies(ids: np.ndarray, num_classes: int) -> np.ndarray:
    """Measure which part of the labelled pixels each class has.

    Args:
        ids: (H, W) class indices and 255.
        num_classes: K.

    Returns:
        (K,) float64, sum 1; all 0 when no pixel has a label.

    Raises:
        InputError: ``LABEL_ARRAY`` for another array, ``LABEL_IDS`` for an index that is no class.
    """
    _check_ids(ids, num_classes)
    counts = np.bincount(ids[ids != IGNORE_INDEX], minlength=num_classes)
    return counts / max(1, counts.sum())


def _check_label(label: np.ndarray) -> None:
    if label.ndim != 2 or label.size == 0:
        raise InputError("LABEL_ARRAY", f"A label map must have shape (H, W), got {label.shape}. Use read_label() to get one.")


def _check_ids(ids: np.ndarray, num_classes: int) -> None:
    _check_label(ids)
    if ids.dtype.kind not in "iu":
        raise InputError("LABEL_ARRAY", f"A label map must hold whole numbers, got {ids.dtype}. Use read_label().")
    wrong = ids[(ids != IGNORE_INDEX) & ((ids < 0) | (ids >= num_classes))]
    if wrong.size:
        raise InputError(
            "LABEL_IDS",
            f"A label map must hold class indices 0 to {num_classes - 1} and {IGNORE_INDEX}, "
            f"got {wrong[0]}. Read the file with read_label().",
        )
