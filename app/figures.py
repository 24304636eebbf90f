"""Results as plotly figures."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from pca_core.association import row_shares
from pca_core.comparison import NetScore
from pca_core.runs.summary import relative_to_first
from pca_core.types import LabelSpace

PLAIN = {"displayModeBar": False}
LOSS_NAMES = {
    "cross_entropy": "Cross-entropy",
    "lovasz": "Lovász",
    "feature_association": "Association, features",
    "prediction_association": "Association, predictions",
    "self_training": "Self-training",
    "entropy": "Entropy",
}
# Okabe and Ito's colours, told apart by colour-blind people too.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")


def loss_curves(records: Sequence[dict]) -> go.Figure:
    """Each term over the steps, as a share of what it was at first: terms of different size in one picture."""
    figure = go.Figure()
    steps = [record for record in records if record["losses"]]
    for colour, (name, title) in zip(COLOURS, LOSS_NAMES.items(), strict=True):
        points = [(record["step"], record["losses"][name]) for record in steps if record["losses"].get(name) is not None]
        if points:
            x, y = zip(*points, strict=True)
            line = {"color": colour, "width": 1.6}
            figure.add_scatter(x=x, y=relative_to_first(y), customdata=y, name=title, line=line, hovertemplate=_HOVER)
    return _lay_out(figure, "Loss terms, first value = 1", "Share of its first value")


def score_curves(records: Sequence[dict]) -> go.Figure:
    """Shares over the steps: cycle rate and coverage of the batch, and mIoU where it was scored."""
    figure = go.Figure()
    for colour, level in zip(COLOURS, ("feature", "prediction"), strict=False):
        for dash, name in (("solid", "rate"), ("dot", "coverage")):
            points = [
                (record["step"], 100 * record["association"][level][name]) for record in records if level in record["association"]
            ]
            if points:
                x, y = zip(*points, strict=True)
                title = f"{'Cycle rate' if name == 'rate' else 'Coverage'}, {level}s"
                figure.add_scatter(x=x, y=y, name=title, line={"color": colour, "dash": dash, "width": 1.4})
    for colour, domain in zip(COLOURS[2:], ("source", "target"), strict=False):
        scored = [
            (record["step"], record["scores"][domain]["miou"]) for record in records if domain in (record.get("scores") or {})
        ]
        if scored:
            x, y = zip(*scored, strict=True)
            title = "mIoU, held-out source" if domain == "source" else "mIoU, target (scored on labels)"
            figure.add_scatter(x=x, y=y, name=title, mode="lines+markers", line={"color": colour, "width": 2.4})
    figure.update_yaxes(range=[0, 100])
    return _lay_out(figure, "Cycles, coverage and scores", "Per cent")


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


def class_bars(scores: Sequence[NetScore], space: LabelSpace) -> go.Figure:
    """IoU by class for every net; without labels the share of pixels that each predicts."""
    is_scored = scores[0].score is not None
    figure = go.Figure()
    for colour, one in zip(itertools.cycle(COLOURS), scores, strict=False):
        values = one.score.iou if is_scored else one.class_shares * 100
        figure.add_bar(
            x=list(space.class_names),
            y=values,
            name=one.name,
            marker_color=colour,
            hovertemplate="%{x}: %{y:.1f} %<extra>%{fullData.name}</extra>",
        )
    figure.update_yaxes(title="IoU, %" if is_scored else "Predicted pixels, %")
    figure.update_layout(
        barmode="group", height=380, margin={"l": 10, "r": 10, "t": 10, "b": 10}, legend={"orientation": "h", "y": 1.12}
    )
    return figure


def flow_change(change: np.ndarray, names: Sequence[str], title: str) -> go.Figure:
    """Change of class flow in points of each row: blue is more, orange is less."""
    limit = max(float(np.nanmax(np.abs(change))), 1e-6)
    colours = [[0, "#D55E00"], [0.5, "#F4F4F4"], [1, "#0072B2"]]
    figure = _class_heatmap(change, names, title, colorscale=colours, zmin=-limit, zmax=limit)
    return figure.update_traces(colorbar_tickformat="+.0%", hovertemplate="%{y} → %{x}: %{z:+.1%}<extra></extra>")


def flow_matrix(counts: np.ndarray, names: Sequence[str], title: str) -> go.Figure:
    """Class × class flow: rows are the own class and sum to 100 %; hover tells the counts.

    Args:
        counts: (K, K) pixel pairs, row = from, column = to.
        names: K class names.
        title: Of the figure.
    """
    figure = _class_heatmap(row_shares(counts), names, title, customdata=counts, colorscale="Viridis", zmin=0, zmax=1)
    return figure.update_traces(hovertemplate="%{y} → %{x}: %{z:.1%} (%{customdata} pixels)<extra></extra>")


def _class_heatmap(shares: np.ndarray, names: Sequence[str], title: str, **options: object) -> go.Figure:
    """(K, K) shares of rows, own class downwards."""
    bar = {"title": "of row", "tickformat": ".0%"}
    figure = go.Figure(go.Heatmap(z=shares, x=list(names), y=list(names), xgap=1, ygap=1, colorbar=bar, **options))
    figure.update_yaxes(autorange="reversed", title="Own class")
    figure.update_xaxes(tickangle=-45)
    figure.update_layout(title=title, height=440, margin={"l": 10, "r": 10, "t": 50, "b": 10})
    return figure
