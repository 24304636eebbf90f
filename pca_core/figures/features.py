"""What the net sees alike on both images, and how far the domains lie apart."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from pca_core.analysis.domain_gap import class_distances, measure_gap
from pca_core.analysis.embedding import embed, sample_pixels
from pca_core.analysis.projection import aggregate_target, colour_features
from pca_core.figures.drawing import add_legend, class_colours, show_image
from pca_core.figures.style import COLOURS, INK, WIDTHS, image_height, new_figure
from pca_core.figures.view import View
from pca_core.types import FeaturePair

METHODS = {"pca": "principal components", "tsne": "t-SNE", "spectral": "Laplacian eigenmaps"}


def _pair(view: View) -> tuple[FeaturePair, str]:
    """The features in question, and how to call them."""
    if view.switches.is_target_aggregated and view.analysis.config.alpha > 0:
        alpha = view.analysis.config.alpha
        return aggregate_target(view.analysis.pair, view.analysis.config), f"target aggregated, α = {alpha:g}"
    return view.analysis.pair, "features as the net gives them"


def draw_feature_colours(view: View) -> Figure:
    """Principal components of both feature maps as red, green and blue, in one basis."""
    pair, called = _pair(view)
    colours = colour_features(pair, is_unit=view.switches.is_unit)
    length = "direction only" if view.switches.is_unit else "direction and length"
    caption = (
        f"Alike colours are alike features, on either side: one basis, {colours.explained.sum():.0%} of the variance, {length}; "
        f"{called}."
    )
    width = WIDTHS["double"]
    height = image_height(width, 2, view.source.image, view.target.image)
    figure = new_figure(width, 2 * height + 0.3, caption)
    grid = figure.subplots(2, 2)
    show_image(grid[0, 0], view.source.image, f"Source: {view.source.name}")
    show_image(grid[0, 1], view.target.image, f"Target: {view.target.name}")
    show_image(grid[1, 0], colours.palette[colours.source], "Features of the source")
    show_image(grid[1, 1], colours.palette[colours.target], "Features of the target")
    return figure


def draw_feature_map(view: View) -> Figure:
    """Sampled pixels of both images on a plane, by class and by domain."""
    pair, called = _pair(view)
    sample, space = sample_pixels(pair), view.label_space
    if len(sample) < 5:
        return new_figure(WIDTHS["double"], 0.3, f"A map needs at least 5 feature pixels; these images have {len(sample)}.")
    points = embed(sample, view.switches.embedding)
    gap = measure_gap(pair, sample, space.num_classes)
    caption = (
        f"{len(sample):,} pixels, drawn evenly over classes, by {METHODS[view.switches.embedding]}; {called}. "
        f"Proxy A-distance {_show(gap.proxy_a_distance)}, MMD² {_show(gap.mmd)} ({_show(gap.mmd_by_chance)} by chance), "
        f"Fréchet distance {_show(gap.frechet)}."
    )
    figure = new_figure(WIDTHS["double"], 3.3, caption)
    by_class, by_domain = figure.subplots(1, 2)
    palette = np.array([*space.palette, (150, 150, 150)]) / 255
    colours = palette[np.minimum(sample.classes, space.num_classes)]
    for is_target, marker in ((False, "o"), (True, "D")):
        shown = sample.is_target == is_target
        by_class.scatter(*points[shown].T, s=5, c=colours[shown], marker=marker, edgecolors=INK, linewidths=0.15)
        name = "target" if is_target else "source"
        by_domain.scatter(*points[shown].T, s=4, color=COLOURS[is_target], marker=marker, label=name, linewidths=0, alpha=0.7)
    by_class.set_title("By class: ● source, ◆ target", loc="left")
    by_domain.set_title("By domain", loc="left")
    by_domain.legend(loc="best")
    add_legend(by_class, class_colours(space, sample.classes))
    for axes in (by_class, by_domain):
        axes.set_xticks([])
        axes.set_yticks([])
    return figure


def draw_class_distances(view: View) -> Figure:
    """Cosine distance between the mean features of each class on both images."""
    pair, called = _pair(view)
    distance, names = class_distances(pair, view.label_space.num_classes), view.label_space.class_names
    order = [int(one) for one in np.argsort(distance) if not math.isnan(distance[one])]
    judged = "labels" if pair.target_labels is not None else "predictions"
    caption = f"Classes of the target by {judged}; 0 points the same way, 1 is unrelated; {called}."
    figure = new_figure(WIDTHS["single"] * 1.2, 0.6 + 0.2 * max(len(order), 1), caption)
    axes = figure.subplots()
    axes.barh(
        [names[one] for one in order], distance[order], color=np.array([view.label_space.palette[one] for one in order]) / 255
    )
    axes.tick_params(axis="y", labelsize=6)
    axes.set_xlabel("cosine distance of class centroids")
    return figure


def _show(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "–"
