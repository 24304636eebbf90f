"""Aggregation weights, reach and flips as layers."""

from __future__ import annotations

import numpy as np

from app.components.linked_images import Layer
from app.layers.maps import class_layer, label_layer, value_layer
from app.state.aggregation import SpreadFindings
from pca_core.render import INCONSISTENT
from pca_core.types import FeaturePair, LabelSpace

STRONG = 10.0  # means from which on the colour stays: so little and nothing can be told apart
FLIPS = ("same match", "another match")


def aggregation_layers(found: SpreadFindings, weights: np.ndarray, pair: FeaturePair, space: LabelSpace) -> list[Layer]:
    """Both sides; ``weights`` (h', w') are those of the pinned target pixel as multiples of uniform, 1/T."""
    even_pull, even_gradient = (float(one.mean()) for one in (found.reach_without.pull, found.reach_without.gradient))
    layers = [
        _flip_layer(found.flips),
        class_layer("labels", "Labels", "source", pair.source_labels.cpu().numpy(), space),
        class_layer("prediction", "Prediction", "source", pair.source_prediction.cpu().numpy(), space),
        value_layer("weights", "Borrows from", "target", weights, "× uniform", is_log=True),
        value_layer("entropy", "Entropy", "target", found.weights.entropy, "of log T"),
        value_layer("lent", "Lent", "target", found.weights.lent, "× average"),
        _reach_layer("pull_off", "Pull without", found.reach_without.pull, even_pull),
        _reach_layer("pull_on", "Pull with α", found.reach_with.pull, even_pull),
        _reach_layer("gradient_off", "Gradient without", found.reach_without.gradient, even_gradient),
        _reach_layer("gradient_on", "Gradient with α", found.reach_with.gradient, even_gradient),
        class_layer("prediction", "Prediction", "target", pair.target_prediction.cpu().numpy(), space),
        class_layer("aggregated", "Aggregated prediction", "target", found.classes, space),
    ]
    target = None if pair.target_labels is None else pair.target_labels.cpu().numpy()
    return [*layers, label_layer("target", target, space)]


def _flip_layer(flips: np.ndarray) -> Layer:
    """Only source pixels with another match are covered: the photograph shows where nothing changes."""
    palette, alpha = np.zeros((256, 3), np.uint8), np.zeros(256, np.uint8)
    palette[1], alpha[1] = INCONSISTENT, 255
    return Layer(
        "flips", "Flips", "source", flips.astype(np.uint8), palette, alpha, ((FLIPS[1], INCONSISTENT),), value_names=FLIPS
    )


def _reach_layer(name: str, title: str, values: np.ndarray, mean: float) -> Layer:
    """In multiples of the mean without aggregation, on the same scale with it and without."""
    unit = "× the mean without α, or more"
    return value_layer(name, title, "target", values / max(mean, 1e-12), unit, is_log=True, limits=(0.0, STRONG))
