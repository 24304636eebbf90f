"""Aggregation: what each target pixel borrows, what that changes, and how far the loss then reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.components.linked_images import Marker
from app.controls import choice
from app.figures.alpha import alpha_curves
from app.figures.style import PLAIN
from app.layers.aggregation import aggregation_layers
from app.state import aggregation, cache
from app.state.aggregation import SpreadFindings
from app.views.changes import describe_change
from app.views.frame import get_target_pixel, open_pair, show_images
from app.views.parts import part
from pca_core.analysis.spreading import describe_loan, reference_alpha

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from pca_core.analysis.spreading import AlphaEffect

SHOWN = {
    "weights": "Borrows from",
    "entropy": "Entropy",
    "lent": "Lent",
    "pull": "Pull",
    "gradient": "Gradient",
}
MEANING = {
    "weights": "What the pinned target pixel borrows from each other one: w_jj' × uniform, a multiple of 1/T.",
    "entropy": "How widely each target pixel borrows: 0 from one pixel, 1 from all alike. Low values keep details apart.",
    "lent": "What all pixels together borrow from this one, Σ_j w_jj'. Large values are the hubs of aggregation.",
    "pull": "Cycle-consistent pairs that pull on each target pixel: those on it and, through α, on pixels that borrow from it.",
    "gradient": "Length of the loss's gradient on each target feature. The softmax pushes every pixel a little: see the spread.",
}
WITHOUT_LABELS = "Target labels would tell the mIoU of aggregated inference and which matches are correct."
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
    _curves(aggregation.get_effects(pair), alpha)


def _numbers(found: SpreadFindings, alpha: float) -> None:
    """What this α changes, each number beside α = 0."""
    before, after, columns = found.effect_without, found.effect, st.columns(7)
    _share(
        columns[0],
        "Reach",
        found.reach_with.pulled,
        found.reach_without.pulled,
        "Share of target pixels that cycle-consistent pairs pull on noticeably, with at least 1 % of an even share, and the "
        "change against no aggregation. This is the point of spatial aggregation.",
    )
    _share(
        columns[1],
        "Spread",
        found.reach_with.spread,
        found.reach_without.spread,
        "exp(entropy of ‖∂L/∂F_j‖) / T: over how many target pixels the gradient of the association loss effectively spreads. "
        "The softmax pushes on every pixel, with aggregation and without it.",
    )
    _share(columns[2], "Flips", after.flips, None, f"Source pixels whose j* under α = {alpha:g} is another than under α = 0.")
    _share(columns[3], "Cycle-consistent", after.rate, before.rate, "|Î| / labelled source pixels.")
    _share(
        columns[4],
        "Coverage",
        after.coverage,
        before.coverage,
        "Distinct j* / all target pixels. Borrowing makes pixels alike, so it often falls.",
    )
    _inference(columns[5], columns[6], found)
    sizes = [round(reach.pulled * reach.pull.size) for reach in (found.reach_without, found.reach_with)]
    st.caption(
        f"Cycle-consistent pairs pull on **{sizes[0]:,}** of {found.reach_with.pull.size:,} target pixels without aggregation, "
        f"on **{sizes[1]:,}** with α = {alpha:g}." + ("" if found.miou is not None else f" {WITHOUT_LABELS}")
    )


def _inference(left: DeltaGenerator, right: DeltaGenerator, found: SpreadFindings) -> None:
    """What aggregated inference changes."""
    _share(
        left,
        "New classes",
        found.changed,
        None,
        "Pixels of the target image that get another class by aggregated inference: features F̂ = (1−α) F + α Σ w F are "
        "classified, then the predictions are aggregated likewise. See the layer Aggregated prediction.",
    )
    formula = "Mean IoU of the target under aggregated inference, in points, and the change against plain inference."
    if found.miou is None:
        right.metric("Target mIoU", "–", help=f"{formula} It needs target labels.")
    else:
        change = describe_change(f"{found.miou - found.miou_without:+.1f}")
        right.metric("Target mIoU", f"{found.miou:.1f}", help=formula, **change)


def _share(column: DeltaGenerator, label: str, value: float, before: float | None, formula: str) -> None:
    shown = f"{value:.1%}".replace("100.0%", "100%")  # has room at 1024 pixels
    column.metric(label, shown, help=formula, **({} if before is None else describe_change(f"{100 * (value - before):+.1f}")))


@part
def _images(pair: cache.Pair, found: SpreadFindings) -> None:
    """What a click changes."""
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        shown = choice("Shown on the target", "aggregation_map", SHOWN, "weights")
    with right.container(height=64, border=False, vertical_alignment="bottom"):  # two lines or three: nothing below moves
        st.caption(MEANING[shown])
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


def _curves(effects: list[AlphaEffect], alpha: float) -> None:
    left, right = st.columns([3, 2], gap="large")
    left.plotly_chart(alpha_curves(effects, alpha), key="alpha_curves", config=PLAIN)
    right.dataframe(
        {
            "α": [effect.alpha for effect in effects],
            "Flips": [f"{effect.flips:.1%}" for effect in effects],
            "Cycle-consistent": [f"{effect.rate:.1%}" for effect in effects],
            "Coverage": [f"{effect.coverage:.1%}" for effect in effects],
            "Correct": ["–" if effect.correct_rate is None else f"{effect.correct_rate:.1%}" for effect in effects],
        },
        hide_index=True,
        height=213,
        width="stretch",
        key="alpha_table",
    )
    right.caption("Every row associates the pair anew. The slider above sets the α that the pictures show.")
