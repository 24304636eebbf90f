"""Aggregation: what each target pixel borrows, what that changes, and how far the loss then reaches."""

from __future__ import annotations

import streamlit as st

from app.components.linked_images import Marker
from app.controls import choice
from app.figures.alpha import alpha_curves
from app.figures.style import PLAIN
from app.layers.aggregation import aggregation_layers
from app.state import aggregation, cache
from app.state.aggregation import SpreadFindings
from app.views.frame import get_target_pixel, open_pair, show_images
from pca_core.analysis.spreading import describe_loan, reference_alpha

SHOWN = {
    "weights": "Borrows from",
    "entropy": "Entropy",
    "lent": "Lent",
    "pull": "Pull",
    "gradient": "Gradient",
}
MEANING = {
    "weights": "How much the pinned target pixel borrows from each other one: w_jj' as a multiple of an even share 1/T.",
    "entropy": "How widely each target pixel borrows: 0 from one pixel, 1 from all alike. Low values keep details apart.",
    "lent": "What all pixels together borrow from this one, Σ_j w_jj'. Large values are the hubs of aggregation.",
    "pull": "Cycle-consistent pairs that pull on each target pixel: those that end on it, and through α those that end on pixels "
    "which borrow from it. Compare the two buttons under the target: without aggregation most pixels get none.",
    "gradient": "Length of the loss's gradient on each target feature. The softmax pushes every pixel a little, so none is quite "
    "zero; what counts is how evenly it spreads. Compare the two buttons under the target.",
}
FIRST_LAYER = {"pull": "pull_on", "gradient": "gradient_on"}


def render() -> None:
    """The page."""
    pair = open_pair()
    if pair is None:
        return
    alpha = reference_alpha(pair.analysis.config)
    if pair.analysis.config.alpha == 0:
        st.info(f"Aggregation is off (α = 0). What is shown is what α = {alpha:g}, the paper's, would do.")
    found = aggregation.get_findings(pair, alpha)
    _numbers(found, alpha)
    _images(pair, found)
    _curves(found, alpha)


def _numbers(found: SpreadFindings, alpha: float) -> None:
    before, after = found.effects[0], found.effect
    columns = st.columns(6)
    columns[0].metric(
        "Target pixels pulled on",
        f"{found.reach_with.pulled:.1%}",
        f"{100 * (found.reach_with.pulled - found.reach_without.pulled):+.1f}",
        help="Share of target pixels that cycle-consistent pairs pull on noticeably (at least 1 % of an even share), and the "
        "change against no aggregation. This is the point of spatial aggregation.",
    )
    columns[1].metric(
        "Gradient spread",
        f"{found.reach_with.spread:.1%}",
        f"{100 * (found.reach_with.spread - found.reach_without.spread):+.1f}",
        help="exp(entropy of the gradient norms) / T: over how many target pixels the gradient of the association loss "
        "effectively spreads.",
    )
    columns[2].metric(
        "Matches that flip", f"{after.flips:.1%}", help=f"Source pixels whose j* under α = {alpha:g} is another than under α = 0."
    )
    columns[3].metric(
        "Closed cycles", f"{after.rate:.1%}", f"{100 * (after.rate - before.rate):+.1f}", help="|Î| / labelled source pixels."
    )
    columns[4].metric(
        "Coverage",
        f"{after.coverage:.1%}",
        f"{100 * (after.coverage - before.coverage):+.1f}",
        help="Distinct j* / all target pixels. Borrowing makes pixels alike, so it often falls.",
    )
    columns[5].metric(
        "Prediction changes",
        f"{found.changed:.1%}",
        help="Target pixels that aggregated inference (features and predictions aggregated) gives another class.",
    )


@st.fragment
def _images(pair: cache.Pair, found: SpreadFindings) -> None:
    """What a click changes."""
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    with left:
        shown = choice("Shown on the target", "aggregation_map", SHOWN, "weights")
    right.caption(MEANING[shown])
    index = get_target_pixel(pair)
    loan = describe_loan(pair.analysis, index)
    show_images(
        pair,
        key="aggregation",
        layers=aggregation_layers(found, loan.times_even, pair.analysis.pair, pair.label_space),
        markers=[Marker("target", index, "query", "j")],
        active_layer={"source": "flips", "target": FIRST_LAYER.get(shown, shown)},
        scene=shown,
    )
    row, column = divmod(index, pair.analysis.pair.target_size[1])
    one, two, three, four = st.columns(4)
    one.metric("Pinned target pixel", f"{row}, {column}", help="Row and column; click the target to pin another.")
    two.metric(
        "Borrows from", f"{loan.num_lenders:,.0f} pixels", help="exp(entropy of its weights): how many lenders it has in effect."
    )
    own = "–" if loan.own_class_share is None else f"{loan.own_class_share:.0%}"
    three.metric(
        "Of its own class",
        own,
        None if loan.own_class_share is None else f"{100 * (loan.own_class_share - loan.own_class_even):+.0f} against even",
        delta_color="off",
        help=f"Share of weight on target pixels of its own class ({loan.judged_by}), and how far that is above an even share.",
    )
    four.metric("From its surroundings", f"{loan.near_share:.1%}", help="Share of weight at most 4 rows and columns away.")


def _curves(found: SpreadFindings, alpha: float) -> None:
    left, right = st.columns([3, 2], gap="large")
    left.plotly_chart(alpha_curves(found.effects, alpha), key="alpha_curves", config=PLAIN)
    right.dataframe(
        {
            "α": [effect.alpha for effect in found.effects],
            "Flips": [f"{effect.flips:.1%}" for effect in found.effects],
            "Closed": [f"{effect.rate:.1%}" for effect in found.effects],
            "Coverage": [f"{effect.coverage:.1%}" for effect in found.effects],
            "Correct": ["–" if effect.correct_rate is None else f"{effect.correct_rate:.1%}" for effect in found.effects],
        },
        hide_index=True,
        height=213,
        width="stretch",
        key="alpha_table",
    )
    right.caption("Every row associates the pair anew. The slider above sets the α that the pictures show.")
