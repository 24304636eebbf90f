"""Class × class counts as plotly heat maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from pca_core.association import row_shares
from pca_core.render import NO_PIXELS


def flow_change(change: np.ndarray, names: Sequence[str], title: str) -> go.Figure:
    """Change of class flow in points of each row: blue is more, orange is less."""
    limit = max(float(np.nanmax(np.abs(change))), 1e-6)
    colours = [[0, "#D55E00"], [0.5, "#F4F4F4"], [1, "#0072B2"]]
    figure = _class_heatmap(change, names, title, colorscale=colours, zmin=-limit, zmax=limit)
    return figure.update_traces(colorbar_tickformat="+.0%", hovertemplate="%{y} → %{x}: %{z:+.1%}<extra></extra>")


def flow_matrix(counts: np.ndarray, names: Sequence[str], title: str) -> go.Figure:
    """Class × class flow: rows are the own class and sum to 100 %, or say that it has no pixels; hover
    tells the counts.

    Args:
        counts: (K, K) pixel pairs, row = from, column = to.
        names: K class names.
        title: Of the figure.
    """
    figure = _class_heatmap(row_shares(counts), names, title, customdata=counts, colorscale="Viridis", zmin=0, zmax=1)
    for row in np.flatnonzero(counts.sum(1) == 0):
        figure.add_annotation(x=(len(names) - 1) / 2, y=int(row), text=NO_PIXELS, showarrow=False, opacity=0.7)
    return figure.update_traces(hovertemplate="%{y} → %{x}: %{z:.1%} (%{customdata} pixels)<extra></extra>")


def confusion_figure(counts: np.ndarray, names: Sequence[str]) -> go.Figure:
    """(K, K) pixels, rows are labels and sum to 100 %, columns predictions; classes in neither are left out."""
    present = np.flatnonzero(counts.sum(0) + counts.sum(1))
    figure = flow_matrix(counts[np.ix_(present, present)], [names[index] for index in present], "")
    figure.update_yaxes(title="Label").update_xaxes(title="Prediction")
    return figure.update_layout(margin={"l": 10, "r": 10, "t": 10, "b": 10}, height=380)


def _class_heatmap(shares: np.ndarray, names: Sequence[str], title: str, **options: object) -> go.Figure:
    """(K, K) shares of rows, own class downwards."""
    bar = {"title": "of row", "tickformat": ".0%"}
    figure = go.Figure(go.Heatmap(z=shares, x=list(names), y=list(names), xgap=1, ygap=1, colorbar=bar, **options))
    figure.update_yaxes(autorange="reversed", title="Own class", showgrid=False)
    figure.update_xaxes(tickangle=-45)
    figure.update_layout(title=title, height=440, margin={"l": 10, "r": 10, "t": 50, "b": 10})
    return figure
