"""Aggregation weights, reach and flips as layers."""

from __future__ import annotations

import numpy as np

from app.components.linked_images import Layer
from app.layers.maps import class_layer, value_layer
from app.state.aggregation import SpreadFindings
from pca_core.render import INCONSISTENT
from pca_core.types import FeaturePair, LabelSpace

FLIPS = ("same match", "another match")


def aggregation_layers(found: SpreadFindings, weights: np.ndarray, pair: FeaturePair, space: LabelSpace) -> list[Layer]:
    """Both sides; ``weights`` (h', w') are those of the pinned target pixel as multiples of an even share."""
    pull_limits = (0.0, float(max(found.reach_without.pull.max(), found.reach_with.pull.max())))
    gradient_limits = (0.0, float(max(found.reach_without.gradient.max(), found.reach_with.gradient.max())))
    layers = [
        _flip_layer(found.flips),
        class_layer("labels", "Labels", "source", pair.source_labels.cpu().numpy(), space),
        class_layer("prediction", "Prediction", "source", pair.source_prediction.cpu().numpy(), space),
        value_layer("weights", "Borrows from", "target", weights, "× even share", is_log=True),
        value_layer("entropy", "Entropy", "target", found.weights.entropy, "of log T"),
        value_layer("lent", "Lent", "target", found.weights.lent, "× average"),
        value_layer("pull_off", "Pull without", "target", found.reach_without.pull, "pairs", is_log=True, limits=pull_limits),
        value_layer("pull_on", "Pull with α", "target", found.reach_with.pull, "pairs", is_log=True, limits=pull_limits),
        value_layer(
            "gradient_off", "Gradient without", "target", found.reach_without.gradient, "‖∂L/∂F‖", limits=gradient_limits
        ),
        value_layer("gradient_on", "Gradient with α", "target", found.reach_with.gradient, "‖∂L/∂F‖", limits=gradient_limits),
        class_layer("prediction", "Prediction", "target", pair.target_prediction.cpu().numpy(), space),
        class_layer("aggregated", "Aggregated prediction", "target", found.classes, space),
    ]
    if pair.target_labels is not None:
        layers.append(class_layer("labels", "Labels", "target", pair.target_labels.cpu().numpy(), space))
    return layers


def _flip_layer(flips: np.ndarray) -> Layer:
    """Only source pixels with another match are covered: the photograph shows where nothing changes."""
    palette, alpha = np.zeros((256, 3), np.uint8), np.zeros(256, np.uint8)
    palette[1], alpha[1] = INCONSISTENT, 255
    return Layer(
        "flips", "Flips", "source", flips.astype(np.uint8), palette, alpha, ((FLIPS[1], INCONSISTENT),), value_names=FLIPS
    )
