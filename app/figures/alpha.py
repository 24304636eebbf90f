"""What the share α changes, as curves."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from app.figures.style import COLOURS
from pca_core.analysis.spreading import AlphaEffect

CURVES = {
    "flips": "Matches that flip",
    "rate": "Cycle-consistent",
    "coverage": "Coverage",
    "correct_rate": "Correct",
}


def alpha_curves(effects: Sequence[AlphaEffect], alpha: float) -> go.Figure:
    """Shares over α, with the α in use marked."""
    figure = go.Figure()
    for colour, (name, title) in zip(COLOURS, CURVES.items(), strict=False):
        values = [getattr(effect, name) for effect in effects]
        if None not in values:
            figure.add_scatter(
                x=[effect.alpha for effect in effects],
                y=values,
                name=title,
                mode="lines+markers",
                line={"color": colour, "width": 2},
                hovertemplate="α %{x:g}: %{y:.1%}<extra>%{fullData.name}</extra>",
            )
    figure.add_vline(x=alpha, line={"color": "#888", "dash": "dot"}, annotation_text=f"α {alpha:g}", annotation_position="top")
    figure.update_xaxes(title="Spatial aggregation α")
    figure.update_yaxes(tickformat=".0%", range=[0, 1.02])
    figure.update_layout(height=300, margin={"l": 10, "r": 10, "t": 24, "b": 10}, legend={"orientation": "h", "y": -0.28})
    return figure
