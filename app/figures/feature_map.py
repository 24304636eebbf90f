"""The map of sampled pixels as a plotly scatter."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from app.figures.style import COLOURS
from pca_core.analysis.embedding import PixelSample
from pca_core.types import LabelSpace

DOMAINS = ("source", "target")
SYMBOLS = {"source": "circle", "target": "diamond"}


def feature_map(
    points: np.ndarray, sample: PixelSample, space: LabelSpace, colouring: str, selected: np.ndarray, pinned: int | None
) -> go.Figure:
    """One point a pixel, ● source and ◆ target.

    Args:
        points: (M, 2).
        sample: The pixels.
        space: Their classes.
        colouring: ``"class"`` or ``"domain"``.
        selected: (M,) bool; while any is, the others fade.
        pinned: Place in the sample of the pinned pixel or the sampled one next to it.
    """
    figure = go.Figure()
    for place, domain in enumerate(DOMAINS):
        is_domain = sample.is_target == bool(place)
        if colouring == "domain":
            _add(figure, points, sample, space, is_domain, domain.title(), COLOURS[place], domain, selected)
            continue
        for one in np.unique(sample.classes[is_domain]):
            name, colour = _class(int(one), space)
            chosen = is_domain & (sample.classes == one)
            _add(figure, points, sample, space, chosen, f"{name} ({domain})", colour, domain, selected)
    if pinned is not None:
        ring = {"size": 18, "color": "rgba(0,0,0,0)", "line": {"color": "#888", "width": 3}}
        figure.add_scatter(
            x=points[[pinned], 0], y=points[[pinned], 1], mode="markers", marker=ring, name="Pinned", hoverinfo="skip"
        )
    hidden = {"showticklabels": False, "zeroline": False, "showgrid": False}
    figure.update_xaxes(**hidden).update_yaxes(**hidden)
    return figure.update_layout(
        height=520,
        margin={"l": 5, "r": 5, "t": 5, "b": 5},
        dragmode="lasso",
        legend={"font": {"size": 11}, "itemsizing": "constant"},
        uirevision="kept",
    )


def _class(one: int, space: LabelSpace) -> tuple[str, str]:
    is_known = one < space.num_classes
    return (space.class_names[one], f"rgb{space.palette[one]}") if is_known else ("unlabelled", "#999")


def _add(figure, points, sample, space, chosen, name, colour, domain, selected) -> None:
    places = np.flatnonzero(chosen)
    if not len(places):
        return
    is_faint = selected.any() & ~selected[places]
    classes = [_class(int(one), space)[0] for one in sample.classes[places]]
    figure.add_scatter(
        x=points[places, 0],
        y=points[places, 1],
        mode="markers",
        name=name,
        customdata=np.stack([places, sample.index[places], np.array(classes, object)], axis=1),
        marker={
            "size": 7,
            "symbol": SYMBOLS[domain],
            "color": colour,
            "opacity": np.where(is_faint, 0.12, 0.85),
            "line": {"width": 0.5, "color": "rgba(128,128,128,.7)"},
        },
        hovertemplate="%{customdata[2]}, pixel %{customdata[1]}<extra>%{fullData.name}</extra>",
    )
