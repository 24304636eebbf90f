"""What a pair shows on every page, whatever pixel is pinned."""

from __future__ import annotations

import numpy as np

from app.components.linked_images import Layer
from app.layers.maps import class_layer, value_layer
from pca_core.render import VERDICTS, hubness_map, verdict_map
from pca_core.types import Association, FeaturePair, LabelSpace


def verdict_layer(association: Association) -> Layer:
    """Source pixels by verdict."""
    palette, alpha = np.zeros((256, 3), np.uint8), np.zeros(256, np.uint8)
    palette[: len(VERDICTS)], alpha[: len(VERDICTS)] = list(VERDICTS.values()), 255
    legend = tuple(VERDICTS.items())
    return Layer("verdicts", "Verdicts", "source", verdict_map(association), palette, alpha, legend, value_names=tuple(VERDICTS))


def pair_layers(pair: FeaturePair, association: Association, space: LabelSpace) -> list[Layer]:
    """Layers that do not depend on a pixel."""
    layers = [class_layer("labels", "Labels", "source", pair.source_labels.cpu().numpy(), space)]
    if pair.target_labels is not None:
        layers.append(class_layer("labels", "Labels", "target", pair.target_labels.cpu().numpy(), space))
    for side, prediction in (("source", pair.source_prediction), ("target", pair.target_prediction)):
        layers.append(class_layer("prediction", "Prediction", side, prediction.cpu().numpy(), space))
    layers.append(verdict_layer(association))
    layers.append(value_layer("hubs", "Hubs", "target", hubness_map(association), "source pixels claim it", is_log=True))
    return layers
