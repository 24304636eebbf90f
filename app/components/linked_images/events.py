"""What the browser sends: checked, handled once, and handed to the caller's functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from app.components.linked_images.types import SIDES, ImagePane, Layer, PixelEvent, RegionEvent, Side

Panes = Mapping[Side, ImagePane]


def make_receivers(
    key: str, panes: Panes, layers: Sequence[Layer], calls: Mapping[str, Callable | None]
) -> dict[str, Callable[[], None]]:
    """Callbacks of the component by Streamlit's names for them; ``calls`` by event, None where nobody listens."""

    def receive_pixel(value: Any) -> None:
        event = read_pixel(value, panes)
        if event is not None and is_new(key, "handled", event.serial):
            calls["pixel"](event)

    def receive_region(value: Any) -> None:
        event = _read_region(value, panes)
        if event is not None and is_new(key, "region", event.serial):
            calls["region"](event)

    def receive_layer(value: Any) -> None:
        if isinstance(value, Mapping) and value.get("side") in SIDES:
            name = value.get("name")
            calls["layer"](value["side"], name if any(layer.name == name for layer in layers) else None)

    def receive_nothing(name: str) -> Callable[[Any], None]:
        return lambda value: None if value is None else calls[name]()

    receivers = {
        "pixel": receive_pixel,
        "clear": receive_nothing("clear"),
        "undo": receive_nothing("undo"),
        "region": receive_region,
        "layer": receive_layer,
    }

    def listen(name: str) -> Callable[[], None]:
        return lambda: None if calls[name] is None else receivers[name](_trigger(key, name))

    return {f"on_{name}_change": listen(name) for name in receivers}


def _trigger(key: str, name: str) -> Any:
    """Return the value of a trigger inside its callback."""
    state = st.session_state.get(key)
    return state.get(name) if isinstance(state, Mapping) else None


def read_pixel(value: object, panes: Panes) -> PixelEvent | None:
    """Return the event that the browser sent, or None for anything that is no pixel of these panes."""
    if not isinstance(value, Mapping) or value.get("side") not in SIDES:
        return None
    side, index, serial = value["side"], value.get("index"), value.get("serial")
    if not isinstance(index, int) or not isinstance(serial, int):
        return None
    rows, columns = panes[side].grid
    return PixelEvent(side, index, serial) if 0 <= index < rows * columns else None


def _read_region(value: object, panes: Panes) -> RegionEvent | None:
    """Return the rectangle that the browser sent, cut to its pane, or None for anything that is none."""
    names = ("firstRow", "firstColumn", "lastRow", "lastColumn", "serial")
    if not isinstance(value, Mapping) or value.get("side") not in SIDES:
        return None
    if not all(isinstance(value.get(name), int) for name in names):
        return None
    first_row, first_column, last_row, last_column, serial = (value[name] for name in names)
    rows, columns = panes[value["side"]].grid
    first_row, first_column = max(first_row, 0), max(first_column, 0)
    last_row, last_column = min(last_row, rows - 1), min(last_column, columns - 1)
    if first_row > last_row or first_column > last_column:
        return None
    return RegionEvent(value["side"], first_row, first_column, last_row, last_column, serial)


def is_new(key: str, stage: str, serial: int) -> bool:
    """Remember the serial of the last event of this stage; False for a replay of it."""
    name = f"{key}--{stage}"
    is_new = st.session_state.get(name) != serial
    st.session_state[name] = serial
    return is_new
