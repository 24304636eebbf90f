"""What the net sees in both images, how sure it is, and how right."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from pca_core.analysis.segmentation import SegmentedImage, describe_segmentation
from pca_core.analysis.spreading import reference_alpha
from pca_core.figures.drawing import add_legend, class_colours, lay_classes, lay_codes, lay_values, show_image, show_matrix
from pca_core.figures.style import COLOURS, WIDTHS, image_height, new_figure
from pca_core.figures.view import View
from pca_core.inference import aggregate_prediction
from pca_core.render import CONSISTENT, INCONSISTENT, UNLABELLED

ERRORS = {"right": CONSISTENT, "wrong": INCONSISTENT, "no label": UNLABELLED}


def _segment(view: View) -> tuple[SegmentedImage, SegmentedImage]:
    pair, alpha = view.analysis.pair, reference_alpha(view.analysis.config)
    found = []
    for sample, features, plain in (
        (view.source, pair.source_features, pair.source_probabilities),
        (view.target, pair.target_features, pair.target_probabilities),
    ):
        is_plain = view.switches.inference == "plain"
        probabilities = plain if is_plain else aggregate_prediction(view.checkpoint, features, alpha)
        found.append(describe_segmentation(probabilities, sample.image.shape[:2], sample.label))
    return found[0], found[1]


def _inference(view: View) -> str:
    alpha = reference_alpha(view.analysis.config)
    return "plain inference" if view.switches.inference == "plain" else f"aggregated inference, α = {alpha:g}"


def draw_segmentation(view: View) -> Figure:
    """Label, prediction, errors, confidence and entropy of both images."""
    found = _segment(view)
    told = [
        f"{name} {one.score.miou:.1f} mIoU, {one.score.pixel_accuracy:.1f} % right"
        for name, one in zip(("source", "target"), found, strict=True)
        if one.score is not None
    ]
    caption = f"Upper row source, lower row target; {_inference(view)}. " + ("; ".join(told) or "No labels to judge by") + "."
    width = WIDTHS["double"]
    figure = new_figure(width, 2 * image_height(width, 5, view.source.image, view.target.image) + 1.2, caption)
    grid = figure.subplots(2, 5)
    colours = class_colours(view.label_space, *(one.class_map for one in found))
    for row, sample, one in zip(grid, (view.source, view.target), found, strict=True):
        titles = ("Label", "Prediction", "Error", "Confidence", "Entropy")
        for axes, title in zip(row, titles, strict=True):
            show_image(axes, sample.image, title)
        if one.label_map is None:
            row[0].set_title("No label", loc="left")
            row[2].set_title("Error: needs labels", loc="left")
        else:
            lay_classes(row[0], sample.image, one.label_map, view.label_space)
            lay_codes(row[2], sample.image, one.error_map, ERRORS)
        lay_classes(row[1], sample.image, one.class_map, view.label_space)
        lay_values(row[3], sample.image, one.confidence, "of the prediction", limits=(0, 1))
        lay_values(row[4], sample.image, one.entropy, "share of log K", limits=(0, 1))
    add_legend(figure, colours)
    return figure


def draw_scores(view: View) -> Figure:
    """IoU class by class on both images, and the confusion of the target where it has labels."""
    found, space = _segment(view), view.label_space
    judged = {name: one for name, one in zip(("source", "target"), found, strict=True) if one.score is not None}
    shown = judged.get("target") or judged.get("source")
    if shown is None:
        caption = f"Share of pixels that each class is predicted for; labels would tell IoU. {_inference(view)}."
        bars = {name: 100 * one.class_shares for name, one in zip(("source", "target"), found, strict=True)}
    else:
        side = "target" if "target" in judged else "source"
        caption = f"IoU by class, and what the labels of the {side} are predicted as (shares of rows). {_inference(view)}."
        bars = {name: one.score.iou for name, one in judged.items()}
    figure = new_figure(WIDTHS["double"], 3.0, caption)
    panels = figure.subplots(1, 1 if shown is None else 2, squeeze=False)[0]
    place = np.arange(space.num_classes)
    for shift, (colour, (name, values)) in enumerate(zip(COLOURS, bars.items(), strict=False)):
        panels[0].barh(place + 0.38 * shift, np.nan_to_num(values), 0.36, color=colour, label=name)
    panels[0].set_yticks(place + 0.19, space.class_names, fontsize=6, parse_math=False)
    panels[0].invert_yaxis()
    panels[0].set_xlabel("pixels, %" if shown is None else "IoU, %")
    panels[0].legend(loc="lower right")
    if shown is not None:
        show_matrix(panels[1], shown.confusion, space.class_names, "", "predicted class", down="label")
    return figure
