"""Pictures of results: RGB uint8 in, RGB uint8 out, no figure library."""

from __future__ import annotations

import cv2
import numpy as np

from pca_core.data import colorize, resize_image
from pca_core.types import Association, LabelSpace

CONSISTENT = (42, 157, 143)  # teal and orange stay apart for every common colour vision
INCONSISTENT = (231, 111, 81)
UNLABELLED = (120, 120, 120)
GAP = 12  # pixels between two images side by side


def overlay_values(
    image: np.ndarray, values: np.ndarray, opacity: float = 0.6, limits: tuple[float, float] | None = None
) -> np.ndarray:
    """Lay a map over an image in viridis.

    Args:
        image: (H, W, 3) uint8 RGB.
        values: (h, w) float, any resolution; each value fills its cell.
        opacity: 0-1.
        limits: Values at the ends of the colour map; None takes the map's own.
    """
    low, high = limits or (float(values.min()), float(values.max()))
    scaled = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    colours = cv2.applyColorMap((scaled * 255).round().astype(np.uint8), cv2.COLORMAP_VIRIDIS)[..., ::-1]
    return _blend(image, colours, opacity)


def overlay_classes(image: np.ndarray, class_map: np.ndarray, space: LabelSpace, opacity: float = 0.6) -> np.ndarray:
    """Lay class colours over an image: (h, w) uint8 class indices and 255, any resolution."""
    return _blend(image, colorize(class_map, space), opacity)


def overlay_verdicts(image: np.ndarray, association: Association, opacity: float = 0.6) -> np.ndarray:
    """Colour the source image by verdict: teal closes its cycle, orange does not, grey is unlabelled."""
    colours = np.empty((len(association.is_consistent), 3), np.uint8)
    colours[:] = INCONSISTENT
    colours[association.is_consistent.cpu().numpy()] = CONSISTENT
    colours[~association.is_labelled.cpu().numpy()] = UNLABELLED
    return _blend(image, colours.reshape(*association.source_size, 3), opacity)


def overlay_hubness(image: np.ndarray, association: Association, opacity: float = 0.6) -> np.ndarray:
    """Show how many source pixels claim each target pixel, on a log scale."""
    in_degree = association.hubness.cpu().numpy().reshape(association.target_size)
    return overlay_values(image, np.log1p(in_degree.astype(np.float64)), opacity)


def draw_pairs(
    source: np.ndarray,
    target: np.ndarray,
    association: Association,
    source_labels: np.ndarray,
    space: LabelSpace,
    count: int = 150,
) -> np.ndarray:
    """Draw cycle-consistent pairs as lines between both images, coloured by class and thinned evenly.

    Args:
        source, target: (H, W, 3) uint8 RGB; the target is scaled to the source's height.
        association: What to draw.
        source_labels: (h, w) class indices at feature resolution.
        space: For the colours.
        count: Lines at most.
    """
    height = source.shape[0]
    target = resize_image(target, (height, round(target.shape[1] * height / target.shape[0])))
    left = source.shape[1] + GAP
    canvas = np.full((height, left + target.shape[1], 3), 255, np.uint8)
    canvas[:, : source.shape[1]], canvas[:, left:] = source, target
    consistent = np.flatnonzero(association.is_consistent.cpu().numpy())
    chosen = consistent[np.linspace(0, len(consistent) - 1, min(count, len(consistent))).round().astype(int)]
    start = _centres(chosen, association.source_size, source.shape[:2])
    end = _centres(association.target_index.cpu().numpy()[chosen], association.target_size, target.shape[:2])
    for (x0, y0), (x1, y1), label in zip(start, end, source_labels.reshape(-1)[chosen], strict=True):
        points = (int(x0), int(y0)), (int(x1 + left), int(y1))
        cv2.line(canvas, *points, (0, 0, 0), 2, cv2.LINE_AA)
        cv2.line(canvas, *points, space.palette[label], 1, cv2.LINE_AA)
    return canvas


def _centres(index: np.ndarray, grid: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Image coordinates (x, y) of the centres of feature pixels."""
    row, column = np.divmod(index, grid[1])
    return np.stack([(column + 0.5) * size[1] / grid[1], (row + 0.5) * size[0] / grid[0]], axis=1)


def _blend(image: np.ndarray, colours: np.ndarray, opacity: float) -> np.ndarray:
    grown = cv2.resize(np.ascontiguousarray(colours), image.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return cv2.addWeighted(image, 1 - opacity, grown, opacity, 0)
