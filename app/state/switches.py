"""Switches of the pages: kept over page changes, and in the address so that a link restores them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import streamlit as st

NO_SWITCHES = frozenset({"source_from", "target_from", "source_ids", "target_ids", "top_k"})
MAX_CARRIED, MAX_NAME, MAX_VALUE = 20, 40, 400

Value = bool | int | float | str | tuple[str, ...]


def recall(name: str, default: Value, *, among: Collection | None = None, within: tuple[float, float] | None = None) -> Value:
    """What this session set, else what its address told, else ``default``.

    Args:
        name: Of the switch, in the address too: a short word of its own, e.g. ``"min_margin"``.
        default: Its type is the type of the switch.
        among: Values that are allowed (for tuples, of each part); anything else is the default.
        within: Lowest and highest number; what lies outside takes the nearer end.
    """
    kept = st.session_state.setdefault("switches", {})
    if name not in kept:
        kept[name] = (_read(st.session_state["told"].get(name), default), default)
    value = kept[name][0]
    if among is not None:
        is_allowed = set(value) <= set(among) if isinstance(value, tuple) else value in among
        value = value if is_allowed else default
    return type(default)(min(max(value, within[0]), within[1])) if within is not None else value


def peek(name: str, default: Value, *, among: Collection) -> Value:
    """The value of a switch whose widget comes later in this run: what was picked just now, else what is remembered."""
    picked = st.session_state.get(name)
    return picked if picked in among else recall(name, default, among=among)


def remember(name: str, value: Value, default: Value) -> None:
    """Keep a switch; the next address that is written tells it while it differs from its default."""
    st.session_state.setdefault("switches", {})[name] = (value, default)


def restore(defaults: Mapping[str, Value]) -> None:
    """Put switches, and the widgets that show them, back to their defaults; for a callback, before the widgets are drawn."""
    for name, default in defaults.items():
        remember(name, default, default)
        st.session_state[name] = default


def describe() -> dict[str, str]:
    """The switches that are not at their default, for the address; also those that it told of pages not opened yet."""
    kept = st.session_state.get("switches", {})
    told = [(name, text) for name, text in st.session_state["told"].items() if name not in kept and _may_be_switch(name, text)]
    return dict(told[:MAX_CARRIED]) | {name: _show(value) for name, (value, default) in kept.items() if value != default}


def _may_be_switch(name: str, text: str) -> bool:
    """Whether a page may know this name: the page of a switch stands before an underscore."""
    return "_" in name and name not in NO_SWITCHES and len(name) <= MAX_NAME and len(text) <= MAX_VALUE


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
