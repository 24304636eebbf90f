"""What the net sees alike on both images, and how far the domains lie apart."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from pca_core.analysis.domain_gap import class_distances, count_classes
from pca_core.analysis.embedding import FEWEST
from pca_core.figures.data import FigureData, Table, name_classes, split_pixels
from pca_core.figures.drawing import add_legend, class_colours, show_image
from pca_core.figures.style import COLOURS, INK, WIDTHS, image_height, new_figure
from pca_core.figures.view import View

METHODS = {"pca": "principal components", "tsne": "t-SNE", "spectral": "Laplacian eigenmaps"}


def _call(view: View) -> str:
    """What the features in question are called."""
    return (
        f"target aggregated, α = {view.analysis.config.alpha:g}"
        if view.is_target_aggregated
        else "features as the net gives them"
    )


def draw_feature_colours(view: View) -> Figure:
    """Principal components of both feature maps as red, green and blue, in one basis."""
    colours = view.colours
    length = "direction only" if view.switches.is_unit else "direction and length"
    caption = (
        f"Alike colours are alike features, on either side: one basis, {colours.explained.sum():.0%} of the variance, {length}; "
        f"{_call(view)}."
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


def feature_colours_data(view: View) -> FigureData:
    """Both maps as places in the palette."""
    colours = view.colours
    return FigureData(
        "(h, w) source and (h', w') target as places in palette, (256, 3) RGB; share of variance of each component",
        {"source": colours.source, "target": colours.target, "palette": colours.palette, "explained": colours.explained},
        {
            "feature_colours": Table(
                "a principal component: its colour, and the share of the variance that it holds",
                {"component": [1, 2, 3], "colour": ["red", "green", "blue"], "explained": colours.explained},
            )
        },
    )


def draw_feature_map(view: View) -> Figure:
    """Sampled pixels of both images on a plane, by class and by domain."""
    sample, space = view.sample, view.label_space
    if len(sample) < FEWEST:
        return new_figure(
            WIDTHS["double"], 0.3, f"A map needs at least {FEWEST} feature pixels; these images have {len(sample)}."
        )
    points, gap = view.points, view.gap
    caption = (
        f"{len(sample):,} pixels, drawn evenly over classes, by {METHODS[view.switches.embedding]}; {_call(view)}. "
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


def feature_map_data(view: View) -> FigureData:
    """The sampled pixels and where they lie on the map, and the domain gap; nothing where there are too few for a map."""
    sample = view.sample
    if len(sample) < FEWEST:
        return FigureData()
    points, gap, pair = view.points, view.gap, view.features
    places = {
        name: np.where(sample.is_target, target, source)
        for (name, source), target in zip(
            split_pixels(sample.index, pair.source_size).items(),
            split_pixels(sample.index, pair.target_size).values(),
            strict=True,
        )
    }
    pixels = {
        "image": np.where(sample.is_target, "target", "source"),
        **places,
        "class": name_classes(view.label_space, sample.classes),
        "x": points[:, 0],
        "y": points[:, 1],
    }
    numbers = ("proxy_a_distance", "mmd", "mmd_by_chance", "frechet", "frechet_by_mean")
    return FigureData(
        "(M, 2) points of the sampled pixels on the map; (M,) is_target, flat feature pixel, class (255: none)",
        {
            "points": points,
            "is_target": sample.is_target,
            "index": sample.index,
            "classes": sample.classes,
            "method": np.array(view.switches.embedding),
        },
        {
            "feature_map": Table(
                f"a sampled pixel, its class and place on the map by {METHODS[view.switches.embedding]}", pixels
            ),
            "feature_map_gap": Table(
                "a measure of the domain gap", {"measure": numbers, "value": [getattr(gap, name) for name in numbers]}
            ),
        },
    )


def draw_class_distances(view: View) -> Figure:
    """Cosine distance between the mean features of each class on both images."""
    pair = view.features
    distance, names = class_distances(pair, view.label_space.num_classes), view.label_space.class_names
    order = [int(one) for one in np.argsort(distance) if not math.isnan(distance[one])]
    judged = "labels" if pair.target_labels is not None else "predictions"
    caption = f"Classes of the target by {judged}; 0 points the same way, 1 is unrelated; {_call(view)}."
    figure = new_figure(WIDTHS["single"] * 1.2, 0.6 + 0.2 * max(len(order), 1), caption)
    axes = figure.subplots()
    axes.barh(
        [names[one] for one in order], distance[order], color=np.array([view.label_space.palette[one] for one in order]) / 255
    )
    axes.tick_params(axis="y", labelsize=6)
    axes.set_xlabel("cosine distance of class centroids")
    return figure


def class_distances_data(view: View) -> FigureData:
    """Every class, those that lack on a side too."""
    pair, space = view.features, view.label_space
    distance, (source, target) = class_distances(pair, space.num_classes), count_classes(pair, space.num_classes)
    columns = {"class": space.class_names, "distance": distance, "source_pixels": source, "target_pixels": target}
    return FigureData(
        "(K,) cosine distance of the class centroids, NaN where a class lacks on a side; (2, K) feature pixels of each class",
        {"distance": distance, "pixels": np.stack([source, target]), "class_names": np.array(space.class_names)},
        {"class_distances": Table("a class: cosine distance of its centroids, and its feature pixels on both sides", columns)},
    )


def _show(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "–"
