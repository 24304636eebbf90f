"""What a pair shows on every page, whatever pixel is pinned."""

from __future__ import annotations

from app.components.linked_images import Layer
from app.layers.maps import class_layer, code_layer, label_layer, value_layer
from pca_core.render import VERDICTS, hubness_map, verdict_map
from pca_core.types import Association, FeaturePair, LabelSpace


def verdict_layer(association: Association) -> Layer:
    """Source pixels by verdict."""
    return code_layer("verdicts", "Verdicts", "source", verdict_map(association), VERDICTS)


def pair_layers(pair: FeaturePair, association: Association, space: LabelSpace) -> list[Layer]:
    """Layers that do not depend on a pixel."""
    target = None if pair.target_labels is None else pair.target_labels.cpu().numpy()
    layers = [label_layer("source", pair.source_labels.cpu().numpy(), space), label_layer("target", target, space)]
    for side, prediction in (("source", pair.source_prediction), ("target", pair.target_prediction)):
        layers.append(class_layer("prediction", "Prediction", side, prediction.cpu().numpy(), space))
    layers.append(verdict_layer(association))
    layers.append(value_layer("hubs", "Hubs", "target", hubness_map(association), "source pixels claim it", is_log=True))
    return layers
