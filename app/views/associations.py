"""Associations: all pairs of pixels of the two images as lines, maps, flows and numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from app.controls import choice, several, slider
from app.layers.associations import chosen_layers, coverage_layer, pair_lines
from app.layers.pair import pair_layers
from app.layers.trace import trace_marks
from app.state import associations, cache, pins, probes, session
from app.text import escape
from app.views import pair_charts
from app.views.frame import get_pixel, open_pair, show_images
from app.views.pair_numbers import show_totals
from app.views.parts import part
from app.views.tables import show_margin
from pca_core.analysis.pairs import PairFilter, PixelPairs, filter_pairs, margin_at, thin_pairs
from pca_core.association import describe_trace

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

LINES = {"0": "None", "200": "200", "1000": "1,000", "5000": "5,000"}
COLOURINGS = {"verdict": "Verdict", "class": "Class"}
VERDICTS = {"all": "All", "consistent": "Consistent", "inconsistent": "Breaks", "unlabelled": "Unlabelled"}
MUTUAL_VERDICTS = VERDICTS | {"not_mutual": "Not mutual"}
TRUTHS = {"any": "Any", "right": "Right", "wrong": "Wrong"}


def render() -> None:
    """The page."""
    pair = open_pair()
    if pair is None:
        return
    _pairs(pair)


@part
def _pairs(pair: cache.Pair) -> None:
    """Everything that a filter or a click changes: it reruns alone."""
    found, space = associations.get_findings(pair), pair.label_space
    flow, cell = associations.get_flow(pair), associations.get_cell(space.num_classes)
    keep = _filters(pair)
    count, colouring, share, place = _drawing()
    keep = replace(keep, min_margin=margin_at(found.pairs, share / 100))
    in_matrix = filter_pairs(found.pairs, keep)
    chosen = in_matrix if cell is None else filter_pairs(in_matrix, PairFilter(flow=flow, cell=cell))
    drawn = thin_pairs(chosen, int(count))
    with place.container(height=60, border=False, key="pairs_said"):  # two lines, so that nothing below moves
        st.caption(_say(len(drawn), len(chosen), len(found.pairs), keep.min_margin, cell, space.class_names))
    switches = {"lines": int(count) or 1000, "line_colour": colouring, "keep": replace(keep, flow=flow, cell=cell), "flow": flow}
    _images(pair, chosen, drawn, switches)
    show_totals(pair)
    pair_charts.show(pair, found, in_matrix, chosen, flow, cell)


def _filters(pair: cache.Pair) -> PairFilter:
    """The row of filters, but for the margin, read into the core's."""
    has_labels = pair.analysis.pair.target_labels is not None
    names = pair.label_space.class_names
    one, two, three = st.columns([3, 6, 3], vertical_alignment="bottom")
    with one:
        classes = several(
            "Source classes", "pairs_class", names, placeholder="All classes", help="Label of the source pixel of a pair."
        )
    with two:
        verdict = choice(
            "Verdict",
            "pairs_verdict",
            MUTUAL_VERDICTS if pair.analysis.config.mutual else VERDICTS,
            "all",
            help="A pair is cycle-consistent when i → j* → i* comes back to the own class, y_i = y_i*; with "
            "*Mutual only*, to i itself. Without a label it cannot be judged.",
        )
    with three:
        truth = choice(
            "Match",
            "pairs_truth",
            TRUTHS,
            "any",
            disabled=not has_labels,
            help="Right when the target pixel has the source pixel's class by its label, y_i = y_j*. "
            + ("Labels of the target only judge." if has_labels else "This target has no labels to judge by."),
        )
    return PairFilter(
        classes=tuple(names.index(name) for name in classes),
        verdicts=() if verdict == "all" else (verdict,),
        truth=truth if has_labels else "any",
    )


def _drawing() -> tuple[str, str, int, DeltaGenerator]:
    """How many lines, what their colours mean, how clear a choice must be, and the place to say what is shown."""
    one, two, three, place = st.columns([10, 6, 5, 9], vertical_alignment="bottom")
    with one:
        count = choice(
            "Lines", "pairs_lines", LINES, "1000",
            help="At most this many, spread evenly over the image; a class of n pairs gets a part that grows with √n, so that "
            "rare classes stay in sight. Numbers, charts and maps always count every pair.",
        )  # fmt: skip
    with two:
        colouring = choice("Colour", "pairs_colour", COLOURINGS, "verdict", help="Of the lines and of the ends of the pairs.")
    with three:
        share = slider(
            "Clearest, %", "pairs_clear", 1, 100, 100, 1,
            help="Keep the pairs with the largest margin: D(i, j*) less the similarity of the second candidate. 100 keeps all.",
        )  # fmt: skip
    return count, colouring, share, place


def _say(drawn: int, chosen: int, total: int, margin: float, cell: tuple[int, int] | None, names: tuple[str, ...]) -> str:
    """What is shown."""
    which = "" if cell is None else f", {escape(names[cell[0]])} → {escape(names[cell[1]])}"
    clear = f", margin ≥ {show_margin(margin)}" if margin > 0 else ""
    return f"**{chosen:,}** of {total:,} pairs pass{which}{clear}; {drawn:,} drawn."


def _images(pair: cache.Pair, chosen: PixelPairs, drawn: PixelPairs, switches: dict) -> None:
    colouring = switches["line_colour"]
    found, space, analysis = associations.get_findings(pair), pair.label_space, pair.analysis
    grids = {"source": analysis.pair.source_size, "target": analysis.pair.target_size}
    trace = probes.get_trace(pair, get_pixel(pair))
    markers, links = trace_marks(trace)
    show_images(
        pair,
        key="associations",
        layers=[
            *chosen_layers(chosen, colouring, space, grids),
            coverage_layer(found.coverage),
            *pair_layers(analysis.pair, analysis.association, space),
        ],
        markers=markers,
        links=links,
        lines=pair_lines(drawn, colouring, space),
        active_layer=dict.fromkeys(("source", "target"), None if len(drawn) else "filtered"),  # a layer would hide the lines
        scene="associations",
        opacity=0.4,
        switches=switches,
    )
    with st.container(height=84, border=False, key="pairs_pinned"):  # a long story takes three lines: nothing below moves
        words, way = st.columns([9, 2], vertical_alignment="center")
        begin = "" if pins.get_pixel() else "For a start, one telling pair; click a pixel or a row of the table for another. "
        words.caption(f"{begin}{escape(describe_trace(trace, space.class_names))}")
        way.page_link(session.page("trace"), label="Open on Trace")
