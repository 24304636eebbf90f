"""A bundle: figures, arrays and tables of a view, with its inputs and the recipe that makes the figures again."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pca_core.association import explain_pixel
from pca_core.association.traces import PixelTrace
from pca_core.data import encode_png
from pca_core.export.association import association_arrays
from pca_core.export.recipe import INPUTS, NET, RECIPE, Recipe
from pca_core.export.tables import view_tables
from pca_core.figures.catalogue import FIGURES, make_figure
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


def trace_arrays(view: View) -> bytes:
    """NPZ with the maps of the pixel in question; names as in :class:`~pca_core.association.traces.PixelTrace`."""
    side, index = view.pixel
    trace = explain_pixel(view.analysis, index, side)
    arrays = {"similarity_map": trace.similarity_map, "aggregation_map": trace.aggregation_map}
    if isinstance(trace, PixelTrace):
        soft = np.nan if trace.soft_cycle is None else trace.soft_cycle
        arrays |= {"probability_map": trace.probability_map, "return_map": trace.return_map, "soft_cycle": np.array(soft)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, side=np.array(side), index=np.array(index), **arrays)
    return buffer.getvalue()


def class_arrays(view: View) -> bytes:
    """NPZ with labels and predictions at the resolution of the features: (h, w) uint8 class indices and 255."""
    pair = view.analysis.pair
    maps = {
        "source_labels": pair.source_labels,
        "target_labels": pair.target_labels,
        "source_prediction": pair.source_prediction,
        "target_prediction": pair.target_prediction,
    }
    buffer = io.BytesIO()
    known = {name: one.cpu().numpy().astype(np.uint8) for name, one in maps.items() if one is not None}
    np.savez_compressed(buffer, class_names=np.array(view.label_space.class_names), **known)
    return buffer.getvalue()


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
    yield "README.txt", _readme(recipe).encode()
    yield RECIPE, recipe.model_dump_json(indent=1).encode()
    for name, data in draw_recipe(view, recipe):
        yield f"figures/{name}", data
    yield "arrays/association.npz", association_arrays(view.analysis)
    yield "arrays/trace.npz", trace_arrays(view)
    yield "arrays/classes.npz", class_arrays(view)
    for name, data in view_tables(view).items():
        yield f"tables/{name}.csv", data
    for side, sample in (("source", view.source), ("target", view.target)):
        yield from _inputs(side, sample)
    if checkpoint_file.stat().st_size <= MAX_NET_BYTES:
        yield f"{INPUTS}/{NET}", checkpoint_file.read_bytes()


def _inputs(side: str, sample: Sample) -> Iterator[tuple[str, bytes]]:
    yield f"{INPUTS}/{side}.png", encode_png(sample.image)
    if sample.label is not None:
        yield f"{INPUTS}/{side}_label.png", encode_png(sample.label)


def _readme(recipe: Recipe) -> str:
    figures = "\n".join(f"  figures/{name}.*  {FIGURES[name].title}" for name in recipe.figures)
    return f"""CycleLens: {recipe.source.name} (source) and {recipe.target.name} (target), net {recipe.checkpoint.name}

{figures}
  arrays/association.npz  every array of the association; pixels are flat, row-major indices into the feature maps
  arrays/trace.npz        maps of the {recipe.pixel.side} pixel {recipe.pixel.index}
  arrays/classes.npz      labels and predictions at the resolution of the features
  tables/*.csv            pairs of pixels, classes, and the candidates of the pixel
  inputs/                 the images, their labels as class indices (255: none), and the net where it is small
  recipe.json             hashes, pixel, config, switches, versions

The same figures again, without a browser:  {recipe.command}
"""
