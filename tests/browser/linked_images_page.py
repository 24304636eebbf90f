"""A page with synthetic streets for test_linked_images.py: every click draws its cycle and is written below.

With ``?upright=1`` the target is turned by a quarter.
"""

from __future__ import annotations

import cv2
import numpy as np
import streamlit as st

from app.components.linked_images import ImagePane, Layer, Link, Marker, PixelEvent, linked_images, pack_images

ROWS, COLUMNS = 16, 32
CLASSES = ("sky", "building", "road", "car")
COLOURS = ((70, 130, 180), (128, 90, 80), (128, 64, 128), (0, 0, 142))
HOSTILE = "Night <img src=x onerror=\"document.title='broken'\">"


def draw_street(seed: int, brightness: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a (256, 512, 3) picture of a street and its (ROWS, COLUMNS) class map."""
    random = np.random.default_rng(seed)
    classes = np.zeros((256, 512), np.uint8)
    for left in range(0, 512, 64):
        cv2.rectangle(classes, (left, int(random.integers(30, 100))), (left + 56, 160), 1, -1)
    cv2.fillPoly(classes, [np.array([(0, 256), (512, 256), (340, 140), (180, 140)])], 2)
    for _ in range(3):
        x, y = int(random.integers(100, 380)), int(random.integers(170, 215))
        cv2.rectangle(classes, (x, y), (x + 48, y + 24), 3, -1)
    image = np.array(COLOURS)[classes] * brightness + random.normal(0, 8, (256, 512, 1))
    grid = cv2.resize(classes, (COLUMNS, ROWS), interpolation=cv2.INTER_NEAREST)
    return image.clip(0, 255).astype(np.uint8), grid


@st.cache_data
def make_panes(is_upright: bool) -> tuple[ImagePane, ImagePane, bytes]:
    day, day_classes = draw_street(1, 1.3)
    night, night_classes = draw_street(2, 0.5)
    night_classes[0] = 255
    source = ImagePane("Day", day, (ROWS, COLUMNS), day_classes, CLASSES)
    if is_upright:
        night, night_classes = np.rot90(night).copy(), np.rot90(night_classes).copy()
    target = ImagePane(HOSTILE, night, night_classes.shape, night_classes, CLASSES)
    return source, target, pack_images(source, target)


def remember(event: PixelEvent) -> None:
    st.session_state.pixel = (event.side, event.index)
    st.session_state.calls = st.session_state.get("calls", 0) + 1


def forget() -> None:
    st.session_state.pixel = None


def draw_cycle() -> tuple[list[Marker], list[Link]]:
    """Return the marks of a made-up cycle: same column back and forth, one row lower, consistent for even indices."""
    if not st.session_state.get("pixel"):
        return [], []
    side, index = st.session_state.pixel
    other = "target" if side == "source" else "source"
    match, is_consistent = ROWS * COLUMNS - 1 - index, index % 2 == 0
    back = index if is_consistent else (index + 5) % (ROWS * COLUMNS)
    markers = [
        Marker(side, index, "query", "i"),
        Marker(other, match, "match", "j*"),
        Marker(side, back, "return", "i*"),
    ]
    links = [
        Link((side, index), (other, match), "forward", is_consistent),
        Link((other, match), (side, back), "backward", is_consistent),
    ]
    return markers, links


@st.fragment
def show() -> None:
    source, target, packed = make_panes("upright" in st.query_params)
    ramp = np.linspace(0, 255, ROWS * COLUMNS).astype(np.uint8).reshape(ROWS, COLUMNS)
    layers = [
        Layer("heat", "Similarity", "source", ramp, legend=("−1", "1 (cosine)"), value_range=(-1, 1)),
        Layer("heat", "Similarity", "target", ramp, legend=("−1", "1 (cosine)"), value_range=(-1, 1)),
    ]
    markers, links = draw_cycle()
    event = linked_images(
        source,
        target,
        key="pair",
        layers=layers,
        markers=markers,
        links=links,
        packed_images=packed,
        on_pixel=remember,
        on_clear=forget,
    )
    if event:
        st.session_state.returned = st.session_state.get("returned", 0) + 1
    pixel = st.session_state.get("pixel") or ("none", "none")
    st.text(f"pixel {pixel[0]} {pixel[1]}")
    st.text(f"calls {st.session_state.get('calls', 0)} returned {st.session_state.get('returned', 0)}")
    st.button("Again")


st.set_page_config(layout="wide")
show()
