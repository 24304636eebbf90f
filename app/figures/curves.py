"""What a run told step by step, as plotly curves."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from app.figures.style import COLOURS
from pca_core.losses.names import TERM_NAMES
from pca_core.runs.curves import Curve, trace_losses, trace_shares
from pca_core.runs.summary import relative_to_first


def loss_curves(records: Sequence[dict]) -> go.Figure:
    """Each term over the steps, as a share of what it was at first: terms of different size in one picture."""
    figure = go.Figure()
    for curve in trace_losses(records):
        figure.add_scatter(
            x=curve.steps,
            y=relative_to_first(curve.values),
            customdata=curve.values,
            name=TERM_NAMES[curve.of],
            line={"color": COLOURS[curve.place], "width": 1.6},
            hovertemplate=_HOVER,
        )
    return _lay_out(figure, "Loss terms, first value = 1", "Share of its first value")


def score_curves(records: Sequence[dict]) -> go.Figure:
    """Shares over the steps: cycle-consistency rate and coverage of the batch, and mIoU where it was scored."""
    figure = go.Figure()
    for curve in trace_shares(records):
        line = {"color": COLOURS[_FIRST_COLOURS[curve.kind] + curve.place], **_LINES[curve.kind]}
        mode = "lines+markers" if curve.kind == "miou" else "lines"
        figure.add_scatter(x=curve.steps, y=curve.values, name=_name(curve), line=line, mode=mode)
    figure.update_yaxes(range=[0, 100])
    return _lay_out(figure, "Cycles, coverage and scores", "Per cent")


def _name(curve: Curve) -> str:
    if curve.kind == "miou":
        return "mIoU, held-out source" if curve.of == "source" else "mIoU, target (scored on labels)"
    return f"{'Cycle-consistent' if curve.kind == 'rate' else 'Coverage'}, {curve.of}s"


_FIRST_COLOURS = {"rate": 0, "coverage": 0, "miou": 2}
_LINES = {"rate": {"width": 1.4}, "coverage": {"width": 1.4, "dash": "dot"}, "miou": {"width": 2.4}}
_HOVER = "step %{x}: %{customdata:.3f} (%{y:.2f} of the first)<extra>%{fullData.name}</extra>"


def _lay_out(figure: go.Figure, title: str, y_title: str) -> go.Figure:
    figure.update_xaxes(title="Step", rangemode="tozero")
    figure.update_yaxes(title=y_title)
    figure.update_layout(
        title={"text": title, "font": {"size": 15}},
        height=340,
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
        legend={"orientation": "h", "y": -0.28, "font": {"size": 11}},
        hovermode="closest",
        uirevision="kept",
    )
    return figure
