"""The ledger, the weights under it, and a pixel's own ledger."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from app.controls import number
from app.state import switches
from app.state.losses import LossView
from app.views.loss_words import FORMULAS, NAMES, NEGATIVE, PICK_NAMES, TIMES_MEAN
from pca_core.analysis.loss_ledger import TERMS
from pca_core.analysis.loss_readings import PixelEntry, weigh
from pca_core.losses import LossWeights
from pca_core.types import Domain

LAYOUT = {"hide_index": True, "width": "stretch", "placeholder": "–"}
ROW, HEAD = 35, 38
WIDE, NARROW = 150, 56  # columns; the browser stretches them
STEP = {"cross_entropy": 0.25, "lovasz": 0.25, "source_smoothing": 0.01, "target_smoothing": 0.01}
MOST = 100.0


def weight_inputs() -> LossWeights:
    """One input a term; the paper's weights at first."""
    usual = LossWeights()
    weights = {}
    for names in (tuple(TERMS)[:3], tuple(TERMS)[3:]):
        for column, name in zip(st.columns(3, vertical_alignment="bottom"), names, strict=True):
            with column:
                weights[name] = number(
                    NAMES[name],
                    f"loss_weight_{name}",
                    0.0,
                    MOST,
                    getattr(usual, name),
                    STEP.get(name, 0.05),
                    format="%g",
                    help=f"Weight of the term. {FORMULAS[name]}",
                )
    st.button(
        "The paper's weights",
        on_click=switches.restore,
        args=({f"loss_weight_{name}": getattr(usual, name) for name in TERMS},),
        disabled=LossWeights(**weights) == usual,
        key="loss_weights_reset",
    )
    return LossWeights(**weights)


def ledger_table(view: LossView) -> None:
    """A line a term, the whole objective last."""
    now, other = (weigh(ledger, view.weights) for ledger in (view.ledgers if view.is_on else view.ledgers[::-1]))
    totals = [sum(entry.weighted for entry in entries) for entries in (now, other)]
    table = pd.DataFrame(
        {
            "term": [*(NAMES[entry.name] for entry in now), PICK_NAMES["all"]],
            "value": [*(entry.value for entry in now), None],
            "change": [*(a.value - b.value or None for a, b in zip(now, other, strict=True)), totals[0] - totals[1] or None],
            "weight": [*(entry.weight for entry in now), None],
            "weighted": [*(entry.weighted for entry in now), totals[0]],
            "share": [*(entry.share for entry in now), 1.0 if totals[0] else None],
            "pixels": [*(entry.num_paying for entry in now), None],
        }
    )
    column = partial(st.column_config.NumberColumn, width=NARROW)
    than = "without aggregation" if view.is_on else "with aggregation"
    st.markdown("**Ledger**")
    st.dataframe(
        table,
        height=HEAD + ROW * len(table),
        key="loss_table",
        column_config={
            "term": st.column_config.TextColumn("Term", help="What each is stands at its weight below.", width=WIDE),
            "value": column("Value", help="Of the term, before its weight.", format="%.4f"),
            "change": column("Change", help=f"The value less that {than}; for the objective, weighted.", format="%+.4f"),
            "weight": column("Weight", help="Of the term in the objective.", format="%g"),
            "weighted": column("In sum", help="weight · value; the objective is the sum of these.", format="%.4f"),
            "share": column(
                "Share", help="weighted / objective. Smoothing is below zero while ℓ < τ, as it usually is.", format="percent"
            ),
            "pixels": column("Paid by", help="Pixels that it counts: labelled, cycle-consistent, or all.", format="localized"),
        },
        **LAYOUT,
    )


def pixel_table(now: Sequence[PixelEntry], other: Sequence[PixelEntry], side: Domain, other_alpha: float) -> None:
    """What each term means to one pixel; ``other`` is under ``other_alpha``."""
    names = [PICK_NAMES[entry.name] for entry in now]
    table = pd.DataFrame(
        {
            "term": names,
            "paid": [entry.paid for entry in now],
            "times": [entry.times_even for entry in now],
            "gradient": [entry.gradient for entry in now],
            "other": [entry.gradient for entry in other],
        }
    )
    column = partial(st.column_config.NumberColumn, width=NARROW)
    st.dataframe(
        table,
        height=HEAD + ROW * len(TERMS),
        key=f"loss_pixel_table_{side}",
        column_config={
            "term": st.column_config.TextColumn("Term", width=WIDE),
            "paid": column(
                "Pays",
                help=f"What this pixel pays of each term, as a multiple of an even share of the whole objective "
                f"(|objective| / {side} pixels): the terms add up to the last line. {NEGATIVE}",
                format="%.3f",
            ),
            "times": column(
                "× mean",
                help=f"The same as a multiple of {TIMES_MEAN} of the term, as the map Pays shows it: 1 is the mean. Of smoothing "
                "both are negative, and more than 1 lowers the objective more than the mean pixel does.",
                format="%.2f",
            ),
            "gradient": column(
                "Gradient",
                help="‖weight · ∂L/∂F‖ of this pixel, as a multiple of what the whole objective's is without aggregation in the "
                f"mean over the {side}.",
                format="%.3f",
            ),
            "other": column(f"α = {other_alpha:g}", help=f"The same gradient under α = {other_alpha:g}.", format="%.3f"),
        },
        **LAYOUT,
    )
