"""All pixel pairs of an image pair: maps, lines, flows and how similarities spread."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from pca_core.analysis.pair_summary import count_by_verdict, coverage_map, make_edges, total_pairs
from pca_core.analysis.pairs import count_pair_flow, thin_pairs
from pca_core.figures.drawing import (
    centre,
    draw_lines,
    lay_codes,
    lay_values,
    show_image,
    show_matrix,
    show_side_by_side,
)
from pca_core.figures.style import WIDTHS, image_height, new_figure
from pca_core.figures.view import View
from pca_core.render import COVERAGE, UNLABELLED, VERDICTS, hubness_map, list_verdicts, verdict_map

GAP = 12  # pixels between the two images
FLOW_AXES = {
    "label": "class of j* by its label",
    "prediction": "class of j* by prediction",
    "cycle": "class after the cycle (i*)",
}


def draw_maps(view: View) -> Figure:
    """Verdicts and margins on the source, coverage and hubs on the target."""
    found, totals = view.analysis.association, total_pairs(view.analysis)
    caption = (
        f"{totals.rate:.1%} of labelled source pixels close their cycle; they are matched with {totals.coverage:.1%} of target "
        f"pixels, and the 1 % most claimed hold {totals.hub_share:.0%} of all claims. {view.describe_config()}."
    )
    width = WIDTHS["double"]
    figure = new_figure(width, 2 * (image_height(width, 2, view.source.image, view.target.image) + 0.5), caption)
    (verdict, coverage), (margin, hubs) = figure.subplots(2, 2)
    show_image(verdict, view.source.image, "Source: verdict")
    codes = verdict_map(found, view.analysis.pair.source_labels)
    lay_codes(verdict, view.source.image, codes, list_verdicts(codes))
    show_image(coverage, view.target.image, "Target: coverage")
    lay_codes(coverage, view.target.image, coverage_map(found), COVERAGE)
    show_image(margin, view.source.image, "Source: margin")
    margins = found.margin.reshape(found.source_size).float().cpu().numpy()
    lay_values(margin, view.source.image, np.where(np.isfinite(margins), margins, 0), "first less second candidate")
    show_image(hubs, view.target.image, "Target: hubs")
    lay_values(hubs, view.target.image, hubness_map(found), "source pixels that claim it", is_log=True)
    return figure


def draw_pairs(view: View) -> Figure:
    """Pairs of pixels as lines between both images."""
    switches = view.switches
    pairs = view.pairs
    drawn = thin_pairs(pairs, switches.lines)
    means = (
        "Blue-green cycles close, orange ones break" + (", yellow ones are not mutual." if view.analysis.config.mutual else ".")
        if switches.line_colour == "verdict"
        else "Colour: class of i."
    )
    caption = (
        f"{len(drawn):,} of {len(pairs):,} pairs that pass the filter ({len(view.analysis.association.target_index):,} in all), "
        f"spread evenly. {means} {view.describe_config()}."
    )
    width = WIDTHS["double"]
    figure = new_figure(width, image_height(width, 2, view.source.image, view.target.image) + 0.1, caption)
    axes = figure.subplots()
    left = show_side_by_side(axes, view.source.image, view.target.image, GAP)
    start = centre(drawn.source_index, view.analysis.pair.source_size, view.source.image)
    end = centre(drawn.target_index, view.analysis.pair.target_size, view.target.image) + np.array([left, 0])
    palette = np.array([*view.label_space.palette, UNLABELLED]) / 255
    classes = np.minimum(drawn.own_class, view.label_space.num_classes)
    verdicts = np.array(list(VERDICTS.values())) / 255
    colours = palette[classes] if switches.line_colour == "class" else verdicts[drawn.verdict]
    draw_lines(axes, start, end, colours)
    return figure


def draw_flow(view: View) -> Figure:
    """Class × class: where each class is matched, and where its cycles end."""
    pairs, space = view.pairs, view.label_space
    flows = list(dict.fromkeys((view.switches.flow, "cycle")))
    width = WIDTHS["double"] if len(flows) == 2 else WIDTHS["single"] * 1.3
    caption = (
        f"Shares of each row over {len(pairs):,} pairs; pairs with an unlabelled end do not count. {view.describe_config()}."
    )
    figure = new_figure(width, width / len(flows) * 0.95, caption)
    for axes, flow in zip(figure.subplots(1, len(flows), squeeze=False).flat, flows, strict=True):
        show_matrix(axes, count_pair_flow(pairs, flow, space.num_classes), space.class_names, "", FLOW_AXES[flow])
    return figure


def draw_histograms(view: View) -> Figure:
    """Similarity and margin of all pairs that pass the filter, split by verdict."""
    pairs = view.pairs
    unit = "cosine" if view.analysis.config.level == "feature" else "−KL, nats"
    figure = new_figure(WIDTHS["double"], 2.1, f"{len(pairs):,} pairs by how their cycle ends. {view.describe_config()}.")
    spreads = {f"Similarity D(i, j*), {unit}": pairs.similarity, "Margin: first less second candidate": pairs.margin}
    for axes, (title, values) in zip(figure.subplots(1, 2, sharey=True), spreads.items(), strict=True):
        edges = make_edges(values)
        counts = count_by_verdict(values, pairs.verdict, edges)
        below = np.zeros(len(edges) - 1)
        for (name, colour), row in zip(list_verdicts(pairs.verdict).items(), counts, strict=False):
            axes.bar(edges[:-1], row, np.diff(edges), below, align="edge", color=np.array(colour) / 255, label=name)
            below += row
        axes.set_xlabel(title)
    figure.axes[0].set_ylabel("pairs")
    figure.axes[0].legend(loc="upper left")
    return figure
