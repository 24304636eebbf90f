"""What the first visitors see while the server is still loading: both images, and how far it is, in words."""

from __future__ import annotations

import sys
from base64 import b64encode

import streamlit as st

from app.places import STREETS
from app.warmup import WARM_UP

SECONDS_BETWEEN = 0.05
FOLDERS = {"source": ("Source", STREETS / "noon" / "images"), "target": ("Target", STREETS / "dusk-rain" / "images")}


def wait_for_warm_up() -> None:
    """Show progress until everything is loaded; at once when it is."""
    WARM_UP.start()
    place = st.empty()  # also when there is nothing to wait for: what follows keeps its place from run to run
    if WARM_UP.wait(0):
        return
    with place.container(key="warm_up"):
        bar = st.progress(WARM_UP.share, WARM_UP.words)
        st.caption("Once after the server was started; pages open at once afterwards.")
        st.html(_show_images())
    shown = WARM_UP.share
    while not WARM_UP.wait(SECONDS_BETWEEN):
        if shown != WARM_UP.share:
            shown = WARM_UP.share
            bar.progress(shown, WARM_UP.words)
    place.empty()


def _show_images() -> str:
    """The built-in images where they will stand, when they are what is loading."""
    if {"--source", "--target"} & set(sys.argv) or "source_from" in st.query_params or "target_from" in st.query_params:
        return "<div></div>"
    panes = []
    for side, (title, folder) in FOLDERS.items():
        files = {file.stem: file for file in sorted(folder.glob("*.jpg"))}
        name = st.query_params.get(side)
        file = files.get(name) or next(iter(files.values()))
        picture = b64encode(file.read_bytes()).decode()
        panes.append(
            f"<figure><figcaption>{title} · {file.stem}</figcaption><img alt='' src='data:image/jpeg;base64,{picture}'></figure>"
        )
    return f"<div class='warm-up-images'>{''.join(panes)}</div>"
