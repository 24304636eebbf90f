"""Source views in the colours of target images."""

from __future__ import annotations

import cv2
import numpy as np


def transfer_colours(image: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Shift and scale the colours of an image to the means and deviations of another, channel by channel in CIE L*a*b*.

    Args:
        image: (H, W, 3) uint8 RGB.
        reference: (H', W', 3) uint8 RGB.

    Returns:
        (H, W, 3) uint8 RGB. Source: Reinhard et al., *Color Transfer between Images*, 2001 (there in Ruderman's lαβ).
    """
    lab, wanted = _to_lab(image), _to_lab(reference)
    mean, std = lab.mean((0, 1)), lab.std((0, 1))
    moved = (lab - mean) * (wanted.std((0, 1)) / np.maximum(std, 1e-3)) + wanted.mean((0, 1))
    rgb = cv2.cvtColor(moved.astype(np.float32), cv2.COLOR_LAB2RGB)
    return np.clip(np.rint(rgb * 255), 0, 255).astype(np.uint8)


def _to_lab(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
