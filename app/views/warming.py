"""What the first visitors see while the server is still loading: how far it is, in words."""

from __future__ import annotations

import streamlit as st

from app.warmup import WARM_UP

SECONDS_BETWEEN = 0.05


def wait_for_warm_up() -> None:
    """Show progress until everything is loaded; at once when it is."""
    WARM_UP.start()
    if WARM_UP.wait(0):
        return
    place = st.empty()
    with place.container(key="warm_up"):
        bar = st.progress(WARM_UP.share, WARM_UP.words)
        st.caption("Once after the server was started; pages open at once afterwards.")
    shown = WARM_UP.share
    while not WARM_UP.wait(SECONDS_BETWEEN):
        if shown != WARM_UP.share:
            shown = WARM_UP.share
            bar.progress(shown, WARM_UP.words)
    place.empty()
