"""Shares and scores as plotly bars."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from app.figures.style import COLOURS
from pca_core.comparison import NetScore
from pca_core.types import LabelSpace


def share_bars(shares: Mapping[str, float], colours: Mapping[str, tuple[int, int, int]]) -> go.Figure:
    """Shares by name as horizontal bars, 0-1."""
    names = list(shares)[::-1]
    values = [shares[name] for name in names]
    figure = go.Figure(
        go.Bar(
            x=values,
            y=names,
            orientation="h",
            marker={"color": [f"rgb{colours[name]}" for name in names], "line": {"color": "#888", "width": 0.5}},
            text=[f"{value:.1%}" for value in values],
            textposition="auto",
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    )
    figure.update_xaxes(tickformat=".0%", rangemode="tozero")
    figure.update_layout(height=70 + 44 * len(names), margin={"l": 10, "r": 10, "t": 10, "b": 10})
    return figure


def pixel_bars(likely: Sequence[tuple[int, float]], space: LabelSpace) -> go.Figure:
    """The most probable classes of one pixel: (class index, probability), best first. Low, all on one scale."""
    names, palette = space.class_names, space.palette
    figure = share_bars({names[k]: share for k, share in likely}, {names[k]: palette[k] for k, _ in likely})
    figure.update_xaxes(range=[0, 1], visible=False)
    return figure.update_layout(height=26 + 24 * len(likely))


def class_bars(scores: Sequence[NetScore], space: LabelSpace) -> go.Figure:
    """IoU by class for every net; without labels the share of pixels that each predicts."""
    is_scored = scores[0].score is not None
    values = [(one.name, one.score.iou if is_scored else one.class_shares * 100) for one in scores]
    return _grouped_bars(values, space.class_names, "IoU, %" if is_scored else "Predicted pixels, %", "%{y:.1f} %")


def side_bars(values: Mapping[str, np.ndarray], space: LabelSpace, title: str, *, is_change: bool = False) -> go.Figure:
    """Per class one bar for each name; classes that occur in none are left out.

    Args:
        values: Name -> (K,) per cent, NaN where a class does not occur.
        space: The classes.
        title: Of the axis.
        is_change: The values are differences in points.
    """
    occurs = ~np.all([np.isnan(one) for one in values.values()], axis=0)
    names = [name for name, is_there in zip(space.class_names, occurs, strict=True) if is_there]
    told = "%{y:+.1f} points" if is_change else "%{y:.1f} %"
    return _grouped_bars([(name, one[occurs]) for name, one in values.items()], names, title, told)


def _grouped_bars(values: Sequence[tuple[str, np.ndarray]], names: Sequence[str], title: str, told: str) -> go.Figure:
    """One bar a name and class; ``told`` is how a value reads under the cursor."""
    figure = go.Figure()
    for colour, (name, one) in zip(itertools.cycle(COLOURS), values, strict=False):
        figure.add_bar(
            x=list(names),
            y=one,
            name=name,
            marker_color=colour,
            hovertemplate=f"%{{x}}: {told}<extra>%{{fullData.name}}</extra>",
        )
    figure.update_yaxes(title=title)
    return figure.update_layout(
        barmode="group",
        height=380,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "y": 1.12},
        showlegend=True,  # one name alone is told too
    )
