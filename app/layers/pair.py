"""What a pair shows on every page, whatever pixel is pinned."""

from __future__ import annotations

from app.components.linked_images import Layer
from app.layers.maps import class_layer, code_layer, label_layer, value_layer
from pca_core.render import hubness_map, list_verdicts, verdict_map
from pca_core.types import Association, FeaturePair, LabelSpace


def verdict_layer(pair: FeaturePair, association: Association) -> Layer:
    """Source pixels by verdict."""
    codes = verdict_map(association, pair.source_labels)
    return code_layer("verdicts", "Verdicts", "source", codes, list_verdicts(codes))


def pair_layers(pair: FeaturePair, association: Association, space: LabelSpace) -> list[Layer]:
    """Layers that do not depend on a pixel."""
    target = None if pair.target_labels is None else pair.target_labels.cpu().numpy()
    layers = [label_layer("source", pair.source_labels.cpu().numpy(), space), label_layer("target", target, space)]
    for side, prediction in (("source", pair.source_prediction), ("target", pair.target_prediction)):
        layers.append(class_layer("prediction", "Prediction", side, prediction.cpu().numpy(), space))
    layers.append(verdict_layer(pair, association))
    layers.append(value_layer("hubs", "Hubs", "target", hubness_map(association), "source pixels claim it", is_log=True))
    return layers
