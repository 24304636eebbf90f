"""Arrays as layers of the linked images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from app.components.linked_images import Layer, Side
from pca_core.render import scale_values
from pca_core.types import LabelSpace

NO_LABELS = "This image has no labels"


def value_layer(
    name: str,
    title: str,
    side: Side,
    values: np.ndarray,
    unit: str,
    *,
    is_log: bool = False,
    limits: tuple[float, float] | None = None,
) -> Layer:
    """A float map in viridis, scaled to ``limits`` or else its own range, which is in the legend."""
    low, high = limits or (float(values.min()), float(values.max()))
    legend = (_number(low), f"{_number(high)} {unit}" + (" (log scale)" if is_log else ""))
    return Layer(
        name,
        title,
        side,
        scale_values(values, (low, high), is_log=is_log),
        legend=legend,
        value_range=None if is_log else (low, high),
    )


def _number(value: float) -> str:
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}").replace("-", "−")


def class_layer(name: str, title: str, side: Side, ids: np.ndarray, space: LabelSpace) -> Layer:
    """A class map in the palette of the data set; unlabelled pixels stay clear. The legend names the classes that occur."""
    palette, alpha = np.zeros((256, 3), np.uint8), np.zeros(256, np.uint8)
    palette[: space.num_classes], alpha[: space.num_classes] = space.palette, 255
    present = [index for index in np.unique(ids) if index < space.num_classes]
    legend = tuple((space.class_names[index], space.palette[index]) for index in present)
    return Layer(name, title, side, ids.astype(np.uint8), palette, alpha, legend, value_names=space.class_names)


def label_layer(side: Side, ids: np.ndarray | None, space: LabelSpace) -> Layer:
    """The labels of an image; where it has none the button is there all the same, and says so."""
    if ids is None:
        return Layer("labels", "Labels", side, None, reason=NO_LABELS)
    return class_layer("labels", "Labels", side, ids, space)


def code_layer(name: str, title: str, side: Side, codes: np.ndarray, colours: Mapping[str, tuple[int, int, int]]) -> Layer:
    """A map of few cases: (h, w) uint8, the place of each pixel's case in ``colours`` (name -> RGB)."""
    palette, alpha = np.zeros((256, 3), np.uint8), np.zeros(256, np.uint8)
    palette[: len(colours)], alpha[: len(colours)] = list(colours.values()), 255
    return Layer(name, title, side, codes, palette, alpha, tuple(colours.items()), value_names=tuple(colours))
