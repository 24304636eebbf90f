"""How a gradient spreads over pixels, as plotly curves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from app.figures.style import COLOURS


def spread_curves(curves: Mapping[str, tuple[np.ndarray, np.ndarray, float]], side: str) -> go.Figure:
    """Norms from large to small, with the share of pixels at or above 1 marked on each.

    Args:
        curves: Name → (shares of pixels 0-1, norms as multiples of the mean without aggregation, share at or above 1).
        side: Whose pixels, for the axis.
    """
    figure = go.Figure()
    most = max(at_even for _, _, at_even in curves.values())
    for colour, dash, (name, (shares, norms, at_even)) in zip(COLOURS, ("solid", "dash"), curves.items(), strict=False):
        is_shown = norms > 0  # a logarithm has no zero
        figure.add_scatter(
            x=shares[is_shown],
            y=norms[is_shown],
            name=name,
            mode="lines",
            line={"color": colour, "width": 2.4, "dash": dash},
            hovertemplate="%{x:.1%} of pixels: at least %{y:.3g} × the mean<extra>%{fullData.name}</extra>",
        )
        figure.add_scatter(
            x=[at_even],
            y=[1],
            mode="markers+text",
            marker={"color": colour, "size": 9},
            text=[f"{at_even:.1%}"],
            textposition="top right" if at_even == most else "bottom left",
            showlegend=False,
            hoverinfo="skip",
        )
    figure.add_hline(y=1, line={"color": "#888", "dash": "dot"})
    figure.update_xaxes(title=f"Share of {side} pixels, most gradient first", tickformat=".0%", range=[0, 1.02])
    figure.update_yaxes(title="× mean without aggregation", type="log", dtick=1)
    return figure.update_layout(height=340, margin={"l": 10, "r": 10, "t": 10, "b": 10}, legend={"orientation": "h", "y": 1.14})
