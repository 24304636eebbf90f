"""What the export of a page is made of: the view that is looked at, previews, files."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.state import cache, session
from app.state.cache import Pair
from app.state.caching import cached
from pca_core.types import Domain

MIME = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf", "zip": "application/zip"}


def load() -> None:
    """Load what draws and writes: the first time takes a moment."""
    import pca_core.export.bundle
    import pca_core.export.recipe
    import pca_core.figures.catalogue  # noqa: F401


def titles(page: str | None = None) -> dict[str, str]:
    """Name and title of the figures of one page, or of all."""
    from pca_core.figures.catalogue import FIGURES  # the drawing library is loaded when somebody exports

    return {name: kind.title for name, kind in FIGURES.items() if page in (None, kind.page)}


def get_view(pair: Pair, pixel: tuple[Domain, int], switches: dict):
    """The pair as it is looked at now; ``switches`` are fields of :class:`pca_core.figures.view.Switches`."""
    from app.state.page_view import PageView
    from pca_core.figures.view import Switches

    checkpoint = cache.get_checkpoint(pair.checkpoint_path)
    return PageView(pair.analysis, pair.source, pair.target, checkpoint, pixel, Switches(**switches), pair.pooling, kept=pair)


def make_figure(pair: Pair, view, name: str):
    """One figure of the pair, laid out; kept, because a look and each file start from it."""
    return _draw(repr((pair.key, view.analysis.config, view.pixel, view.switches)), name, view)


@cached(12, "Drawing the figure …")
def _draw(key: str, name: str, _view):
    from pca_core.figures import catalogue

    return catalogue.make_figure(name, _view)


def draw(kind: str, *told):
    """A figure of :mod:`pca_core.figures.adaptation` by the name of its function, without ``draw_``."""
    from pca_core.figures import adaptation
    from pca_core.figures.style import make_figure

    return make_figure(getattr(adaptation, f"draw_{kind}"), *told)


def render(figure, fmt: str, scale: float) -> bytes:
    """A figure as the bytes of a file."""
    from pca_core.figures.style import render_figure

    return render_figure(figure, fmt, scale)


def bundle_file(view, figures: Sequence[str], formats: Sequence[str], scale: float) -> Callable[[], bytes]:
    """Makes the zip once it is asked for."""
    from pca_core.export.bundle import make_bundle
    from pca_core.export.recipe import make_recipe

    path = session.get_checkpoint_path()
    return lambda: make_bundle(view, make_recipe(view, path, figures, formats, scale), path)
