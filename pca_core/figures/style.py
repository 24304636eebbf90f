"""Paper, sizes, fonts and files: what every figure shares."""

from __future__ import annotations

import io
import re
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pca_core.render import OKABE_ITO

Format = Literal["png", "svg", "pdf"]
FORMATS: tuple[Format, ...] = ("png", "svg", "pdf")
WIDTHS = {"single": 3.5, "double": 7.16}
"""Column widths in inches, as most conferences of the field print."""
DPI = 150  # of a PNG at 1×
INK, MUTED, LINE = "#16202a", "#5b6b78", "#c9d1d8"
COLOURS = OKABE_ITO
# No browser, no display and no global state: figures are made in threads of a server.
SETTINGS = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "cyclelens",  # the same figure gives the same file
    "pdf.fonttype": 42,
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "legend.fontsize": 6.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
CAPTION_LINE, ABOVE = 0.135, 0.1  # inches: of a line of the caption, kept free above the titles
_LOCK = threading.RLock()


@contextmanager
def paper() -> Iterator[None]:
    """Settings under which figures are drawn and written; one thread at a time, as matplotlib keeps them globally."""
    with _LOCK, mpl.rc_context(SETTINGS):
        yield


def new_figure(width: float, height: float, caption: str) -> Figure:
    """An empty figure with a caption below; to be filled under :func:`paper`.

    Args:
        width, height: Inches, the caption not counted.
        caption: One or two sentences in plain text.
    """
    lines = textwrap.wrap(caption, round(width * 21))
    below = CAPTION_LINE * len(lines) + 0.08
    figure = Figure(figsize=(width, height + below), layout="constrained", facecolor="white")
    figure.get_layout_engine().set(rect=(0.012, below / (height + below), 0.976, (height - ABOVE) / (height + below)))
    figure.text(0.01, 0.012, "\n".join(lines), fontsize=6.8, color=MUTED, va="bottom", parse_math=False)
    return figure


def image_height(width: float, columns: int, *images: np.ndarray) -> float:
    """Inches that the tallest of some (H, W, ...) images takes in a row of ``columns`` across ``width`` inches."""
    return max(image.shape[0] / image.shape[1] for image in images) * width / columns


def make_figure(draw: Callable[..., Figure], *told: object) -> Figure:
    """Draw a figure and lay it out, once and for all: the size of text differs a little between formats."""
    with paper():
        figure = draw(*told)
        FigureCanvasAgg(figure)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        return figure


def render_figure(figure: Figure, fmt: Format, scale: float = 2) -> bytes:
    """The bytes of a file.

    Args:
        figure: From this package.
        fmt: ``"png"``, ``"svg"`` or ``"pdf"``.
        scale: Of a PNG, 1-4 times :data:`DPI` pixels an inch.

    Raises:
        ValueError: On another format or scale.
    """
    if fmt not in FORMATS:
        raise ValueError(f"A figure can be written as {', '.join(FORMATS)}, got {fmt!r}.")
    if not 1 <= scale <= 4:
        raise ValueError(f"The scale of a PNG must be 1 to 4, got {scale}.")
    buffer = io.BytesIO()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[fmt]
    with paper():
        if fmt == "png":
            FigureCanvasAgg(figure)
        figure.savefig(buffer, format=fmt, dpi=DPI * scale if fmt == "png" else 300, metadata=metadata)
    return _number_clips(buffer.getvalue()) if fmt == "svg" else buffer.getvalue()


def _number_clips(svg: bytes) -> bytes:
    """Clip paths named in their order, so that the same figure is the same file: matplotlib names them by place in memory."""
    names = dict.fromkeys(re.findall(rb'<clipPath id="(p[0-9a-f]{10})"', svg))
    for number, name in enumerate(names):
        svg = svg.replace(name, b"clip%d" % number)
    return svg
