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
    first, last = (_log_end(low), _log_end(high)) if is_log else format_ends(low, high)
    legend = (first, f"{last} {unit}" + (" (log scale)" if is_log else ""))
    return Layer(
        name,
        title,
        side,
        scale_values(values, (low, high), is_log=is_log),
        legend=legend,
        value_range=None if is_log else (low, high),
    )


def _log_end(end: float) -> str:
    """An end of a logarithmic legend: a count as it is, for "1.4e+03" pixels is not how anybody counts; else three digits."""
    return f"{end:,.0f}" if float(end).is_integer() or abs(end) >= 1000 else f"{end:.3g}"


def format_ends(low: float, high: float) -> tuple[str, str]:
    """Both ends of a linear legend with as many decimals as each other, as ``formatEnds`` of live.js does for a hover."""
    largest = max(abs(low), abs(high))
    if 0 < largest < 0.01:
        return _minus(f"{low:.2e}"), _minus(f"{high:.2e}")
    is_whole = float(low).is_integer() and float(high).is_integer()
    decimals = 0 if is_whole or largest >= 1000 else 1 if largest >= 100 else 3
    return tuple(_minus(f"{value:z,.{decimals}f}") for value in (low, high))


def _minus(text: str) -> str:
    return text.replace("-", "−")


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
