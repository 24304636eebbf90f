"""The headline numbers of an association beside those of other settings."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.controls import choice
from app.state import associations, cache
from app.views.changes import describe_change
from app.views.parts import part
from pca_core.analysis.pair_summary import PairTotals, vary_switches
from pca_core.association import AssociationConfig

USUAL = "usual"
NUMBERS = {
    "rate": ("Cycle-consistent", "Cycle-consistency rate, |Î| / labelled source pixels: y_i = y_i*, with Mutual only i = i*."),
    "count": ("Pairs", "|Î|: source pixels whose cycle closes. These pairs are strengthened."),
    "coverage": ("Coverage", "Distinct j* / all target pixels: how much of the target any source pixel reaches."),
    "consistent_coverage": (
        "Pulled on",
        "Distinct j* of cycle-consistent pairs / all target pixels: where the loss pulls directly, not through aggregation.",
    ),
    "correct_rate": (
        "Correct",
        "y_i = y_j* among cycle-consistent pairs: needs target labels, which only judge.",
    ),
    "mutual_rate": ("Mutual", "Source pixels that come back to themselves / labelled source pixels."),
    "hub_share": ("Top 1 % hubs hold", "Share of source pixels on the 1 % most claimed target pixels; 1 % when spread evenly."),
}
LESS_IS_BETTER = "hub_share"
WIDTHS = (8, 6, 6, 6, 6, 6, 9)  # as long as the titles of the numbers, so that none is cut at 1024 pixels


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


@part
def show_totals(pair: cache.Pair) -> None:
    """All numbers with what they gain or lose beside a setting that the reader picks."""
    configs, options = _list_references(pair)
    reference = choice(
        "Compared with",
        "pairs_with",
        options,
        USUAL,
        help="The small numbers are this association less that one: points for shares, pairs for counts.",
    )
    _show_metrics(associations.get_totals(pair, pair.analysis.config), associations.get_totals(pair, configs[reference]))


def show_switches(pair: cache.Pair) -> None:
    """All numbers under every setting that differs in one switch."""
    configs, options = _list_references(pair)
    now = associations.get_totals(pair, pair.analysis.config)
    rows = {options[key]: associations.get_totals(pair, config) for key, config in configs.items()}
    st.dataframe(_table(now, rows), width="stretch", hide_index=True, key="pairs_every_switch")
    st.caption("Each row turns one switch over and leaves the others. In brackets: that setting less the present one.")


def _list_references(pair: cache.Pair) -> tuple[dict[str, AssociationConfig], dict[str, str]]:
    """Configs to compare with, and their names. The first is what one would compare with anyway, whatever that is just now."""
    variants = vary_switches(pair.analysis.config)
    if not pair.analysis.has_predictions:
        variants.pop("level")
    usual = next(iter(variants))
    keys = {USUAL if name == usual else name: name for name in variants}
    return (
        {key: variants[name] for key, name in keys.items()},
        {key: name_variant(name, variants[name]) for key, name in keys.items()},
    )


def _show_metrics(now: PairTotals, then: PairTotals) -> None:
    change = now.minus(then)
    for column, (name, (title, text)) in zip(st.columns(WIDTHS), NUMBERS.items(), strict=True):
        colour = "inverse" if name == LESS_IS_BETTER else "normal"
        delta = {} if change[name] is None else describe_change(_show_change(name, change[name]), colour)
        column.metric(title, _show(name, getattr(now, name)), help=text, **delta)


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
