"""Traces as tables: plain columns that the browser formats."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from pca_core.association.traces import Candidate, Claim, Stage

# Five rows high whatever it holds: nothing below moves from one pixel to the next.
LAYOUT = {"hide_index": True, "width": "stretch", "height": 213}
VERDICTS = {"consistent": "✓ consistent", "inconsistent": "✗ breaks", "unlabelled": "– unlabelled", "not_mutual": "✗ not mutual"}
STAGES = {
    "cosine": "1 Cosine",
    "normalised": "2 Contrast-normalised",
    "aggregated": "3 Aggregated features",
    "prediction": "4 Predictions (−KL)",
}


def _name(label: int | None, names: Sequence[str]) -> str:
    return "–" if label is None else names[label]


def _place(candidate: Candidate) -> str:
    return f"{candidate.row}, {candidate.column}"


def show_times(value: float) -> str:
    """A probability as a multiple of uniform, 1/N."""
    return f"{value:.0f}×" if value >= 10 else f"{value:.1f}×"


def show_margin(value: float) -> str:
    """Four decimals, and below 0.001 two significant digits: between near twins a margin is tiny, and never zero by rounding."""
    if not math.isfinite(value):
        return "–"  # there is no second candidate
    return f"{value:.4f}" if abs(value) >= 0.001 else f"{value:.2g}"


def candidates(items: Sequence[Candidate], names: Sequence[str], level: str) -> pd.DataFrame:
    """One row a candidate, best first."""
    similarity = "Cosine" if level == "feature" else "−KL (nats)"
    return pd.DataFrame(
        {
            "#": range(1, len(items) + 1),
            "Row, col": [_place(item) for item in items],
            "Label": [_name(item.label, names) for item in items],
            "Predicted": [_name(item.predicted, names) for item in items],
            similarity: [round(item.similarity, 4) for item in items],
            "Normalised (σ)": [round(item.normalised, 2) for item in items],
            "Probability × uniform": [show_times(item.times_uniform) for item in items],
        }
    )


def claims(items: Sequence[Claim], names: Sequence[str], level: str) -> pd.DataFrame:
    """One row a claiming source pixel, most similar first."""
    frame = candidates([item.source for item in items], names, level)
    frame.insert(2, "Cycle", [VERDICTS[item.verdict] for item in items])
    return frame


def stages(items: Sequence[Stage], names: Sequence[str]) -> pd.DataFrame:
    """One row a rung of the ladder."""
    return pd.DataFrame(
        {
            "Similarity": [STAGES[item.name] + (f", α {item.alpha:g}" if item.alpha else "") for item in items],
            "Match j*": [_place(item.match) + ("  ⟵ flips" if item.is_flip else "") for item in items],
            "Label": [_name(item.match.label, names) for item in items],
            "Predicted": [_name(item.match.predicted, names) for item in items],
            "Value": [round(item.match.similarity, 4) for item in items],
            "Margin": [show_margin(item.margin) for item in items],
            "× uniform": [show_times(item.match.times_uniform) for item in items],
            "Back at i*": [f"{_place(item.way_back)} ({_name(item.way_back.label, names)})" for item in items],
            "Cycle": [VERDICTS[item.verdict] for item in items],
        }
    )
