"""Predictions of both images as layers."""

from __future__ import annotations

from app.components.linked_images import Layer, Side
from app.layers.maps import NO_LABELS, class_layer, code_layer, label_layer, value_layer
from app.state.segmentation import SideFindings
from pca_core.data import resize_label
from pca_core.render import ERRORS
from pca_core.types import LabelSpace

# In the order of the codes; Okabe and Ito's colours, apart for every colour vision.
CHANGES = {
    "unchanged": (236, 236, 236),
    "became right": (0, 114, 178),
    "became wrong": (213, 94, 0),
    "wrong both ways": (240, 228, 66),
    "changed, no label": (204, 121, 167),
}


def segmentation_layers(side: Side, found: SideFindings, inference: str, space: LabelSpace) -> list[Layer]:
    """The same buttons on both sides, with or without labels."""
    seen = found.by_inference[inference]
    changes = resize_label(found.change.change_map, seen.class_map.shape)
    labels = label_layer(side, seen.label_map, space)
    errors = Layer("error", "Error", side, None, reason=NO_LABELS)
    if seen.label_map is not None:
        errors = code_layer("error", "Error", side, seen.error_map, ERRORS)
    return [
        class_layer("prediction", "Prediction", side, seen.class_map, space),
        labels,
        errors,
        value_layer("confidence", "Confidence", side, seen.confidence, "probability", limits=(0.0, 1.0)),
        value_layer("entropy", "Entropy", side, seen.entropy, "of log K", limits=(0.0, 1.0)),
        value_layer("margin", "Margin", side, seen.margin, "first − second", limits=(0.0, 1.0)),
        code_layer("change", "Aggregation changes", side, changes, CHANGES),
    ]
