"""Trace: one pixel's whole story, on both images and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.layers.pair import pair_layers
from app.layers.trace import trace_layers, trace_marks
from app.state import associations, cache, probes
from app.text import escape
from app.views import tables
from app.views.frame import get_pixel, open_pair, pin, show_images
from app.views.parts import part
from app.views.probe_table import show_keep, show_probes
from pca_core.association import AssociationConfig, describe_trace, summarise
from pca_core.association.traces import PixelTrace, TargetTrace

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

NEAREST_HEIGHT = 143  # three rows, and words above: as high as the table of claims
BADGES = {
    "consistent": (":material/check_circle:", "Cycle-consistent", "green"),
    "inconsistent": (":material/cancel:", "The cycle breaks", "orange"),
    "unlabelled": (":material/help:", "Unlabelled", "gray"),
    "not_mutual": (":material/link_off:", "Not mutual", "orange"),
}


def render() -> None:
    """The page."""
    pair = open_pair()
    if pair is None:
        return
    _story(pair)
    _pair_numbers(pair)


@part
def _story(pair: cache.Pair) -> None:
    """Everything that a click changes: it reruns alone."""
    side, index = get_pixel(pair)
    trace = probes.get_trace(pair, (side, index))
    markers, links = trace_marks(trace)
    space, feature_pair = pair.label_space, pair.analysis.pair
    _verdict(trace, space.class_names)
    show_images(
        pair,
        key="trace",
        layers=[*trace_layers(trace), *pair_layers(feature_pair, pair.analysis.association, space)],
        markers=markers,
        links=links,
        active_layer={"source": "labels", "target": "similarity"}
        if side == "source"
        else {"source": "similarity", "target": None},
        scene=side,
        opacity=0.45,
    )
    numbers, kept = st.container(key="story_numbers"), st.container(key="story_probes")
    if isinstance(trace, PixelTrace):
        with numbers:
            soft_cycle = _source_numbers(trace)
        _source_tables(trace, space.class_names, pair.analysis.config.top_k)
        _soft_cycle(soft_cycle, pair, index)
    else:
        with numbers:
            _target_numbers(trace, space.class_names)
        _target_tables(trace, space.class_names, pair.analysis.config)
    with kept:  # last: the first soft cycle of a pair takes a sweep
        show_keep(pair, (side, index))
        show_probes(pair)


def _verdict(trace: PixelTrace | TargetTrace, names: tuple[str, ...]) -> None:
    """The answer in words, above the pictures; its height is fixed so that nothing below it jumps."""
    if isinstance(trace, PixelTrace):
        icon, text, colour = BADGES[trace.verdict]
    else:
        text = f"Claimed by {len(trace.claims):,}" if trace.claims else "Unclaimed"
        icon, colour = ":material/call_merge:", "blue" if trace.claims else "gray"
    with st.container(height=52, border=False, key="verdict"):
        badge, words = st.columns([2, 11])
        badge.badge(text, icon=icon, color=colour, width="stretch")
        words.markdown(escape(describe_trace(trace, names)))


def _source_numbers(trace: PixelTrace) -> DeltaGenerator:
    """Returns the place of the soft cycle, which may take a sweep and must not hold up the rest."""
    first, second, third, fourth = st.columns(4)
    unit = "cosine" if trace.level == "feature" else "−KL"
    first.metric("Similarity", f"{trace.match.similarity:.3f}", help=f"D(i, j*): {unit} of the two pixels.")
    second.metric(
        "× uniform",
        tables.show_times(trace.match.times_uniform),
        help="p(j*|i) as a multiple of 1/N. With thousands of pixels every probability is tiny; this says how far it stands out.",
    )
    third.metric(
        "Margin",
        tables.show_margin(trace.margin),
        help="Similarity of the first less the second candidate. Near zero: a coin toss.",
    )
    return fourth.empty()


def _source_tables(trace: PixelTrace, names: tuple[str, ...], top_k: int) -> None:
    forward, backward, ladder = st.tabs(["Forward candidates", "Way back", "Stage ladder"])
    forward.dataframe(tables.candidates(trace.candidates, names, trace.level), **tables.LAYOUT)
    forward.caption(
        f"The {len(trace.candidates)} most similar target pixels. "
        + (
            "With k = 1 only the first may be the match j\\*; the others show how clear the choice is."
            if top_k == 1
            else f"The match j\\* is the first among k = {top_k} that closes the cycle, or number 1 when none does."
        )
    )
    backward.dataframe(tables.candidates(trace.returns, names, trace.level), **tables.LAYOUT)
    if trace.rivals:
        noun = "other source pixel shares" if len(trace.rivals) == 1 else "other source pixels share"
        backward.caption(f"{len(trace.rivals)} {noun} this match. Click j* on the target to see who claims it.")
    ladder.dataframe(tables.stages(trace.stages, names), **tables.LAYOUT)
    ladder.caption(
        "The same pixel under each variant of the similarity, always with its first choice (k = 1). Normalising moves "
        "probabilities, never the match; aggregation and predictions can flip it."
    )


def _soft_cycle(place: DeltaGenerator, pair: cache.Pair, index: int) -> None:
    def show(value: str) -> None:
        place.metric(
            "Soft cycle",
            value,
            help="P(return to the own class) = Σ_j p(j|i) Σ_i' p(i'|j) [y_i' = y_i]: how sure a random walk there and back is.",
        )

    if not pair.analysis.is_walked:
        show("…")
    soft_cycle = probes.get_soft_cycle(pair, index)
    show("–" if soft_cycle is None else f"{soft_cycle:.0%}")


def _target_numbers(trace: TargetTrace, names: tuple[str, ...]) -> None:
    first, second, third = st.columns(3)
    first.metric("Claims", f"{len(trace.claims):,}", help="In-degree: source pixels whose most similar target pixel this is.")
    second.metric(
        "Consistent", f"{trace.num_consistent:,}", help="Claims whose cycle closes: these pull on this pixel in the loss."
    )
    own = names[trace.label] if trace.label is not None else "–"
    third.metric(
        "Label · predicted",
        f"{own} · {names[trace.predicted] if trace.predicted is not None else '–'}",
        help="The class of j by its label, if it has one, and the net's choice, argmax_k P_jk.",
    )


def _target_tables(trace: TargetTrace, names: tuple[str, ...], config: AssociationConfig) -> None:
    claims, returns = st.tabs(["Claimed by", "Leads back to"])
    if trace.claims:
        claims.dataframe(tables.claims(trace.claims, names, trace.level), **tables.LAYOUT)
    else:
        with claims.container(height=tables.LAYOUT["height"], border=False, gap="small", key="no_claims"):
            _unclaimed(trace, names, config)
    returns.dataframe(tables.candidates(trace.returns, names, trace.level), **tables.LAYOUT)


def _unclaimed(trace: TargetTrace, names: tuple[str, ...], config: AssociationConfig) -> None:
    """Instead of claims: why there are none, and the source pixels nearest to one; a chosen row pins its pixel."""
    match = "most similar" if config.top_k == 1 else f"match among its first {config.top_k}"
    pull = "pulls on it only through aggregation" if config.alpha else "does not pull on it"
    st.caption(
        f"No source pixel has this one as its {match}: the loss {pull}. *Hubs* shows which pixels are claimed. "
        "These source pixels resemble it most: choose one to see where it goes instead."
    )
    key = f"nearest {trace.index}"

    def pin_row() -> None:
        for row in associations.read_selection(key, "rows"):
            pin(("source", trace.returns[row].index))

    st.dataframe(
        tables.candidates(trace.returns, names, trace.level),
        **tables.LAYOUT | {"height": NEAREST_HEIGHT},
        key=key,
        on_select=pin_row,
        selection_mode="single-row",
    )


@part
def _pair_numbers(pair: cache.Pair) -> None:
    """The pair as a whole."""
    feature_pair, names = pair.analysis.pair, pair.label_space.class_names
    numbers = summarise(pair.analysis.association, feature_pair.source_labels, len(names), feature_pair.target_labels)
    st.divider()
    columns = st.columns(5)
    columns[0].metric("Cycle-consistent", f"{numbers.rate:.1%}", help="|Î| / labelled source pixels.")
    columns[1].metric("Coverage", f"{numbers.coverage:.1%}", help="Distinct j* / all target pixels.")
    correct = "–" if numbers.correct_rate is None else f"{numbers.correct_rate:.1%}"
    columns[2].metric(
        "Correct",
        correct,
        help="y_i = y_j* among cycle-consistent pairs: needs target labels, which only judge.",
    )
    columns[3].metric("Mutual", f"{numbers.mutual_rate:.1%}", help="Source pixels that come back to themselves.")
    columns[4].metric(
        "Top 1 % hubs hold", f"{numbers.hub_share:.0%}", help="Share of source pixels on the 1 % most claimed target pixels."
    )
    flows = st.expander("Where each class goes", key="class_flows", on_change="rerun")
    if not flows.open:
        return
    from app.figures.matrices import flow_matrix  # the chart library is large: the first page does without

    with flows:
        left, right = st.columns(2)
        left.plotly_chart(flow_matrix(numbers.cycle_flow, names, "Class after the cycle (i → i*)"), key="cycle_flow")
        if numbers.class_flow is None:
            right.info("Target labels would show here which class each source class is matched with.")
        else:
            right.plotly_chart(flow_matrix(numbers.class_flow, names, "Class of the match (i → j*)"), key="class_flow")
