"""One pixel's story: its cycle on both images, and where each variant of the similarity sends it."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pca_core.association import describe_trace, explain_pixel
from pca_core.association.rows import make_row
from pca_core.association.traces import PixelTrace, Stage, TargetTrace
from pca_core.figures.data import FigureData, Table
from pca_core.figures.drawing import BLUE, ORANGE, centre, connect, lay_values, mark, show_image
from pca_core.figures.style import INK, WIDTHS, image_height, new_figure
from pca_core.figures.view import View

CLAIMS_DRAWN = 40
STAGE_ENDS = {"consistent": "closes", "inconsistent": "breaks", "not_mutual": "not mutual", "unlabelled": "j*"}
STAGE_TITLES = {
    "cosine": "Cosine of the features",
    "normalised": "Contrast-normalised",
    "aggregated": "Aggregated features",
    "prediction": "Aggregated predictions",
}


def draw_trace(view: View) -> Figure:
    """i → j* → i* with the similarity map that decides it; from a target pixel, who claims it and where it leads back."""
    side, index = view.pixel
    trace = explain_pixel(view.analysis, index, side, with_soft_cycle=False)
    story = describe_trace(trace, view.label_space.class_names)
    width = WIDTHS["double"]
    figure = new_figure(width, image_height(width, 2, view.source.image, view.target.image) + 0.5, f"{story} {_terms(view)}")
    source_axes, target_axes = figure.subplots(1, 2)
    show_image(source_axes, view.source.image, f"Source: {view.source.name}")
    show_image(target_axes, view.target.image, f"Target: {view.target.name}")
    unit = "cosine" if trace.level == "feature" else "−KL, nats"
    if isinstance(trace, PixelTrace):
        lay_values(source_axes, view.source.image, trace.return_map, f"similarity of j* to source pixels, {unit}")
        lay_values(target_axes, view.target.image, trace.similarity_map, f"similarity of i to target pixels, {unit}")
        _draw_source_story(figure, (source_axes, target_axes), view, trace)
    else:
        lay_values(source_axes, view.source.image, trace.similarity_map, f"similarity of j to source pixels, {unit}")
        lay_values(target_axes, view.target.image, trace.aggregation_times_uniform, "j borrows from, × uniform", is_log=True)
        _draw_target_story(figure, (source_axes, target_axes), view, trace)
    return figure


def _terms(view: View) -> str:
    return f"Solid: i → j*. Dotted: the way back. Blue is cycle-consistent, orange is not. {view.describe_config()}."


def _draw_source_story(figure: Figure, axes: tuple[Axes, Axes], view: View, trace: PixelTrace) -> None:
    start = centre(trace.index, view.analysis.pair.source_size, view.source.image)
    match = centre(trace.match.index, view.analysis.pair.target_size, view.target.image)
    home = centre(trace.way_back.index, view.analysis.pair.source_size, view.source.image)
    closes = trace.verdict == "consistent"
    for place, candidate in enumerate(trace.candidates, 1):
        if candidate.index != trace.match.index:
            spot = centre(candidate.index, view.analysis.pair.target_size, view.target.image)
            axes[1].plot(*spot, "o", ms=3, mfc="white", mec=INK, mew=0.6)
            axes[1].annotate(str(place), spot, (3, -7), textcoords="offset points", fontsize=5, color="white")
    connect(figure, axes[0], start, axes[1], match, closes=closes, is_return=False)
    connect(figure, axes[1], match, axes[0], home, closes=closes, is_return=True)
    colour = BLUE if closes else ORANGE
    mark(axes[0], start, "i", colour)
    mark(axes[1], match, "j*", colour)
    if trace.way_back.index != trace.index:
        mark(axes[0], home, "i*", colour)


def _draw_target_story(figure: Figure, axes: tuple[Axes, Axes], view: View, trace: TargetTrace) -> None:
    here = centre(trace.index, view.analysis.pair.target_size, view.target.image)
    for claim in trace.claims[:CLAIMS_DRAWN]:
        spot = centre(claim.source.index, view.analysis.pair.source_size, view.source.image)
        closes = claim.verdict == "consistent"
        axes[0].plot(*spot, "o", ms=3.2, mfc=BLUE if closes else ORANGE, mec="white", mew=0.6)
        connect(figure, axes[0], spot, axes[1], here, closes=closes, is_return=False, width=0.6)
    closes = any(claim.verdict == "consistent" for claim in trace.claims)
    home = centre(trace.way_back.index, view.analysis.pair.source_size, view.source.image)
    connect(figure, axes[1], here, axes[0], home, closes=closes, is_return=True)
    mark(axes[1], here, "j", BLUE if closes else ORANGE)
    mark(axes[0], home, "i*", BLUE if closes else ORANGE)


def draw_stages(view: View) -> Figure:
    """The stage ladder: the map that each variant of the similarity sees, and the target pixel that it picks."""
    trace = explain_pixel(view.analysis, _source_pixel(view), "source", with_soft_cycle=False)
    own = "unlabelled" if trace.label is None else view.label_space.class_names[trace.label]
    caption = (
        f"Source pixel ({trace.row}, {trace.column}), {own}, under each variant of the similarity, always with its first choice. "
        "Normalising moves probabilities, never the match; aggregation and predictions can flip it."
    )
    width = WIDTHS["double"]
    rows = -(-len(trace.stages) // 2)
    height = rows * (image_height(width, 2, view.target.image, view.target.image) + 0.62)
    figure = new_figure(width, height, caption)
    for axes, stage in zip(figure.subplots(rows, 2, squeeze=False).flat, trace.stages, strict=False):
        _draw_stage(axes, view, trace, stage)
    for axes in figure.axes[: 2 * rows][len(trace.stages) :]:
        axes.set_axis_off()
    return figure


def _source_pixel(view: View) -> int:
    """The pixel in question; for a target pixel the one that it leads back to."""
    side, index = view.pixel
    return index if side == "source" else int(view.analysis.association.target_return_index[index])


def stages_data(view: View) -> FigureData:
    """The map that each rung sees, and what it picks."""
    trace = explain_pixel(view.analysis, _source_pixel(view), "source", with_soft_cycle=False)
    names = view.label_space.class_names
    columns = {
        "stage": [stage.name for stage in trace.stages],
        "alpha": [stage.alpha for stage in trace.stages],
        "margin": [stage.margin for stage in trace.stages],
        "verdict": [stage.verdict for stage in trace.stages],
        "is_flip": [stage.is_flip for stage in trace.stages],
    }
    for name, pixels in (("match", [one.match for one in trace.stages]), ("return", [one.way_back for one in trace.stages])):
        columns |= {f"{name}_row": [one.row for one in pixels], f"{name}_column": [one.column for one in pixels]}
        for what, classes in (("label", [one.label for one in pixels]), ("predicted", [one.predicted for one in pixels])):
            columns[f"{name}_{what}"] = [None if one is None else names[one] for one in classes]
    return FigureData(
        "(h', w') of the target: the similarity that each rung of the ladder gives; cosine, then standard deviations of the row",
        {"i": np.array(trace.index)} | {stage.name: _stage_map(view, trace, stage)[0] for stage in trace.stages},
        {"stages": Table("a rung of the ladder of source pixel i: what it picks, and where that leads back", columns)},
    )


def _stage_map(view: View, trace: PixelTrace, stage: Stage) -> tuple[np.ndarray, str]:
    """(h', w') float32 similarity under a rung, and its unit."""
    level, is_normalised = ("prediction" if stage.name == "prediction" else "feature"), stage.name != "cosine"
    forward, _ = view.analysis.directions(level, stage.alpha, is_normalised)
    row = make_row(forward, trace.index)
    values, unit = (
        (row.similarity_N, "cosine") if stage.name == "cosine" else (row.normalised_N, "standard deviations of the row")
    )
    return values.reshape(view.analysis.pair.target_size).float().cpu().numpy(), unit


def _draw_stage(axes: Axes, view: View, trace: PixelTrace, stage: Stage) -> None:
    values, unit = _stage_map(view, trace, stage)
    names = view.label_space.class_names
    met = stage.match.label if stage.match.label is not None else stage.match.predicted
    where = f"({stage.match.row}, {stage.match.column})" + ("" if met is None else f" {names[met]}")
    show_image(axes, view.target.image, f"{STAGE_TITLES[stage.name]}: {where}{', flips' if stage.is_flip else ''}")
    lay_values(axes, view.target.image, values, unit)
    closes = stage.verdict == "consistent"
    spot = centre(stage.match.index, view.analysis.pair.target_size, view.target.image)
    mark(axes, spot, STAGE_ENDS[stage.verdict], BLUE if closes else ORANGE)
