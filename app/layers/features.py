"""Feature colours and selected pixels as layers."""

from __future__ import annotations

import numpy as np

from app.components.linked_images import Layer, Side
from app.layers.maps import class_layer, code_layer, label_layer
from app.state.cache import Pair
from pca_core.analysis.embedding import PixelSample
from pca_core.analysis.projection import FeatureColours

SELECTED = {"not selected": (20, 24, 32), "selected": (255, 214, 10)}
SPREAD = 1  # feature pixels around a selected one that are marked too: one alone is hard to see


def feature_layers(pair: Pair, colours: FeatureColours, sample: PixelSample, selected: np.ndarray) -> list[Layer]:
    """Both sides; ``selected`` (M,) bool tells which pixels of the sample are."""
    feature_pair, space = pair.analysis.pair, pair.label_space
    layers = []
    for side, values in (("source", colours.source), ("target", colours.target)):
        layers.append(Layer("colours", "Feature colours", side, values, colours.palette))
        layers.append(_selected(side, sample, selected, values.shape))
        prediction = feature_pair.source_prediction if side == "source" else feature_pair.target_prediction
        labels = feature_pair.source_labels if side == "source" else feature_pair.target_labels
        layers.append(class_layer("prediction", "Prediction", side, prediction.cpu().numpy(), space))
        layers.append(label_layer(side, None if labels is None else labels.cpu().numpy(), space))
    return layers


def _selected(side: Side, sample: PixelSample, selected: np.ndarray, grid: tuple[int, int]) -> Layer:
    is_here = selected & (sample.is_target == (side == "target"))
    if not is_here.any():
        return Layer("selected", "Selected", side, None, reason="Select points on the map below, or Shift-drag on an image")
    codes = np.zeros(grid, np.uint8)
    for row, column in np.stack(np.divmod(sample.index[is_here], grid[1]), axis=1):
        codes[max(0, row - SPREAD) : row + SPREAD + 1, max(0, column - SPREAD) : column + SPREAD + 1] = 1
    return code_layer("selected", "Selected", side, codes, SELECTED)
