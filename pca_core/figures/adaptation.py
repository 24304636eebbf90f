"""What adaptation did: a run step by step, an image before and after, nets side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from pca_core.comparison import OUTCOMES, ImageComparison, NetScore, overlay_outcome
from pca_core.figures.drawing import class_colours, fill_with_legend, lay_classes, show_image
from pca_core.figures.style import COLOURS, WIDTHS, image_height, new_figure
from pca_core.losses.names import within_sentence
from pca_core.runs.curves import trace_losses, trace_shares
from pca_core.runs.summary import SCORED_ON_LABELS, relative_to_first
from pca_core.types import LabelSpace


def draw_before_after(found: ImageComparison, space: LabelSpace) -> Figure:
    """An image, its segmentation by both nets, and the pixels that changed."""
    sample, shares = found.sample, found.shares()
    told = ", ".join(f"{share:.1%} {name}" for name, share in shares.items() if "right" in name or "wrong" in name)
    caption = f"{sample.name}: {found.changed_share:.1%} of pixels change" + (
        f"; {told}." if told else ", without labels to judge."
    )
    width = WIDTHS["double"]
    figure = new_figure(width, 2 * image_height(width, 2, sample.image, sample.image) + 0.8, caption)
    grid = figure.subplots(3, 2, height_ratios=[1, 1, 0.16])
    (image, changed), (before, after), last = grid
    show_image(image, sample.image, "Image")
    show_image(changed, overlay_outcome(found), "Changed pixels")
    for axes, classes, title in ((before, found.before, "Before"), (after, found.after, "After")):
        show_image(axes, sample.image, title)
        lay_classes(axes, sample.image, classes, space)
    legend = figure.add_subplot(last[0].get_gridspec()[2, :])
    for axes in last:
        axes.remove()
    outcomes = {
        name: colour for name, colour in OUTCOMES.values() if name in shares and not name.startswith(("stayed", "unchanged"))
    }
    fill_with_legend(legend, class_colours(space, found.before, found.after) | outcomes, 7)
    return figure


def draw_net_scores(scores: Sequence[NetScore], space: LabelSpace, num_images: int) -> Figure:
    """Class by class the IoU of several nets; without labels the share of pixels that each predicts."""
    is_scored = all(one.score is not None for one in scores)
    values = [one.score.iou if is_scored else 100 * one.class_shares for one in scores]
    names = [f"{one.name}: {one.score.miou:.1f} mIoU" if is_scored else one.name for one in scores]
    told = SCORED_ON_LABELS if is_scored else "There are no labels to score on."
    figure = new_figure(WIDTHS["double"], 2.5 + 0.14 * len(scores), f"{num_images} images. {told}")
    axes = figure.subplots()
    place, height = np.arange(space.num_classes), 0.8 / len(scores)
    for number, (name, one) in enumerate(zip(names, values, strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        axes.bar(place + (number + 0.5) * height - 0.4, np.nan_to_num(one), height, color=colour, label=name)
    axes.set_xticks(place, space.class_names, rotation=30, ha="right", fontsize=6.5, parse_math=False)
    axes.set_ylabel("IoU, %" if is_scored else "predicted pixels, %")
    legend = axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=1 if len(scores) > 3 else len(scores))
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def draw_run(records: Sequence[dict], title: str) -> Figure:
    """Loss terms as shares of their first value, and cycle-consistency rate, coverage and mIoU over the steps.

    Args:
        records: ``points`` of a :class:`~pca_core.runs.digest.Digest`, at least one.
        title: Method and seed.
    """
    figure = new_figure(WIDTHS["double"], 2.4, f"{title}, {records[-1]['step']} steps. Dotted: coverage. {SCORED_ON_LABELS}")
    losses, shares = figure.subplots(1, 2)
    for curve in trace_losses(records):
        colour, name = COLOURS[curve.place], within_sentence(curve.of)
        losses.plot(curve.steps, relative_to_first(curve.values), color=colour, lw=0.9, label=name)
    styles = {"rate": (0, "-", 0.9), "coverage": (0, ":", 0.9), "miou": (2, "o-", 1.6)}  # first colour, line, width
    for curve in trace_shares(records):
        first, style, width = styles[curve.kind]
        name = f"mIoU, {curve.of}" if curve.kind == "miou" else f"{curve.kind}, {curve.of}s"
        shares.plot(curve.steps, curve.values, style, color=COLOURS[first + curve.place], lw=width, ms=3, label=name)
    shares.set_ylim(0, 100)
    for axes, unit in ((losses, "loss, first value = 1"), (shares, "%")):
        axes.set_xlabel("step")
        axes.set_ylabel(unit)
        if axes.lines:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, fontsize=5.5)
    return figure
