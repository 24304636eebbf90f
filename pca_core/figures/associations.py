"""All pixel pairs of an image pair: maps, lines, flows and how similarities spread."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from pca_core.analysis.pair_summary import count_by_verdict, coverage_map, make_edges, total_pairs
from pca_core.analysis.pairs import VERDICT_CODES, Flow, count_pair_flow, thin_pairs
from pca_core.figures.data import FigureData, Table
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


def maps_data(view: View) -> FigureData:
    """The four maps, and what the codes of two of them stand for."""
    found = view.analysis.association
    codes = {"verdict": verdict_map(found, view.analysis.pair.source_labels), "coverage": coverage_map(found)}
    names = {"verdict": list(VERDICTS), "coverage": list(COVERAGE)}
    rows = [
        (name, code, meaning, int((codes[name] == code).sum()))
        for name, meanings in names.items()
        for code, meaning in enumerate(meanings)
    ]
    columns = dict(zip(("map", "code", "meaning", "pixels"), zip(*rows, strict=True), strict=True))
    return FigureData(
        "(h, w) verdict codes and margin of the source, (h', w') coverage codes and hubs (source pixels that claim it)",
        {**codes, "margin": found.margin.reshape(found.source_size).float().cpu().numpy(), "hubs": hubness_map(found)},
        {
            "association_maps": Table(
                "a code of the maps verdict and coverage, what it means and how many pixels have it", columns
            )
        },
    )


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


def pairs_data(view: View) -> FigureData:
    """The lines that are drawn; ``tables/pairs.csv`` of a bundle has all pairs that pass the filter."""
    drawn = thin_pairs(view.pairs, view.switches.lines)
    return FigureData(
        "(M,) of the lines that are drawn: flat pixels i, j* and i*, similarity, class of i (255: none), verdict as code",
        {
            name: getattr(drawn, name)
            for name in ("source_index", "target_index", "return_index", "similarity", "own_class", "verdict")
        }
        | {"verdict_names": np.array(VERDICT_CODES)},
    )


def _flows(view: View) -> list[Flow]:
    """Those that are shown: the one in question, and where cycles end."""
    return list(dict.fromkeys((view.switches.flow, "cycle")))


def draw_flow(view: View) -> Figure:
    """Class × class: where each class is matched, and where its cycles end."""
    pairs, space = view.pairs, view.label_space
    flows = _flows(view)
    width = WIDTHS["double"] if len(flows) == 2 else WIDTHS["single"] * 1.3
    caption = (
        f"Shares of each row over {len(pairs):,} pairs; pairs with an unlabelled end do not count. {view.describe_config()}."
    )
    figure = new_figure(width, width / len(flows) * 0.95, caption)
    for axes, flow in zip(figure.subplots(1, len(flows), squeeze=False).flat, flows, strict=True):
        show_matrix(axes, count_pair_flow(pairs, flow, space.num_classes), space.class_names, "", FLOW_AXES[flow])
    return figure


def flow_data(view: View) -> FigureData:
    """Pairs by own class and the class that they lead to; the figure shows shares of rows."""
    pairs, names = view.pairs, view.label_space.class_names
    counts = {flow: count_pair_flow(pairs, flow, len(names)) for flow in _flows(view)}
    columns = {
        "flow": [flow for flow in counts for _ in names],
        "own_class": [*names] * len(counts),
        **{f"to {name}": np.concatenate([one[:, place] for one in counts.values()]) for place, name in enumerate(names)},
    }
    return FigureData(
        "(K, K) pairs by own class (row) and class that they lead to (column): by label or prediction of j*, or after the cycle",
        counts | {"class_names": np.array(names)},
        {"flow": Table("pairs of an own class by the class that they lead to, one column a class", columns)},
    )


def draw_histograms(view: View) -> Figure:
    """Similarity and margin of all pairs that pass the filter, split by verdict."""
    pairs = view.pairs
    unit = "cosine" if view.analysis.config.level == "feature" else "−KL, nats"
    figure = new_figure(WIDTHS["double"], 2.1, f"{len(pairs):,} pairs by how their cycle ends. {view.describe_config()}.")
    spreads = {f"Similarity D(i, j*), {unit}": pairs.similarity, "Margin: first less second candidate": pairs.margin}
    for axes, (title, values) in zip(figure.subplots(1, 2, sharey=True), spreads.items(), strict=True):
        edges, counts = _bin(values, pairs.verdict)
        below = np.zeros(len(edges) - 1)
        for (name, colour), row in zip(list_verdicts(pairs.verdict).items(), counts, strict=False):
            axes.bar(edges[:-1], row, np.diff(edges), below, align="edge", color=np.array(colour) / 255, label=name)
            below += row
        axes.set_xlabel(title)
    figure.axes[0].set_ylabel("pairs")
    figure.axes[0].legend(loc="upper left")
    return figure


def histograms_data(view: View) -> FigureData:
    """Edges of the bins, and pairs in each by verdict."""
    pairs = view.pairs
    bins = {name: _bin(getattr(pairs, name), pairs.verdict) for name in ("similarity", "margin")}
    arrays = {f"{name}_{what}": one for name, found in bins.items() for what, one in zip(("edges", "counts"), found, strict=True)}
    columns = {
        "value": [name for name, (edges, _) in bins.items() for _ in edges[1:]],
        "low": np.concatenate([edges[:-1] for edges, _ in bins.values()]),
        "high": np.concatenate([edges[1:] for edges, _ in bins.values()]),
        **{name: np.concatenate([counts[code] for _, counts in bins.values()]) for code, name in enumerate(VERDICT_CODES)},
    }
    return FigureData(
        "(B + 1,) edges and (4, B) pairs in each bin by verdict, of similarity and margin; the end bins hold what lies beyond",
        arrays | {"verdict_names": np.array(VERDICT_CODES)},
        {"histograms": Table("a bin of similarity or margin, and the pairs in it by verdict", columns)},
    )


def _bin(values: np.ndarray, verdict: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    edges = make_edges(values)
    return edges, count_by_verdict(values, verdict, edges)
