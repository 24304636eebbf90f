"""Export: the figures of a page in print quality, and everything of a view as one bundle."""

from __future__ import annotations

import re

import streamlit as st

from app.state import exporting
from app.state.cache import Pair
from app.text import escape
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
    if st.button("Export", icon=":material/download:", key=f"export_{page}", type="tertiary", help="Figures, data, a bundle"):
        _dialog(pair, page, exporting.get_view(pair, pixel, switches))


@st.dialog("Export", width="large", icon=":material/download:")
def _dialog(pair: Pair, page: str, view) -> None:
    own = exporting.titles(page)
    look, choose = st.columns([5, 3], gap="medium")
    with choose:
        name = st.selectbox("Figure", list(own), format_func=own.get, key=f"export_figure_{page}")
        fmt = st.segmented_control(
            "Format", list(FORMATS), format_func=FORMATS.get, default="png", required=True, key=f"export_format_{page}",
            help="SVG and PDF stay sharp at any size and keep text as text.",
        )  # fmt: skip
        scale = st.segmented_control(
            "Size of a PNG", list(SCALES), format_func=SCALES.get, default=2, required=True, key=f"export_scale_{page}",
            disabled=fmt != "png", help="1× is 150 pixels an inch, 4× is 600: what most journals ask of line art.",
        )  # fmt: skip
        file_name = f"{_stem(view)}_{name}" + (f"_{scale}x.png" if fmt == "png" else f".{fmt}")
        st.download_button(
            "Download figure", exporting.figure_file(view, name, fmt, scale), file_name, exporting.MIME[fmt],
            on_click="ignore", key=f"export_download_{page}", type="primary", width="stretch",
        )  # fmt: skip
        st.caption(escape(file_name))
    with look.container(height=430, border=False, key="export_preview"):
        st.image(exporting.preview(pair, view, name), width="stretch")
    _bundle(page, view, scale)


def _bundle(page: str, view, scale: float) -> None:
    everything = exporting.titles()
    st.divider()
    left, right = st.columns([5, 3], gap="medium", vertical_alignment="bottom")
    chosen = left.multiselect(
        "Bundle of figures", list(everything), list(exporting.titles(page)), format_func=everything.get,
        key=f"export_bundle_figures_{page}", help=BUNDLE_HELP,
    )  # fmt: skip
    right.download_button(
        "Download bundle (zip)", exporting.bundle_file(view, chosen, tuple(FORMATS), scale), f"{_stem(view)}_bundle.zip",
        exporting.MIME["zip"], on_click="ignore", key=f"export_bundle_{page}", width="stretch", disabled=not chosen,
    )  # fmt: skip
    st.caption("Each figure as PNG, SVG and PDF, arrays, tables, inputs, and the recipe that makes the figures again.")


def _stem(view) -> str:
    """Both images in a file name."""
    return re.sub(r"[^\w.-]+", "_", f"{view.source.name}_{view.target.name}")[:80]
