"""The pinned pixel of a session, and the way back to those pinned before. Whoever changes it writes the address afterwards."""

from __future__ import annotations

import streamlit as st

from app.state import address
from app.state.cache import Pair
from pca_core.grids import move_pixel
from pca_core.types import Domain, Grid

MAX_UNDO = 50

Pin = tuple[Domain, int]


def get_pixel() -> Pin | None:
    """The pinned pixel, from the session or the address (``source-123``)."""
    if "pixel" not in st.session_state:
        st.session_state["pixel"] = address.read_pixel(st.session_state["told"])
    return st.session_state["pixel"]


def set_pixel(pixel: Pin | None) -> None:
    """Pin a pixel, or let go of it; the one before can come back by :func:`undo_pixel`."""
    history = st.session_state.setdefault("pixels_before", [])
    if pixel != get_pixel():
        history.append(get_pixel())
        del history[:-MAX_UNDO]
    st.session_state["pixel"] = pixel


def undo_pixel() -> None:
    """Go back to the pixel that was pinned before."""
    history = st.session_state.setdefault("pixels_before", [])
    if history:
        st.session_state["pixel"] = history.pop()


def forget() -> None:
    """Let go of the pin and of those before it: they mean nothing on other images."""
    st.session_state["pixels_before"] = []
    st.session_state["pixel"] = None


def forget_side(side: Domain) -> bool:
    """Let go of a pin that lies on this side; whether it did."""
    pixel = get_pixel()
    if pixel is None or pixel[0] != side:
        return False
    forget()
    return True


def drop_misfit(pair: Pair) -> str | None:
    """Let go of a pin that lies outside these images; the sentence to say then."""
    pixel = get_pixel()
    if pixel is None or pixel[1] < (count := pair.count_pixels(pixel[0])):
        return None
    forget()
    return (
        f"The pinned pixel was let go: the {pixel[0]} image has feature pixels 0 to {count - 1}, and it was {pixel[1]}. "
        "Click the pixel that you want."
    )


def follow(side: Domain, old: Grid, new: Grid) -> None:
    """Keep the pins of a side where they are in its image when the map of its feature pixels has another size."""

    def moved(pin: Pin | None) -> Pin | None:
        is_meant = pin is not None and pin[0] == side and pin[1] < old[0] * old[1]
        return (side, move_pixel(pin[1], old, new)) if is_meant else pin

    st.session_state["pixel"] = moved(get_pixel())
    st.session_state["pixels_before"] = [moved(pin) for pin in st.session_state.get("pixels_before", [])]


def describe() -> dict[str, str]:
    """The pin, for the address."""
    pixel = get_pixel()
    return {} if pixel is None else {"pixel": f"{pixel[0]}-{pixel[1]}"}
