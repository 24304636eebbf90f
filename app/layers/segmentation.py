"""Predictions of both images as layers."""

from __future__ import annotations

from app.components.linked_images import Layer, Side
from app.layers.maps import class_layer, code_layer, value_layer
from app.state.segmentation import SideFindings
from pca_core.comparison import OUTCOMES
from pca_core.data import resize_label
from pca_core.types import LabelSpace

ERRORS = {"right": (0, 114, 178), "wrong": (213, 94, 0), "unlabelled": (150, 150, 150)}


def segmentation_layers(side: Side, found: SideFindings, inference: str, space: LabelSpace) -> list[Layer]:
    """The same buttons on both sides."""
    seen = found.by_inference[inference]
    no_labels = {"side": side, "values": None, "reason": "This image has no labels"}
    is_labelled = seen.label_map is not None
    changes = resize_label(found.change.outcome, seen.class_map.shape)
    return [
        class_layer("prediction", "Prediction", side, seen.class_map, space),
        class_layer("labels", "Labels", side, seen.label_map, space) if is_labelled else Layer("labels", "Labels", **no_labels),
        code_layer("error", "Error", side, seen.error_map, ERRORS) if is_labelled else Layer("error", "Error", **no_labels),
        value_layer("confidence", "Confidence", side, seen.confidence, "probability", limits=(0.0, 1.0)),
        value_layer("entropy", "Entropy", side, seen.entropy, "of log K", limits=(0.0, 1.0)),
        code_layer("change", "Aggregation changes", side, changes, dict(OUTCOMES.values())),
    ]
