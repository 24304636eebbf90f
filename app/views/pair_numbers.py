"""The headline numbers of an association beside those of other settings."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.controls import choice
from app.state import associations, cache
from pca_core.analysis.pair_summary import PairTotals, vary_switches
from pca_core.association import AssociationConfig

USUAL = "usual"
NUMBERS = {
    "rate": ("Closed cycles", "Cycle-consistency rate, |Î| / labelled source pixels: y_i = y_i*."),
    "count": ("Pairs", "|Î|: source pixels whose cycle closes. These pairs are strengthened."),
    "coverage": ("Coverage", "Distinct j* / all target pixels: how much of the target any source pixel reaches."),
    "consistent_coverage": ("Pulled on", "Distinct j* of closed cycles / all target pixels: where the loss pulls directly."),
    "correct_rate": ("Correct", "y_i = y_j* among closed cycles. Target labels only judge; they are never used."),
    "mutual_rate": ("Mutual", "Source pixels that come back to themselves / labelled source pixels."),
    "hub_share": ("Hubs hold", "Share of source pixels on the 1 % most claimed target pixels; 1 % when spread evenly."),
}
LESS_IS_BETTER = "hub_share"


def name_variant(name: str, config: AssociationConfig) -> str:
    """A setting that differs in one switch, in words; ``config`` is the one that differs."""
    return {
        "paper": "the paper's settings",
        "aggregation": f"aggregation {'off' if config.alpha == 0 else f'α = {config.alpha:g}'}",
        "level": f"{config.level} level",
        "mutual": "mutual only" if config.mutual else "not mutual",
        "top_k": f"k = {config.top_k}",
        "normalisation": f"normalisation {'on' if config.contrast_normalisation else 'off'}",
    }[name]


@st.fragment
def show_totals(pair: cache.Pair) -> None:
    """All numbers with what they gain or lose beside a setting that the reader picks; and all settings in one table."""
    config = pair.analysis.config
    variants = vary_switches(config)
    usual = next(iter(variants))
    # One option always stands for what one would compare with first: its name stays while the switches change.
    configs = {USUAL: variants[usual]} | {name: other for name, other in variants.items() if name != usual}
    names = {USUAL: usual} | {name: name for name in configs if name != USUAL}
    options = {key: name_variant(names[key], configs[key]) for key in configs}
    reference = choice(
        "Compared with",
        "pairs_with",
        options,
        USUAL,
        help="The small numbers are now less then: points for shares, pairs for counts.",
    )
    _show_metrics(associations.get_totals(pair, config), associations.get_totals(pair, configs[reference]))
    with st.expander("What every switch changes", on_change="rerun", key="pairs_switches") as place:
        if place.open:
            rows = {options[key]: associations.get_totals(pair, other) for key, other in configs.items()}
            st.dataframe(_table(associations.get_totals(pair, config), rows), width="stretch", hide_index=True)
            st.caption("Each row turns one switch over and leaves the others. In brackets: that setting less the present one.")


def _show_metrics(now: PairTotals, then: PairTotals) -> None:
    change = now.minus(then)
    for column, (name, (title, text)) in zip(st.columns(len(NUMBERS)), NUMBERS.items(), strict=True):
        colour = "inverse" if name == LESS_IS_BETTER else "normal"
        delta = None if change[name] is None else _show_change(name, change[name])
        value = getattr(now, name)
        column.metric(title, "needs labels" if value is None else _show(name, value), delta, delta_color=colour, help=text)


def _table(now: PairTotals, rows: dict[str, PairTotals]) -> pd.DataFrame:
    def cell(name: str, totals: PairTotals) -> str:
        value, change = getattr(totals, name), totals.minus(now)[name]
        return "–" if value is None else f"{_show(name, value)} ({_show_change(name, change)})"

    columns = {
        title: [_show(name, getattr(now, name)), *(cell(name, row) for row in rows.values())]
        for name, (title, _) in NUMBERS.items()
    }
    return pd.DataFrame({"Setting": ["now", *rows], **columns})


def _show(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if name == "count" else f"{value:.1%}"


def _show_change(name: str, change: float) -> str:
    return f"{change:+,}" if name == "count" else f"{100 * change:+.1f}"
