"""One pixel's story as layers, markers and arrows."""

from __future__ import annotations

from app.components.linked_images import Layer, Link, Marker
from app.layers.maps import value_layer
from pca_core.association.traces import PixelTrace, TargetTrace

MAX_CLAIMS_DRAWN = 40


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
