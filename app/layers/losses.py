"""What pixels pay, and the gradient that reaches them, as layers."""

from __future__ import annotations

import numpy as np

from app.components.linked_images import SIDES, Layer, Side
from app.layers.maps import class_layer, label_layer, value_layer
from pca_core.analysis.loss_readings import Reading, compare_norms, find_ceiling, in_units
from pca_core.render import scale_values
from pca_core.types import FeaturePair, LabelSpace

DOUBLINGS = 3.0  # that the ends of the difference layer stand for
UNIT = "× the mean without aggregation, or more"
_ENDS = np.array([(0, 68, 136), (102, 163, 210), (236, 236, 236), (238, 160, 80), (180, 75, 0)], float)
_STEPS = np.arange(256) * (len(_ENDS) - 1) / 255
BLUE_ORANGE: np.ndarray = np.stack([np.interp(_STEPS, np.arange(len(_ENDS)), _ENDS[:, c]) for c in range(3)], 1).astype(np.uint8)
"""(256, 3) uint8 RGB, blue over light grey to orange: less and more, apart for every colour vision."""


def loss_layers(
    now: Reading, aggregated: Reading, plain: Reading, reasons: dict[str, str], pair: FeaturePair, space: LabelSpace
) -> list[Layer]:
    """The same buttons on both sides.

    Args:
        now: One of the next two, whose payments are shown.
        aggregated, plain: The terms that are looked at, with and without aggregation.
        reasons: Why nobody pays (``"paid"``) or no gradient arrives (``"gradient"``), where that is so.
        pair: For labels and predictions.
        space: Of both.
    """
    layers = []
    for side in SIDES:
        layers += [
            _paid_layer(side, now, reasons["paid"]),
            *_gradient_layers(side, aggregated, plain, reasons["gradient"]),
            *_class_layers(side, pair, space),
        ]
    return layers


def _paid_layer(side: Side, now: Reading, reason: str) -> Layer:
    times = now.times_even_share(side)
    if times is None:
        return Layer("paid", "Pays", side, None, reason=reason)
    limits = (float(times.min()), find_ceiling(times))
    return value_layer("paid", "Pays", side, times, "× the mean payment, or more", is_log=True, limits=limits)


def _gradient_layers(side: Side, aggregated: Reading, plain: Reading, reason: str) -> list[Layer]:
    titles = {"gradient_on": "Gradient with α", "gradient_off": "Gradient without", "difference": "Difference"}
    on, off = aggregated.gradient[side], plain.gradient[side]
    if not on.any() and not off.any():
        return [Layer(name, title, side, None, reason=reason) for name, title in titles.items()]
    even = plain.average(side)
    maps = {"gradient_on": in_units(on, even), "gradient_off": in_units(off, even)}
    limits = (0.0, find_ceiling(*maps.values()))
    layers = [value_layer(name, titles[name], side, values, UNIT, is_log=True, limits=limits) for name, values in maps.items()]
    return [*layers, _difference_layer(titles["difference"], side, compare_norms(on, off))]


def _difference_layer(title: str, side: Side, doublings: np.ndarray) -> Layer:
    codes = scale_values(doublings, (-DOUBLINGS, DOUBLINGS))
    factors = 2.0 ** np.linspace(-DOUBLINGS, DOUBLINGS, 256)
    names = tuple(f"{factor:.2g} × the gradient without aggregation" for factor in factors)
    most = f"{2**DOUBLINGS:g}"
    legend = (f"÷ {most} with aggregation", f"× {most} with aggregation (grey: the same)")
    return Layer("difference", title, side, codes, BLUE_ORANGE, legend=legend, value_names=names)


def _class_layers(side: Side, pair: FeaturePair, space: LabelSpace) -> list[Layer]:
    prediction = pair.source_prediction if side == "source" else pair.target_prediction
    labels = pair.source_labels if side == "source" else pair.target_labels
    shown = label_layer(side, None if labels is None else labels.cpu().numpy(), space)
    return [class_layer("prediction", "Prediction", side, prediction.cpu().numpy(), space), shown]
