"""What a run told step by step, as plotly curves."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from app.figures.style import COLOURS
from pca_core.runs.summary import relative_to_first

LOSS_NAMES = {
    "cross_entropy": "Cross-entropy",
    "lovasz": "Lovász",
    "feature_association": "Association, features",
    "prediction_association": "Association, predictions",
    "self_training": "Self-training",
    "entropy": "Entropy",
}


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
