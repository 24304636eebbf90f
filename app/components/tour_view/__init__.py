"""Scrolls a page to what a step of the tour speaks of."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_mount = st.components.v2.component(
    "cyclelens_tour_view", js=Path(__file__).with_name("tour_view.js").read_text(encoding="utf-8")
)


def tour_view(place: int, what: str, *, key: str) -> None:
    """Bring it in sight between the navigation and the card, once, as soon as the page is there.

    Args:
        place: Of the step: another one scrolls anew.
        what: CSS selector; an empty one is the top of the page.
        key: Streamlit key.
    """
    _mount(data={"place": place, "what": what}, key=key)
