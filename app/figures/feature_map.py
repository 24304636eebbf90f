"""The map of sampled pixels as a plotly scatter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb, unlabel_rgb

from app.figures.style import COLOURS
from pca_core.analysis.embedding import VERDICTS, PixelSample
from pca_core.render import CONSISTENT, INCONSISTENT, NOT_MUTUAL, UNLABELLED
from pca_core.types import LabelSpace

DOMAINS = ("source", "target")
SYMBOLS = ("circle", "diamond")  # of the domains, under any colouring
NO_CLASS = ("unlabelled", "#999999")
HEIGHT = 520


@dataclass(frozen=True, eq=False)
class Colouring:
    """A group for each point: (M,) its place in ``names`` and ``colours``."""

    codes: np.ndarray
    names: tuple[str, ...]
    colours: tuple[str, ...]


def colour_by_class(sample: PixelSample, space: LabelSpace) -> Colouring:
    """In the palette of the data set."""
    colours = (*map(_rgb, space.palette), NO_CLASS[1])
    return Colouring(np.minimum(sample.classes, space.num_classes), (*space.class_names, NO_CLASS[0]), colours)


def colour_by_domain(sample: PixelSample) -> Colouring:
    """Blue and orange."""
    return Colouring(sample.is_target.astype(int), DOMAINS, COLOURS[:2])


def colour_by_verdict(verdicts: np.ndarray) -> Colouring:
    """``verdicts`` (M,) are places in :data:`~pca_core.analysis.embedding.VERDICTS`."""
    return Colouring(verdicts, VERDICTS, (*map(_rgb, (CONSISTENT, INCONSISTENT, UNLABELLED)), COLOURS[4], _rgb(NOT_MUTUAL)))


def feature_map(
    points: np.ndarray, sample: PixelSample, space: LabelSpace, colouring: Colouring, selected: np.ndarray, pinned: int | None
) -> go.Figure:
    """One point a pixel, ● source and ◆ target.

    Args:
        points: (M, 2).
        sample: The pixels.
        space: Their classes, for the text under the cursor.
        colouring: The groups of the legend, each of which may be on both sides.
        selected: (M,) bool; while any is, the others fade.
        pinned: Place in the sample of the pinned pixel or the sampled one next to it.
    """
    class_names = np.array([*space.class_names, NO_CLASS[0]], object)[np.minimum(sample.classes, space.num_classes)]
    is_faded = selected.any() & ~selected
    sides = sample.is_target.astype(int)
    told = np.array([np.arange(len(sample)), sample.index, class_names, np.array(DOMAINS, object)[sides]], object).T
    traces = []
    for group in np.unique(colouring.codes):
        places = np.flatnonzero(colouring.codes == group)
        look = {"name": colouring.names[group], "legendgroup": str(group), "mode": "markers"}
        traces.append(look | _legend(colouring.colours[group]))
        points_of_group = {
            "x": points[places, 0],
            "y": points[places, 1],
            "showlegend": False,
            "customdata": told[places],
            "marker": {
                "size": 7,
                "symbol": np.array(SYMBOLS)[sides[places]],
                "color": _colours(colouring.colours[group], is_faded[places]),
                "opacity": 1,  # less would have the browser paint every point apart
                "line": {"width": 0.7, "color": "rgba(140,140,140,.9)"},
            },
            "unselected": {"marker": {"opacity": 0.12}},
            "hovertemplate": "%{customdata[3]} pixel %{customdata[1]}, %{customdata[2]}<extra>%{fullData.name}</extra>",
        }
        traces.append(look | points_of_group)
    if pinned is not None:
        traces.append(_ring(points[pinned]))
    hidden = {"showticklabels": False, "zeroline": False, "showgrid": False}
    layout = {
        "height": HEIGHT,
        "margin": {"l": 5, "r": 5, "t": 5, "b": 5},
        "dragmode": "lasso",
        "legend": {"font": {"size": 11}, "itemsizing": "constant", "y": 0.93},  # below the tools, which come with the cursor
        "uirevision": "kept",
        "xaxis": hidden,
        "yaxis": hidden,
    }
    return go.Figure(
        [{"type": "scatter"} | trace for trace in traces], layout
    )  # all at once: one by one takes three times as long


def _legend(colour: str) -> dict:
    """A trace without points: its colour in the legend never fades, and its square is neither domain."""
    return {"x": [None], "y": [None], "marker": {"symbol": "square", "size": 9, "color": colour}, "hoverinfo": "skip"}


def _ring(point: np.ndarray) -> dict:
    """Round the pinned pixel; what cannot be selected never fades."""
    return {
        "x": point[:1],
        "y": point[1:],
        "mode": "markers",
        "marker": {"size": 18, "color": "rgba(0,0,0,0)", "line": {"color": "#888", "width": 3}},
        "unselected": {"marker": {"opacity": 1}},
        "name": "pinned",
        "hoverinfo": "skip",
    }


def _colours(colour: str, is_faded: np.ndarray) -> str | np.ndarray:
    """One for all points where none has faded, which is quicker to draw, else one each."""
    red, green, blue = unlabel_rgb(colour) if colour.startswith("rgb") else hex_to_rgb(colour)
    clear, faded = (f"rgba({red:g},{green:g},{blue:g},{alpha})" for alpha in (0.85, 0.12))
    return np.where(is_faded, faded, clear) if is_faded.any() else clear


def _rgb(colour: tuple[int, int, int]) -> str:
    return f"rgb{tuple(colour)}"
