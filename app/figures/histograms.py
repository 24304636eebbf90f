"""How values spread, as plotly histograms."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pca_core.render import VERDICTS

Spread = tuple[np.ndarray, np.ndarray]


def verdict_histograms(spreads: Mapping[str, Spread], verdicts: Mapping[str, tuple[int, int, int]] = VERDICTS) -> go.Figure:
    """Histograms side by side, each bar split by verdict.

    Args:
        spreads: Title of the axis → (edges (B + 1,), counts, a row a verdict).
        verdicts: Name and colour of each row of the counts that is drawn, as :data:`pca_core.render.VERDICTS`.
    """
    figure = make_subplots(1, len(spreads), horizontal_spacing=0.06)
    for place, (title, (edges, counts)) in enumerate(spreads.items(), 1):
        middles, width = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
        for (name, colour), numbers in zip(verdicts.items(), counts, strict=False):
            figure.add_bar(
                x=middles,
                y=numbers,
                width=width,
                name=name,
                legendgroup=name,
                showlegend=place == 1,
                marker={"color": f"rgb{colour}", "line_width": 0},
                hovertemplate="%{x:.4g}: %{y:,} pairs<extra>%{fullData.name}</extra>",
                row=1,
                col=place,
            )
        figure.update_xaxes(title=title, range=[float(edges[0]), float(edges[-1])], row=1, col=place)
    figure.update_yaxes(title="Pairs", row=1, col=1)
    return figure.update_layout(
        barmode="stack", bargap=0, height=340, margin={"l": 10, "r": 10, "t": 10, "b": 10}, legend={"orientation": "h", "y": 1.14}
    )
