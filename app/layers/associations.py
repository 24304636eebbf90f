"""The pairs of an image pair as lines and layers."""

from __future__ import annotations

from typing import Literal

import numpy as np

from app.components.linked_images import UNLABELLED as NOTHING
from app.components.linked_images import Layer, LineSet, Side, Swatch
from pca_core.analysis.pairs import PixelPairs
from pca_core.render import COVERAGE, UNLABELLED, VERDICTS
from pca_core.types import LabelSpace

Colouring = Literal["class", "verdict"]
MOST_OPAQUE = 0.8  # 0.42 for 200 lines, 0.16 for 1,000, 0.06 for 5,000


def _palette(colouring: Colouring, space: LabelSpace) -> tuple[Swatch, ...]:
    if colouring == "verdict":
        return tuple(VERDICTS.items())
    return (*zip(space.class_names, space.palette, strict=True), ("unlabelled", UNLABELLED))


def _colour_index(pairs: PixelPairs, colouring: Colouring, space: LabelSpace) -> np.ndarray:
    """(M,) uint8, place in the palette."""
    return pairs.verdict if colouring == "verdict" else np.minimum(pairs.own_class, space.num_classes).astype(np.uint8)


def pair_lines(pairs: PixelPairs, colouring: Colouring, space: LabelSpace) -> LineSet:
    """One line a pair: the fewer, the clearer, and thousands do not hide the images."""
    colours = _colour_index(pairs, colouring, space)
    opacity = min(MOST_OPAQUE, 10 / max(len(pairs), 1) ** 0.6)
    return LineSet(pairs.source_index, pairs.target_index, colours, _palette(colouring, space), opacity)


def chosen_layers(pairs: PixelPairs, colouring: Colouring, space: LabelSpace, grids: dict[Side, tuple[int, int]]) -> list[Layer]:
    """The ends of the filtered pairs on both images, in the colours of the lines; where pairs meet, the most similar shows."""
    colours, palette = _colour_index(pairs, colouring, space), _palette(colouring, space)
    order = np.argsort(pairs.similarity, kind="stable")
    table, alpha = np.zeros((256, 3), np.uint8), np.zeros(256, np.uint8)
    table[: len(palette)], alpha[: len(palette)] = [colour for _, colour in palette], 255
    layers = []
    for side, index, title in (
        ("source", pairs.source_index, "Pairs"),
        ("target", pairs.target_index, "Matches"),
    ):
        values = np.full(grids[side], NOTHING, np.uint8)
        values.ravel()[index[order]] = colours[order]
        present = np.unique(values[values != NOTHING])
        legend = tuple(palette[code] for code in present)
        names = tuple(name for name, _ in palette)
        layers.append(Layer("filtered", title, side, values, table, alpha, legend, value_names=names))
    return layers


def coverage_layer(codes: np.ndarray) -> Layer:
    """Target pixels by whether anyone claims them."""
    table, alpha = np.zeros((256, 3), np.uint8), np.zeros(256, np.uint8)
    table[: len(COVERAGE)], alpha[: len(COVERAGE)] = list(COVERAGE.values()), 255
    return Layer("coverage", "Coverage", "target", codes, table, alpha, tuple(COVERAGE.items()), value_names=tuple(COVERAGE))
