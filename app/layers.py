"""Results of the core as layers, markers and arrows of the linked images."""

from __future__ import annotations

import numpy as np

from app.components.linked_images import Layer, Link, Marker, Side
from pca_core.association.traces import PixelTrace, TargetTrace
from pca_core.render import VERDICTS, hubness_map, scale_values, verdict_map
from pca_core.types import Association, FeaturePair, LabelSpace

MAX_CLAIMS_DRAWN = 40


def value_layer(name: str, title: str, side: Side, values: np.ndarray, unit: str, *, is_log: bool = False) -> Layer:
    """A float map in viridis, scaled to its own range; the range is in the legend."""
    low, high = float(values.min()), float(values.max())
    legend = (_number(low), f"{_number(high)} {unit}" + (" (log scale)" if is_log else ""))
    return Layer(
        name,
        title,
        side,
        scale_values(values, is_log=is_log),
        legend=legend,
        value_range=None if is_log else (low, high),
    )


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def class_layer(name: str, title: str, side: Side, ids: np.ndarray, space: LabelSpace) -> Layer:
    """A class map in the palette of the data set; unlabelled pixels stay clear. The legend names the classes that occur."""
    palette, alpha = np.zeros((256, 3), np.uint8), np.zeros(256, np.uint8)
    palette[: space.num_classes], alpha[: space.num_classes] = space.palette, 255
    present = [index for index in np.unique(ids) if index < space.num_classes]
    legend = tuple((space.class_names[index], space.palette[index]) for index in present)
    return Layer(name, title, side, ids.astype(np.uint8), palette, alpha, legend, value_names=space.class_names)


def verdict_layer(association: Association) -> Layer:
    """Source pixels by verdict."""
    palette, alpha = np.zeros((256, 3), np.uint8), np.zeros(256, np.uint8)
    palette[: len(VERDICTS)], alpha[: len(VERDICTS)] = list(VERDICTS.values()), 255
    legend = tuple(VERDICTS.items())
    return Layer("verdicts", "Verdicts", "source", verdict_map(association), palette, alpha, legend, value_names=tuple(VERDICTS))


def pair_layers(pair: FeaturePair, association: Association, space: LabelSpace) -> list[Layer]:
    """Layers that do not depend on a pixel."""
    layers = [class_layer("labels", "Labels", "source", pair.source_labels.cpu().numpy(), space)]
    if pair.target_labels is not None:
        layers.append(class_layer("labels", "Labels", "target", pair.target_labels.cpu().numpy(), space))
    for side, prediction in (("source", pair.source_prediction), ("target", pair.target_prediction)):
        layers.append(class_layer("prediction", "Prediction", side, prediction.cpu().numpy(), space))
    layers.append(verdict_layer(association))
    layers.append(value_layer("hubs", "Hubs", "target", hubness_map(association), "source pixels claim it", is_log=True))
    return layers


def trace_layers(trace: PixelTrace | TargetTrace) -> list[Layer]:
    """Layers of one pixel; a heat map lies on the side that the pixel looks at. The same buttons for both sides: none moves."""
    unit = "cosine" if trace.level == "feature" else "−KL, nats"
    weights = trace.aggregation_times_uniform
    aggregation = value_layer("aggregation", "Borrows from", "target", weights, "× uniform", is_log=True)
    if isinstance(trace, TargetTrace):
        absent = {"side": "target", "values": None, "reason": "For a source pixel: click one"}
        return [
            Layer("similarity", "Similarity to i", **absent),
            Layer("probability", "p(j | i)", **absent),
            aggregation,
            value_layer("similarity", "Similarity to j", "source", trace.similarity_map, unit),
        ]
    return [
        value_layer("similarity", "Similarity to i", "target", trace.similarity_map, unit),
        value_layer("probability", "p(j | i)", "target", trace.probability_map, "× uniform", is_log=True),
        aggregation,
        value_layer("similarity", "Similarity to j", "source", trace.return_map, unit),
    ]


def trace_marks(trace: PixelTrace | TargetTrace) -> tuple[list[Marker], list[Link]]:
    """Markers and arrows of one pixel's story."""
    return _target_marks(trace) if isinstance(trace, TargetTrace) else _source_marks(trace)


def _source_marks(trace: PixelTrace) -> tuple[list[Marker], list[Link]]:
    start, match, home = ("source", trace.index), ("target", trace.match.index), ("source", trace.way_back.index)
    is_closed = trace.verdict == "consistent"
    markers = [
        Marker("target", candidate.index, "candidate", str(place))
        for place, candidate in enumerate(trace.candidates, 1)
        if candidate.index != trace.match.index
    ]
    links = [Link(start, ("target", marker.index), "candidate", is_closed) for marker in markers]
    markers += [Marker(*start, "query", "i"), Marker(*match, "match", "j*")]
    if home != start:
        markers.append(Marker(*home, "return", "i*"))
    links += [Link(start, match, "forward", is_closed), Link(match, home, "backward", is_closed)]
    return markers, links


def _target_marks(trace: TargetTrace) -> tuple[list[Marker], list[Link]]:
    here, home = ("target", trace.index), ("source", trace.returns[0].index)
    claims = trace.claims[:MAX_CLAIMS_DRAWN]
    markers = [Marker("source", claim.source.index, "claim") for claim in claims]
    links = [Link(("source", claim.source.index), here, "claim", claim.verdict == "consistent") for claim in claims]
    is_closed = any(claim.verdict == "consistent" for claim in trace.claims)
    markers += [Marker(*here, "query", "j"), Marker(*home, "return", "i*")]
    # Without a claim no cycle was judged: the way back is drawn in neutral ink.
    links.append(Link(here, home, "backward" if trace.claims else "lead", is_closed))
    return markers, links
