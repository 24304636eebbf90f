"""Export: the figures of a page in print quality, and everything of a view as one bundle."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import streamlit as st

from app.state import exporting
from app.state.cache import Pair
from app.text import escape
from app.views.parts import tell_trouble
from pca_core.types import Domain

FORMATS = {"png": "PNG", "svg": "SVG", "pdf": "PDF"}
SCALES = {1: "1×", 2: "2×", 3: "3×", 4: "4×"}
BUNDLE_HELP = (
    "Figures, the arrays (NPZ) and tables (CSV) behind them, the inputs, and recipe.json with hashes, pixel, config, versions. "
    "`cyclelens export --recipe recipe.json` makes the same figures again, without a browser."
)


def export_button(pair: Pair, page: str, get_pixel: Callable[[Pair], tuple[Domain, int]], switches: dict) -> None:
    """The button of a page and what it opens; nothing is drawn before that.

    Args:
        pair: What is looked at.
        page: Whose figures come first.
        get_pixel: Tells the pixel in question, once somebody asks.
        switches: Of the page, as fields of :class:`pca_core.figures.view.Switches`.
    """
    if st.button("Export", icon=":material/download:", key=f"export_{page}", type="tertiary", help="Figures, data, a bundle"):
        exporting.load()  # before the dialog is there: else it would open empty and grow
        _dialog(pair, page, exporting.get_view(pair, get_pixel(pair), switches))


@st.dialog("Export", width="large", icon=":material/download:")
@tell_trouble
def _dialog(pair: Pair, page: str, view) -> None:
    stem = _stem(f"{view.source.name}_{view.target.name}")
    with st.container(key="export_all"):
        scale, draw = _one_figure(page, exporting.titles(page), lambda name: exporting.make_figure(pair, view, name), stem)
        _bundle(page, view, stem, scale)
    draw()


def figure_button(key: str, figures: Mapping[str, str], make: Callable[[str], object], stem: str) -> None:
    """The same for figures of no pair.

    Args:
        key: Of the widgets.
        figures: Name → title.
        make: Name → figure of :mod:`pca_core.figures`.
        stem: Of the file names.
    """
    if st.button("Export figure", icon=":material/download:", key=f"export_{key}", type="tertiary"):
        exporting.load()
        _figure_dialog(key, figures, make, _stem(stem))


@st.dialog("Export", width="large", icon=":material/download:")
@tell_trouble
def _figure_dialog(key: str, figures: Mapping[str, str], make: Callable[[str], object], stem: str) -> None:
    with st.container(key="export_one"):
        _, draw = _one_figure(key, figures, make, stem)
    draw()


def _one_figure(
    key: str, figures: Mapping[str, str], make: Callable[[str], object], stem: str
) -> tuple[float, Callable[[], None]]:
    """Look at a figure, choose its format and size, take it.

    Returns:
        The size, and what draws the figure into its place: to call last, because it takes a while and all else stands already.
    """
    look, choose = st.columns([5, 3], gap="medium")
    with choose:
        name = st.selectbox("Figure", list(figures), format_func=figures.get, key=f"export_figure_{key}")
        fmt = st.segmented_control(
            "Format", list(FORMATS), format_func=FORMATS.get, default="png", required=True, key=f"export_format_{key}",
            help="SVG and PDF stay sharp at any size and keep text as text.",
        )  # fmt: skip
        scale = st.segmented_control(
            "Size of a PNG", list(SCALES), format_func=SCALES.get, default=2, required=True, key=f"export_scale_{key}",
            disabled=fmt != "png", help="1× is 150 pixels an inch, 4× is 600: what most journals ask of line art.",
        )  # fmt: skip
        file_name = f"{stem}_{name}" + (f"_{scale}x.png" if fmt == "png" else f".{fmt}")
        place = st.empty()
        place.button("Download figure", disabled=True, key=f"export_wait_{key}", type="primary", width="stretch")
        st.caption(escape(file_name))
    preview = look.container(height=430, border=False, key="export_preview")

    def draw() -> None:
        with preview:
            figure = make(name)
            st.image(exporting.render(figure, "png", 1), width="stretch")
        place.download_button(
            "Download figure", lambda: exporting.render(figure, fmt, scale), file_name, exporting.MIME[fmt],
            on_click="ignore", key=f"export_download_{key}", type="primary", width="stretch",
        )  # fmt: skip

    return scale, draw


def _bundle(page: str, view, stem: str, scale: float) -> None:
    everything = exporting.titles()
    st.divider()
    left, right = st.columns([5, 3], gap="medium", vertical_alignment="bottom")
    chosen = left.multiselect(
        "Bundle of figures", list(everything), list(exporting.titles(page)), format_func=everything.get,
        key=f"export_bundle_figures_{page}", help=BUNDLE_HELP,
    )  # fmt: skip
    right.download_button(
        "Download bundle (zip)", exporting.bundle_file(view, chosen, tuple(FORMATS), scale), f"{stem}_bundle.zip",
        exporting.MIME["zip"], on_click="ignore", key=f"export_bundle_{page}", width="stretch", disabled=not chosen,
    )  # fmt: skip
    st.caption(
        "Each figure as PNG, SVG and PDF, with the arrays and tables behind it, inputs, and the recipe that makes it again."
    )


def _stem(name: str) -> str:
    """A name as the beginning of a file name."""
    return re.sub(r"[^\w.-]+", "_", name)[:80]
