"""Export: the figures of a page in print quality, and everything of a view as one bundle."""

from __future__ import annotations

import re

import streamlit as st

from app.state import exporting
from app.state.cache import Pair
from pca_core.types import Domain

FORMATS = {"png": "PNG", "svg": "SVG", "pdf": "PDF"}
SCALES = {1: "1×", 2: "2×", 3: "3×", 4: "4×"}
BUNDLE_HELP = (
    "Figures, arrays (NPZ), tables (CSV), the inputs, and recipe.json with hashes, pixel, config and versions. "
    "`cyclelens export --recipe recipe.json` makes the same figures again, without a browser."
)


def export_button(pair: Pair, page: str, pixel: tuple[Domain, int], switches: dict) -> None:
    """The button of a page and what it opens; nothing is drawn before that.

    Args:
        pair: What is looked at.
        page: Whose figures come first.
        pixel: The pixel in question.
        switches: Of the page, as fields of :class:`pca_core.figures.view.Switches`.
    """
    opened = st.popover("Export", icon=":material/download:", key=f"export_{page}", on_change="rerun", width="content")
    if opened.open:
        with opened:
            _choices(pair, page, exporting.get_view(pair, pixel, switches))


def _choices(pair: Pair, page: str, view) -> None:
    everything, own = exporting.titles(), exporting.titles(page)
    name = st.selectbox("Figure", list(own), format_func=own.get, key=f"export_figure_{page}")
    left, right = st.columns(2)
    fmt = left.segmented_control(
        "Format", list(FORMATS), format_func=FORMATS.get, default="png", required=True, key=f"export_format_{page}",
        help="SVG and PDF stay sharp at any size and keep text as text.",
    )  # fmt: skip
    scale = right.segmented_control(
        "Size of a PNG", list(SCALES), format_func=SCALES.get, default=2, required=True, key=f"export_scale_{page}",
        disabled=fmt != "png", help="1× is 150 pixels an inch, 4× is 600: what most journals ask of line art.",
    )  # fmt: skip
    st.image(exporting.preview(pair, view, name), width="stretch")
    st.download_button(
        "Download figure", exporting.figure_file(view, name, fmt, scale), f"{_stem(view)}_{name}.{fmt}", exporting.MIME[fmt],
        on_click="ignore", key=f"export_download_{page}", type="primary", width="stretch",
    )  # fmt: skip
    st.divider()
    chosen = st.multiselect(
        "Bundle of figures", list(everything), list(own), format_func=everything.get, key=f"export_bundle_figures_{page}",
        help=BUNDLE_HELP,
    )  # fmt: skip
    st.download_button(
        "Download bundle (zip)", exporting.bundle_file(view, chosen, tuple(FORMATS), scale), f"{_stem(view)}_bundle.zip",
        exporting.MIME["zip"], on_click="ignore", key=f"export_bundle_{page}", width="stretch", disabled=not chosen,
    )  # fmt: skip
    st.caption("Every figure as PNG, SVG and PDF, arrays, tables, inputs, and the recipe that makes them again.")


def _stem(view) -> str:
    """Both images in a file name."""
    return re.sub(r"[^\w.-]+", "_", f"{view.source.name}_{view.target.name}")[:80]
