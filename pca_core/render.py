"""Pictures of results: RGB uint8 in, RGB uint8 out, no figure library."""

from __future__ import annotations

import cv2
import numpy as np
from torch import Tensor

from pca_core.data import colorize, resize_image
from pca_core.types import Association, LabelSpace

CONSISTENT = (42, 157, 143)  # teal and orange stay apart for every common colour vision
INCONSISTENT = (231, 111, 81)
UNLABELLED = (120, 120, 120)
NOT_MUTUAL = (233, 196, 106)
VERDICTS = {
    "cycle breaks": INCONSISTENT,
    "cycle-consistent": CONSISTENT,
    "unlabelled": UNLABELLED,
    "not mutual": NOT_MUTUAL,
}
"""Name and colour of each code of :func:`verdict_map`, in order."""
ERRORS = {"right": (0, 114, 178), "wrong": (213, 94, 0), "unlabelled": (150, 150, 150)}
"""Name and colour of each code of :attr:`pca_core.analysis.segmentation.SegmentedImage.error_map`, in order."""
COVERAGE = {
    "claimed by no source pixel": (70, 40, 110),
    "claimed, none cycle-consistent": INCONSISTENT,
    "claimed, cycle-consistent": CONSISTENT,
}
"""Likewise of :func:`pca_core.analysis.pair_summary.coverage_map`."""
# Apart for every common colour vision; grey and purple come last, for the rare picture of seven or eight curves.
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C8C8C", "#7A5BBF")
NO_PIXELS = "no pixels"  # what the row of a class says that has none, instead of shares
GAP = 12  # pixels between two images side by side


def scale_values(values: np.ndarray, limits: tuple[float, float] | None = None, *, is_log: bool = False) -> np.ndarray:
    """Map values to the 256 steps of a colour map.

    Args:
        values: Numbers of any shape, finite.
        limits: Values of the steps 0 and 255; what lies beyond takes the nearer end. None takes the map's own range.
        is_log: Space the steps by ``log(1 + v - low)``: tells small values apart where a few are very large.

    Returns:
        uint8 of the same shape; zeros where the range is empty.
    """
    low, high = limits or (float(values.min()), float(values.max()))
    above, span = np.clip(values - low, 0, None), high - low
    share = np.log1p(above) / np.log1p(max(span, 1e-12)) if is_log else above / max(span, 1e-12)
    return (np.clip(share, 0, 1) * 255).round().astype(np.uint8)


def verdict_map(association: Association, source_labels: Tensor) -> np.ndarray:
    """(h, w) uint8, the verdict of each source pixel, whose labels are (h, w) int64: its place in :data:`VERDICTS`."""
    label_S = source_labels.flatten().cpu().numpy()
    is_consistent = association.is_consistent.cpu().numpy()
    is_own_class = label_S[association.return_index.cpu().numpy()] == label_S
    codes = is_consistent.astype(np.uint8)
    codes[is_own_class & ~is_consistent] = 3
    codes[~association.is_labelled.cpu().numpy()] = 2
    return codes.reshape(association.source_size)


def list_verdicts(codes: np.ndarray) -> dict[str, tuple[int, int, int]]:
    """Name and colour of the verdicts for a legend: "not mutual" only where any of the codes is it."""
    names = list(VERDICTS)
    return {name: VERDICTS[name] for name in (names if (codes == 3).any() else names[:3])}


def hubness_map(association: Association) -> np.ndarray:
    """(h', w') float64, how many source pixels claim each target pixel."""
    return association.hubness.cpu().numpy().reshape(association.target_size).astype(np.float64)


def overlay_values(
    image: np.ndarray,
    values: np.ndarray,
    opacity: float = 0.6,
    limits: tuple[float, float] | None = None,
    *,
    is_log: bool = False,
) -> np.ndarray:
    """Lay a map over an image in viridis.

    Args:
        image: (H, W, 3) uint8 RGB.
        values: (h, w) float, any resolution; each value fills its cell.
        opacity: 0-1.
        limits, is_log: See :func:`scale_values`.
    """
    colours = cv2.applyColorMap(scale_values(values, limits, is_log=is_log), cv2.COLORMAP_VIRIDIS)[..., ::-1]
    return _blend(image, colours, opacity)


def overlay_classes(image: np.ndarray, class_map: np.ndarray, space: LabelSpace, opacity: float = 0.6) -> np.ndarray:
    """Lay class colours over an image: (h, w) uint8 class indices and 255, any resolution."""
    return _blend(image, colorize(class_map, space), opacity)


def overlay_verdicts(image: np.ndarray, association: Association, source_labels: Tensor, opacity: float = 0.6) -> np.ndarray:
    """Colour the source image by verdict: teal closes its cycle, orange does not, yellow is not mutual, grey is unlabelled."""
    colours = np.array(list(VERDICTS.values()), np.uint8)
    return _blend(image, colours[verdict_map(association, source_labels)], opacity)


def overlay_hubness(image: np.ndarray, association: Association, opacity: float = 0.6) -> np.ndarray:
    """Show how many source pixels claim each target pixel, on a log scale."""
    return overlay_values(image, hubness_map(association), opacity, is_log=True)


def overlay_gap(image: np.ndarray, is_gap: np.ndarray, opacity: float = 0.6) -> np.ndarray:
    """Lay orange over the feature pixels of ``is_gap`` (h, w) bool; the rest of the (H, W, 3) uint8 image stays as it is."""
    mask = _grow(is_gap.astype(np.uint8), image)[..., None] > 0
    return np.where(mask, _blend(image, np.full((*is_gap.shape, 3), INCONSISTENT, np.uint8), opacity), image)


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
    return cv2.addWeighted(image, 1 - opacity, _grow(colours, image), opacity, 0)


def _grow(values: np.ndarray, image: np.ndarray) -> np.ndarray:
    """(h, w, …) uint8 at the size of the image; each value fills its cell."""
    return cv2.resize(np.ascontiguousarray(values), image.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)
