"""What the net sees in both images, how sure it is, and how right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pca_core.analysis.calibration import NUM_BINS
from pca_core.analysis.segmentation import SegmentedImage
from pca_core.analysis.spreading import reference_alpha
from pca_core.figures.data import FigureData, Table
from pca_core.figures.drawing import (
    class_colours,
    fill_with_legend,
    lay_classes,
    lay_values,
    paint_codes,
    show_image,
    show_matrix,
)
from pca_core.figures.style import COLOURS, WIDTHS, image_height, new_figure
from pca_core.figures.view import Inference, View
from pca_core.render import ERRORS
from pca_core.types import Domain, LabelSpace, Sample


def _inference(view: View) -> str:
    alpha = reference_alpha(view.analysis.config)
    return "plain inference" if view.switches.inference == "plain" else f"aggregated inference, α = {alpha:g}"


def draw_segmentation(view: View) -> Figure:
    """Label, prediction, errors and entropy of both images; confidence where there is no label to err against."""
    found = view.segmented
    told = [
        f"{name} {one.score.miou:.1f} mIoU, {one.score.pixel_accuracy:.1f} % right"
        for name, one in zip(("source", "target"), found, strict=True)
        if one.score is not None
    ]
    caption = f"Upper row source, lower row target; {_inference(view)}. " + ("; ".join(told) or "No labels to judge by") + "."
    width = WIDTHS["double"]
    height = image_height(width, 4, view.source.image, view.target.image)
    figure = new_figure(width, 2 * height + 1.7, caption)
    grid = figure.subplots(3, 4, height_ratios=[1, 1, 0.24])
    for row, sample, one in zip(grid, (view.source, view.target), found, strict=False):
        _draw_row(row, sample, one, view.label_space)
    legend = figure.add_subplot(grid[2, 0].get_gridspec()[2, :])
    for axes in grid[2]:
        axes.remove()
    maps = [one for each in found for one in (each.class_map, each.label_map) if one is not None]
    fill_with_legend(legend, class_colours(view.label_space, *maps) | ERRORS, 7)
    return figure


def _each(view: View) -> list[tuple[Domain, Inference, SegmentedImage]]:
    """Both images by both inferences."""
    ways: dict[Inference, tuple[SegmentedImage, SegmentedImage]] = {
        "plain": view.segmented_plain,
        "aggregated": view.segmented_aggregated,
    }
    return [(side, way, found[place]) for place, side in enumerate(("source", "target")) for way, found in ways.items()]


def segmentation_data(view: View) -> FigureData:
    """The maps by both inferences, whichever is shown, and the numbers of each image."""
    each = _each(view)
    arrays = {
        f"{side}_{way}_{name}": getattr(one, name)
        for side, way, one in each
        for name in ("class_map", "confidence", "entropy", "margin", "error_map")
    }
    arrays |= {f"{side}_label_map": one.label_map for side, _, one in each}
    columns = {
        "image": [side for side, _, _ in each],
        "inference": [way for _, way, _ in each],
        "miou": [one.score and one.score.miou for _, _, one in each],
        "pixel_accuracy": [one.score and one.score.pixel_accuracy for _, _, one in each],
        **{name: [getattr(one, name) for _, _, one in each] for name in ("mean_confidence", "mean_entropy", "mean_margin")},
        "calibration_error": [one.reliability and one.reliability.error for _, _, one in each],
    }
    return FigureData(
        "(m, n) of each image, at most 40,000 pixels, by plain and by aggregated inference: predicted class, confidence, entropy "
        "(share of log K), margin, and with labels those and the error (0 right, 1 wrong, 2 unlabelled)",
        {name: one for name, one in arrays.items() if one is not None} | {"class_names": np.array(view.label_space.class_names)},
        {"segmentation": Table("an image by an inference: mIoU and accuracy in %, means and calibration error 0-1", columns)},
    )


def _draw_row(row: Sequence[Axes], sample: Sample, found: SegmentedImage, space: LabelSpace) -> None:
    has_labels = found.label_map is not None
    titles = ("Label" if has_labels else "No label", "Prediction", "Error" if has_labels else "Confidence", "Entropy")
    for axes, title in zip(row, titles, strict=True):
        show_image(axes, sample.image, f"{sample.domain.capitalize()}: {title.lower()}")
    lay_classes(row[1], sample.image, found.class_map, space)
    lay_values(row[3], sample.image, found.entropy, "share of log K", limits=(0, 1))
    if has_labels:
        lay_classes(row[0], sample.image, found.label_map, space)
        paint_codes(row[2], sample.image, found.error_map, ERRORS)
    else:
        lay_values(row[2], sample.image, found.confidence, "probability of the prediction", limits=(0, 1))


def draw_reliability(view: View) -> Figure:
    """Accuracy over confidence on the images with labels, and how many pixels each bin of confidence holds."""
    known = {name: one.reliability for name, one in zip(("source", "target"), view.segmented, strict=True) if one.reliability}
    if not known:
        return new_figure(WIDTHS["double"], 0.3, "Neither image has labels to hold confidence against.")
    told = "; ".join(
        f"{name} {one.mean_confidence:.0%} sure, {one.mean_accuracy:.0%} right, calibration error {one.error:.1%}"
        for name, one in known.items()
    )
    caption = f"Labelled pixels in {NUM_BINS} bins by confidence, {_inference(view)}: {told}."
    figure = new_figure(WIDTHS["double"], 2.6, caption)
    curve, bars = figure.subplots(1, 2)
    curve.plot([0, 100], [0, 100], color="#999", lw=0.8, ls=":", label="as sure as right")
    width = 100 / NUM_BINS
    for shift, (colour, (name, one)) in enumerate(zip(COLOURS, known.items(), strict=False)):
        is_filled = one.count > 0
        curve.plot(100 * one.confidence[is_filled], 100 * one.accuracy[is_filled], "o-", color=colour, ms=3, lw=1.2, label=name)
        place = width * (np.arange(NUM_BINS) + 0.5 + 0.42 * (shift - (len(known) - 1) / 2))
        bars.bar(place, 100 * one.count / one.count.sum(), 0.4 * width, color=colour, label=name)
    for axes, across, up in (
        (curve, "mean confidence of the bin, %", "predicted right, %"),
        (bars, "confidence, %", "labelled pixels, %"),
    ):
        axes.set_xlim(0, 103)
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        axes.legend(loc="upper left")
    curve.set_ylim(0, 103)
    return figure


def reliability_data(view: View) -> FigureData:
    """The bins by both inferences; nothing without labels."""
    judged = [(side, way, one.reliability) for side, way, one in _each(view) if one.reliability is not None]
    if not judged:
        return FigureData()
    columns = {
        "image": [side for side, _, _ in judged for _ in range(NUM_BINS)],
        "inference": [way for _, way, _ in judged for _ in range(NUM_BINS)],
        "low": [*(np.arange(NUM_BINS) / NUM_BINS)] * len(judged),
        "high": [*((np.arange(NUM_BINS) + 1) / NUM_BINS)] * len(judged),
        "pixels": np.concatenate([one.count for _, _, one in judged]),
        "confidence": np.concatenate([one.confidence for _, _, one in judged]),
        "accuracy": np.concatenate([one.accuracy for _, _, one in judged]),
    }
    return FigureData(
        tables={"reliability": Table("a bin of confidence of an image by an inference: labelled pixels, means 0-1", columns)}
    )


def draw_scores(view: View) -> Figure:
    """IoU class by class on both images, and the confusion of the target where it has labels."""
    found, space = view.segmented, view.label_space
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


def scores_data(view: View) -> FigureData:
    """Class by class by both inferences; IoU and confusion of the images with labels."""
    names, each = view.label_space.class_names, _each(view)
    columns = {
        "image": [side for side, _, _ in each for _ in names],
        "inference": [way for _, way, _ in each for _ in names],
        "class": [*names] * len(each),
        "iou": np.concatenate([np.full(len(names), np.nan) if one.score is None else one.score.iou for _, _, one in each]),
        "predicted_share": np.concatenate([one.class_shares for _, _, one in each]),
    }
    tables = {"scores": Table("a class on an image by an inference: IoU in %, share of pixels that it is predicted for", columns)}
    judged = [(side, way, one.confusion) for side, way, one in each if one.confusion is not None]
    if judged:
        counts = {
            "image": [side for side, _, _ in judged for _ in names],
            "inference": [way for _, way, _ in judged for _ in names],
            "label": [*names] * len(judged),
            **{f"as {name}": np.concatenate([one[:, place] for _, _, one in judged]) for place, name in enumerate(names)},
        }
        tables["scores_confusion"] = Table("pixels of a label by predicted class, one column a class", counts)
    arrays = {f"{side}_{way}_confusion": one for side, way, one in judged} | {"class_names": np.array(names)}
    return FigureData("(K, K) pixels by label (row) and predicted class (column)", arrays if judged else {}, tables)
