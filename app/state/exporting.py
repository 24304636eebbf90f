"""What the export of a page is made of: the view that is looked at, previews, files."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from app.state import cache, session
from app.state.cache import Pair
from pca_core.types import Domain

MIME = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf", "zip": "application/zip"}


def titles(page: str | None = None) -> dict[str, str]:
    """Name and title of the figures of one page, or of all."""
    from pca_core.figures.catalogue import FIGURES  # the drawing library is loaded when somebody exports

    return {name: kind.title for name, kind in FIGURES.items() if page in (None, kind.page)}


def get_view(pair: Pair, pixel: tuple[Domain, int], switches: dict):
    """The pair as it is looked at now; ``switches`` are fields of :class:`pca_core.figures.view.Switches`."""
    from pca_core.figures.view import Switches, View

    checkpoint = cache.get_checkpoint(session.get_checkpoint_path())
    return View(pair.analysis, pair.source, pair.target, checkpoint, pixel, Switches(**switches))


def preview(pair: Pair, view, name: str) -> bytes:
    """A PNG of one figure for the screen."""
    return _draw((pair.key, view.analysis.config, view.pixel, view.switches, name), view)


@st.cache_data(max_entries=24, show_spinner="Drawing the figure …", hash_funcs={object: repr})
def _draw(key: tuple, _view) -> bytes:
    from pca_core.figures.catalogue import draw_figure

    return draw_figure(key[-1], _view, "png", 1)


def figure_file(view, name: str, fmt: str, scale: float) -> Callable[[], bytes]:
    """Makes the file once it is asked for."""
    from pca_core.figures.catalogue import draw_figure

    return lambda: draw_figure(name, view, fmt, scale)


def bundle_file(view, figures: Sequence[str], formats: Sequence[str], scale: float) -> Callable[[], bytes]:
    """Makes the zip once it is asked for."""
    from pca_core.export.bundle import make_bundle
    from pca_core.export.recipe import make_recipe

    path = session.get_checkpoint_path()
    return lambda: make_bundle(view, make_recipe(view, path, figures, formats, scale), path)
