"""Images with maps over them, marks, arrows and lines between two images, class matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, Patch
from matplotlib.ticker import MaxNLocator, NullLocator

from pca_core.association import row_shares
from pca_core.data import colorize
from pca_core.figures.style import INK
from pca_core.render import NO_PIXELS
from pca_core.types import LabelSpace

BLUE, ORANGE = "#0a8fb0", "#d1560f"  # cycles that close and that break, as on the screen but for white paper
OPACITY = 0.6


def show_image(axes: Axes, image: np.ndarray, title: str) -> None:
    """(H, W, 3) uint8 RGB without ticks."""
    axes.imshow(image, interpolation="none")
    axes.set_title(title, loc="left", parse_math=False)
    axes.set_axis_off()
    axes.set_anchor("N")  # images of a row stay level, whether a colour bar hangs below or not


def lay_values(
    axes: Axes,
    image: np.ndarray,
    values: np.ndarray,
    unit: str,
    *,
    is_log: bool = False,
    limits: tuple[float, float] | None = None,
) -> None:
    """A float map of any resolution in viridis over an image that is shown, with its colour bar."""
    low, high = limits or (float(np.nanmin(values)), float(np.nanmax(values)))
    norm = LogNorm(max(low, high / 1e4, 1e-12), max(high, 2e-12)) if is_log and high > 0 else Normalize(low, high)
    axes.imshow(values, cmap="viridis", norm=norm, alpha=OPACITY, extent=_extent(image), interpolation="none")
    bar = axes.figure.colorbar(ScalarMappable(norm, "viridis"), ax=axes, orientation="horizontal", fraction=0.05, pad=0.03)
    bar.set_label(unit, fontsize=6.5)
    bar.ax.tick_params(labelsize=6, which="both")
    if isinstance(norm, LogNorm) and norm.vmax < 100 * norm.vmin:  # less than two powers of ten make no readable ticks
        bar.set_ticks(ticks := np.geomspace(norm.vmin, norm.vmax, 4), labels=[f"{tick:.2g}" for tick in ticks], minor=False)
        bar.ax.xaxis.set_minor_locator(NullLocator())
    elif not isinstance(norm, LogNorm):
        bar.locator = MaxNLocator(4)
    bar.outline.set_visible(False)


def lay_classes(axes: Axes, image: np.ndarray, classes: np.ndarray, space: LabelSpace) -> None:
    """A class map in the palette of the data set; unlabelled pixels stay clear."""
    colours = np.dstack(
        [colorize(classes, space), np.where(classes < space.num_classes, round(255 * OPACITY), 0).astype(np.uint8)]
    )
    axes.imshow(colours, extent=_extent(image), interpolation="none")


def lay_codes(axes: Axes, image: np.ndarray, codes: np.ndarray, colours: Mapping[str, tuple[int, int, int]]) -> None:
    """A map of few cases with its legend: (h, w) places in ``colours``."""
    paint_codes(axes, image, codes, colours)
    add_legend(axes, colours)


def paint_codes(axes: Axes, image: np.ndarray, codes: np.ndarray, colours: Mapping[str, tuple[int, int, int]]) -> None:
    """A map of few cases without a legend."""
    table = np.array(list(colours.values()), np.uint8)
    opaque = np.full(codes.shape, round(255 * OPACITY), np.uint8)
    axes.imshow(np.dstack([table[codes], opaque]), extent=_extent(image), interpolation="none")


def add_legend(axes: Axes, colours: Mapping[str, tuple[int, int, int]], columns: int = 4) -> None:
    """Swatches below the axes, close together: a legend wider than its axes would shrink them."""
    axes.legend(
        handles=_swatches(colours),
        loc="upper left",
        bbox_to_anchor=(-0.02, -0.01),
        ncols=columns,
        fontsize=5.8,
        handlelength=0.9,
        handletextpad=0.4,
        columnspacing=1.0,
    )


def fill_with_legend(axes: Axes, colours: Mapping[str, tuple[int, int, int]], columns: int) -> None:
    """Axes that hold nothing but swatches."""
    axes.set_axis_off()
    axes.legend(handles=_swatches(colours), loc="center", ncols=columns, handlelength=0.9)


def _swatches(colours: Mapping[str, tuple[int, int, int]]) -> list[Patch]:
    return [Patch(color=np.array(colour) / 255, label=name) for name, colour in colours.items()]


def class_colours(space: LabelSpace, *maps: np.ndarray) -> dict[str, tuple[int, int, int]]:
    """Name and colour of the classes that occur in any of the maps."""
    present = np.unique(np.concatenate([np.unique(one) for one in maps]))
    return {space.class_names[one]: space.palette[one] for one in present if one < space.num_classes}


def centre(index: int | np.ndarray, grid: tuple[int, int], image: np.ndarray) -> np.ndarray:
    """(…, 2) image coordinates x, y of flat feature pixels."""
    row, column = np.divmod(index, grid[1])
    height, width = image.shape[:2]
    return np.stack([(column + 0.5) * width / grid[1] - 0.5, (row + 0.5) * height / grid[0] - 0.5], axis=-1)


def mark(axes: Axes, place: np.ndarray, label: str, colour: str) -> None:
    """A ring with a short label."""
    axes.plot(*place, "o", ms=7, mfc="none", mec="white", mew=2.4)
    axes.plot(*place, "o", ms=7, mfc="none", mec=colour, mew=1.3)
    if label:
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        is_high = abs(place[1] - top) < 0.12 * abs(bottom - top)  # above it stands the title
        is_right = abs(place[0] - right) < 0.12 * abs(right - left)
        box = {"boxstyle": "round,pad=0.18", "fc": colour, "ec": "white", "lw": 0.6}
        axes.annotate(
            label,
            place,
            (-6 if is_right else 6, -6 if is_high else 6),
            textcoords="offset points",
            ha="right" if is_right else "left",
            va="top" if is_high else "bottom",
            fontsize=6.5,
            fontweight="bold",
            color="white",
            bbox=box,
            zorder=9,
        )


def connect(
    figure: Figure,
    start_axes: Axes,
    start: np.ndarray,
    end_axes: Axes,
    end: np.ndarray,
    *,
    closes: bool,
    is_return: bool,
    width: float = 1.5,
) -> None:
    """An arrow from image to image: solid there, dotted back; a cycle that breaks is orange and dashed there."""
    colour = BLUE if closes else ORANGE
    style = ":" if is_return else ("-" if closes else "--")
    bend = -0.08 if width > 1 else -0.02
    arrow = ConnectionPatch(
        tuple(start), tuple(end), "data", "data", axesA=start_axes, axesB=end_axes, arrowstyle="-|>", mutation_scale=9,
        connectionstyle=f"arc3,rad={bend}", color=colour, lw=width, linestyle=style, shrinkA=5, shrinkB=5, zorder=8,
    )  # fmt: skip
    arrow.set_in_layout(False)
    figure.add_artist(arrow)


def show_side_by_side(axes: Axes, source: np.ndarray, target: np.ndarray, gap: int) -> int:
    """Both images in one axes, for lines between them; returns where the target begins, in pixels."""
    height = max(len(source), len(target))
    left = source.shape[1] + gap
    canvas = np.full((height, left + target.shape[1], 3), 255, np.uint8)
    canvas[: len(source), : source.shape[1]], canvas[: len(target), left:] = source, target
    axes.imshow(canvas, interpolation="none")
    axes.set_axis_off()
    return left


def draw_lines(axes: Axes, start: np.ndarray, end: np.ndarray, colours: Sequence) -> None:
    """Thin lines between (M, 2) places; many are fainter, so that they do not hide the images."""
    opacity = min(0.8, max(0.1, 200 / max(len(start), 1)))
    axes.add_collection(LineCollection(np.stack([start, end], axis=1), colors=colours, linewidths=0.45, alpha=opacity))


def show_matrix(axes: Axes, counts: np.ndarray, names: Sequence[str], title: str, across: str, down: str = "own class") -> None:
    """(K, K) counts as shares of rows, told in the cells."""
    shares = row_shares(counts)
    axes.imshow(shares, cmap="viridis", vmin=0, vmax=1)
    for row in np.flatnonzero(counts.sum(1) == 0):
        axes.text((len(names) - 1) / 2, row, NO_PIXELS, ha="center", va="center", fontsize=4.8, color=INK)
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            ink = INK if share > 0.6 else "white"
            axes.text(column, row, f"{share:.0%}", ha="center", va="center", fontsize=4.8, color=ink)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=6, parse_math=False)
    axes.set_yticks(range(len(names)), names, fontsize=6, parse_math=False)
    axes.set_title(title, loc="left")
    axes.set_xlabel(across)
    axes.set_ylabel(down)


def _extent(image: np.ndarray) -> tuple[float, float, float, float]:
    return (-0.5, image.shape[1] - 0.5, image.shape[0] - 0.5, -0.5)
