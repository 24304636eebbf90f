"""Results as plotly figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from pca_core.association import row_shares


def flow_matrix(counts: np.ndarray, names: Sequence[str], title: str) -> go.Figure:
    """Class × class flow: rows are the own class and sum to 100 %; hover tells the counts.

    Args:
        counts: (K, K) pixel pairs, row = from, column = to.
        names: K class names.
        title: Of the figure.
    """
    figure = go.Figure(
        go.Heatmap(
            z=row_shares(counts),
            x=list(names),
            y=list(names),
            customdata=counts,
            colorscale="Viridis",
            zmin=0,
            zmax=1,
            xgap=1,
            ygap=1,
            colorbar={"title": "of row", "tickformat": ".0%"},
            hovertemplate="%{y} → %{x}: %{z:.1%} (%{customdata} pixels)<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", title="Own class")
    figure.update_xaxes(tickangle=-45)
    figure.update_layout(title=title, height=440, margin={"l": 10, "r": 10, "t": 50, "b": 10})
    return figure
