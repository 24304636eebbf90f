"""Class flow whose cells can be clicked, as a plotly figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from app.figures.matrices import flow_matrix
from pca_core.association import row_shares
from pca_core.render import NO_PIXELS

HEIGHT = 470
MAX_WRITTEN = 14  # classes up to which the shares are written into the cells


def clickable_flow(counts: np.ndarray, names: Sequence[str], end: str, cell: tuple[int, int] | None) -> go.Figure:
    """Class flow with one invisible point a cell: plotly tells clicks on points, none on heat maps.

    Args:
        counts: (K, K) pixel pairs, row = own class, column = class they lead to. Point ``n`` is cell ``divmod(n, K)``.
        names: K class names.
        end: What the columns are.
        cell: (row, column) to frame, or None.
    """
    figure = flow_matrix(counts, names, "").update_traces(hoverinfo="skip", hovertemplate=None)
    if len(names) <= MAX_WRITTEN:
        shares = row_shares(counts)
        text = [[f"{share:.0%}" if share >= 0.005 else "" for share in row] for row in shares]
        figure.update_traces(text=text, texttemplate="%{text}", textfont_size=11, showscale=False)
    rows, columns = np.indices(counts.shape).reshape(2, -1)
    invisible = {"marker": {"opacity": 0}}
    figure.add_scatter(
        x=[names[column] for column in columns],
        y=[names[row] for row in rows],
        mode="markers",
        marker={"size": 20, "opacity": 0},
        selected=invisible,
        unselected=invisible,
        text=_tell(counts),
        hovertemplate="%{y} → %{x}: %{text}<extra></extra>",
        showlegend=False,
    )
    if cell is not None:
        row, column = cell
        for colour, width in (("white", 5), ("black", 2)):  # seen on dark and on light cells
            box = {"x0": column - 0.5, "x1": column + 0.5, "y0": row - 0.5, "y1": row + 0.5}
            figure.add_shape(type="rect", line={"color": colour, "width": width}, **box)
    figure.update_xaxes(title=end)
    # A click anywhere in a cell belongs to its point, however wide the page is.
    return figure.update_layout(height=HEIGHT, title=None, margin_t=10, hovermode="closest", hoverdistance=-1, dragmode=False)


def _tell(counts: np.ndarray) -> list[str]:
    shares = row_shares(counts).ravel()
    return [
        NO_PIXELS if np.isnan(share) else "no pairs" if number == 0 else f"{share:.1%} of the row, {number:,} pairs"
        for share, number in zip(shares, counts.ravel(), strict=True)
    ]
