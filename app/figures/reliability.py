"""Confidence against accuracy as a plotly chart."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from app.figures.style import COLOURS
from pca_core.analysis.calibration import Reliability


def reliability_curves(found: Mapping[str, Reliability]) -> go.Figure:
    """Accuracy over confidence for each name, beside the diagonal on which a net knows how sure it may be."""
    figure = go.Figure(
        go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": "#888", "dash": "dot"}, name="as sure as right")
    )
    figure.update_traces(hoverinfo="skip")
    for colour, (name, one) in zip(COLOURS, found.items(), strict=False):
        is_filled = one.count > 0
        figure.add_scatter(
            x=one.confidence[is_filled],
            y=one.accuracy[is_filled],
            customdata=one.count[is_filled],
            name=name,
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"size": 8},
            hovertemplate="%{x:.0%} sure, %{y:.0%} right (%{customdata:,} pixels)<extra>%{fullData.name}</extra>",
        )
    figure.update_xaxes(title="Confidence", tickformat=".0%", range=[0, 1.03])
    figure.update_yaxes(title="Predicted right", tickformat=".0%", range=[0, 1.03])
    return figure.update_layout(height=380, margin={"l": 10, "r": 10, "t": 10, "b": 10}, legend={"orientation": "h", "y": 1.12})
