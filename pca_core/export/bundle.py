"""A bundle: figures, arrays and tables of a view, with its inputs and the recipe that makes the figures again."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from pca_core.data import encode_png
from pca_core.export.arrays import class_arrays, trace_arrays
from pca_core.export.association import association_arrays, write_npz
from pca_core.export.recipe import INPUTS, NET, RECIPE, Recipe
from pca_core.export.tables import view_tables, write_table
from pca_core.figures.catalogue import FIGURES, figure_data, make_figure
from pca_core.figures.style import render_figure
from pca_core.figures.view import View
from pca_core.types import Sample

MAX_NET_BYTES = 64 * 1024**2
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same view gives the same zip


def draw_recipe(view: View, recipe: Recipe) -> Iterator[tuple[str, bytes]]:
    """File name and bytes of every figure in every format, one at a time."""
    for name in recipe.figures:
        figure = make_figure(name, view)
        for fmt in recipe.formats:
            yield f"{name}.{fmt}", render_figure(figure, fmt, recipe.scale)


def tell_data(view: View, recipe: Recipe) -> Iterator[tuple[str, str, bytes]]:
    """File name, meaning and bytes of the arrays and tables behind each figure, one at a time."""
    for name in recipe.figures:
        data = figure_data(name, view)
        if data.arrays:
            yield f"arrays/{name}.npz", data.meaning, write_npz(data.arrays)
        for stem, table in data.tables.items():
            yield f"tables/{stem}.csv", table.meaning, write_table(table)


def make_bundle(view: View, recipe: Recipe, checkpoint_file: str | Path) -> bytes:
    """A zip of everything.

    Args:
        view: What to export.
        recipe: Of :func:`~pca_core.export.recipe.make_recipe` for this view.
        checkpoint_file: Goes along when it is small enough; a larger one is named by its hash only.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in _files(view, recipe, Path(checkpoint_file)):
            bundle.writestr(zipfile.ZipInfo(name, EPOCH), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _files(view: View, recipe: Recipe, checkpoint_file: Path) -> Iterator[tuple[str, bytes]]:
    behind = list(tell_data(view, recipe))
    yield "README.txt", _readme(view, recipe, {name: meaning for name, meaning, _ in behind}).encode()
    yield RECIPE, recipe.model_dump_json(indent=1).encode()
    for name, data in draw_recipe(view, recipe):
        yield f"figures/{name}", data
    yield "arrays/association.npz", association_arrays(view.analysis)
    yield "arrays/trace.npz", trace_arrays(view)
    yield "arrays/classes.npz", class_arrays(view)
    for name, data in view_tables(view).items():
        yield f"tables/{name}.csv", data
    yield from ((name, data) for name, _, data in behind)
    for side, sample in (("source", view.source), ("target", view.target)):
        yield from _inputs(side, sample)
    if checkpoint_file.stat().st_size <= MAX_NET_BYTES:
        yield f"{INPUTS}/{NET}", checkpoint_file.read_bytes()


def _inputs(side: str, sample: Sample) -> Iterator[tuple[str, bytes]]:
    yield f"{INPUTS}/{side}.png", encode_png(sample.image)
    if sample.label is not None:
        yield f"{INPUTS}/{side}_label.png", encode_png(sample.label)


def _readme(view: View, recipe: Recipe, behind: Mapping[str, str]) -> str:
    """What every file is; ``behind`` is name and meaning of the figures' own arrays and tables."""
    (height, width), (target_height, target_width) = view.analysis.pair.source_size, view.analysis.pair.target_size
    files = {f"figures/{name}.*": FIGURES[name].title for name in recipe.figures}
    files |= {
        "arrays/association.npz": "every array of the association; pixels are flat, row-major indices into the feature maps",
        "arrays/trace.npz": f"maps of the {recipe.pixel.side} pixel {recipe.pixel.index}",
        "arrays/classes.npz": "labels and predictions at the resolution of the features",
        "tables/pairs.csv": "pairs of pixels that pass the filter",
        "tables/classes.csv": "a class: its pixels, rate and where its cycles end, over all pairs",
        "tables/pixel.csv": f"candidates of the {recipe.pixel.side} pixel {recipe.pixel.index}, and its way back",
        **behind,
        f"{INPUTS}/": "the images, their labels as class indices (255: none), and the net where it is small",
        RECIPE: "hashes, pixel, config, switches, versions",
    }
    widest = max(map(len, files))
    lines = "\n".join(f"  {name:{widest}}  {meaning}" for name, meaning in files.items())
    return f"""CycleLens: {recipe.source.name} (source) and {recipe.target.name} (target), net {recipe.checkpoint.name}

{lines}

Feature pixels: (h, w) = ({height}, {width}) of the source, (h', w') = ({target_height}, {target_width}) of the target.
"with" and "without" are with aggregation and without it. Empty cells: not known.

The same figures again, without a browser:  {recipe.command}
With the arrays and tables behind them:  {recipe.command} --data
"""
