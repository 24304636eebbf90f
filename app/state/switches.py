"""Switches of the pages: kept over page changes, and in the address so that a link restores them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import streamlit as st

from pca_core.analysis.loss_ledger import TERMS

NAMES = frozenset(
    {
        *("images_count", "images_drop", "images_order", "images_view"),
        *("pairs_class", "pairs_verdict", "pairs_truth", "pairs_lines", "pairs_colour", "pairs_clear"),
        *("pairs_with", "pairs_cell", "pairs_flow", "pairs_tab"),
        *("aggregation_map", "segmentation_inference", "segmentation_bars", "segmentation_chart"),
        *("feature_length", "feature_aggregated", "feature_method", "feature_colour"),
        *("loss_term", "loss_aggregation", "loss_bars", *(f"loss_weight_{name}" for name in TERMS)),
    }
)
"""Every switch of the pages: what an address tells of them stays in it until their page is opened, and nothing else does."""
MAX_VALUE = 400  # characters

Value = bool | int | float | str | tuple[str, ...]


def recall(name: str, default: Value, *, among: Collection | None = None, within: tuple[float, float] | None = None) -> Value:
    """What this session set, else what its address told, else ``default``.

    Args:
        name: Of the switch, in the address too: one of :data:`NAMES`.
        default: Its type is the type of the switch.
        among: Values that are allowed (for tuples, of each part); anything else is the default.
        within: Lowest and highest number; what lies outside takes the nearer end.

    Raises:
        KeyError: When there is no switch of that name.
    """
    kept = st.session_state.setdefault("switches", {})
    if name not in kept:
        remember(name, _read(st.session_state["told"].get(name), default), default)
    value = kept[name][0]
    if among is not None:
        is_allowed = set(value) <= set(among) if isinstance(value, tuple) else value in among
        value = value if is_allowed else default
    if within is not None:
        value = type(default)(min(max(value, within[0]), within[1]))
    remember(name, value, default)  # what is not allowed does not stay in the address
    return value


def peek(name: str, default: Value, *, among: Collection) -> Value:
    """The value of a switch whose widget comes later in this run: what was picked just now, else what is remembered."""
    picked = st.session_state.get(name)
    return picked if picked in among else recall(name, default, among=among)


def remember(name: str, value: Value, default: Value) -> None:
    """Keep a switch; the next address that is written tells it while it differs from its default.

    Raises:
        KeyError: When there is no switch of that name.
    """
    if name not in NAMES:
        raise KeyError(f"{name} is no switch: add it to NAMES, or addresses that tell it lose it on the way to its page.")
    st.session_state.setdefault("switches", {})[name] = (value, default)


def restore(defaults: Mapping[str, Value]) -> None:
    """Put switches, and the widgets that show them, back to their defaults; for a callback, before the widgets are drawn."""
    for name, default in defaults.items():
        remember(name, default, default)
        st.session_state[name] = default


def describe() -> dict[str, str]:
    """The switches that are not at their default, for the address; also those that it told of pages not opened yet."""
    kept = st.session_state.get("switches", {})
    told = {
        name: text
        for name, text in st.session_state["told"].items()
        if name in NAMES and name not in kept and len(text) <= MAX_VALUE
    }
    return told | {name: _show(value) for name, (value, default) in kept.items() if value != default}


def _show(value: Value) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _read(text: str | None, default: Value) -> Value:
    """Text of an address as the type of the default; the default for anything that is no such thing."""
    if text is None:
        return default
    try:
        if isinstance(default, bool):
            return {"True": True, "False": False}[text]
        if isinstance(default, tuple):
            return tuple(filter(None, text.split(",")))
        value = type(default)(text)
    except (KeyError, ValueError):
        return default
    return default if isinstance(value, float) and not math.isfinite(value) else value
