"""Losses: what every pixel pays of each term of the objective, and how far the gradient of it reaches."""

from __future__ import annotations

import streamlit as st

from app.components.linked_images import Marker
from app.controls import choice, toggle
from app.figures.spread import spread_curves
from app.figures.style import PLAIN
from app.layers.losses import loss_layers
from app.state import cache, losses
from app.state.losses import LossView
from app.views.changes import describe_change
from app.views.frame import get_pixel, open_pair, show_images
from app.views.loss_payers import show_payers
from app.views.loss_tables import ledger_table, pixel_table, weight_inputs
from app.views.loss_words import BOTH_SIDES, PICK_NAMES, explain_pixel_entries, explain_view, name_reasons
from app.views.parts import part
from pca_core.analysis.loss_readings import Reach, describe_pixel, sort_norms
from pca_core.analysis.spreading import reference_alpha
from pca_core.types import Domain

LOSS = "Σ weight · term of what is chosen above."
UNITS = (
    "Gradients are norms ‖∂L/∂F_i‖ of the weighted terms by the features before the classifier, in multiples of the mean "
    "without aggregation."
)


def render() -> None:
    """The page."""
    pair = open_pair()
    if pair is None:
        return
    alpha = reference_alpha(pair.analysis.config)
    found = losses.get_findings(pair, alpha)
    pick = choice("Loss", "loss_term", PICK_NAMES, "all", wraps=True, help=BOTH_SIDES)
    sentence, switch = st.columns([5, 1], vertical_alignment="center")
    with switch:
        is_on = _switch(alpha)
    top, images, books, charts = st.container(), st.container(), st.container(), st.container()
    left, right = books.columns([3, 2], gap="large")
    table = left.container(key="loss_ledger")
    with left:
        weights = weight_inputs()  # read first: everything above them depends on them
    view = losses.look(found, pick, weights, is_on=is_on)
    with sentence:
        _say(view, alpha, is_off=pair.analysis.config.alpha == 0)
    with top:
        _numbers(view)
    with images:
        _images(pair, view)
    with table:
        ledger_table(view)
    with right:
        _curve(view)
    with charts:
        show_payers(pair, view)


def _switch(alpha: float) -> bool:
    return toggle(
        f"With α = {alpha:g}",
        "loss_aggregation",
        True,
        help="Spatial aggregation: with it the association terms see F̂ = (1−α) F + α Σ w F of the target, else F. The other "
        "terms stay the same.",
    )


def _say(view: LossView, alpha: float, *, is_off: bool) -> None:
    """What one sees; as high whatever it says."""
    other = "without aggregation" if view.is_on else f"with aggregation (α = {alpha:g})"
    off = " It is off above (α = 0), so the paper's α is shown." if is_off else ""
    with st.container(height=80, border=False, key="loss_sentence", gap="xxsmall"):
        st.markdown(explain_view(view))
        st.caption(
            f"Mean gradient: over the {view.reached} pixels, without aggregation. "
            f"Small figures: compared with the loss {other}.{off}"
        )


def _numbers(view: LossView) -> None:
    now, other = view.reach(view.now), view.reach(view.other)
    loss = ("Weighted loss", f"{view.now.total:.4g}", f"{view.now.total - view.other.total:+.3g}", LOSS)
    rows = [loss, *_reach_numbers(view.reached, now, other)]
    for column, (label, value, change, text) in zip(st.columns(len(rows)), rows, strict=True):
        column.metric(label, value, help=text, **describe_change(change, "off"))


def _reach_numbers(side: Domain, now: Reach, other: Reach) -> list[tuple[str, str, str, str]]:
    """Label, value, change and meaning of each number."""
    more = (now.total / other.total - 1) if other.total else 0.0
    touched = (
        f"Share of {side} pixels with any gradient. The softmax pushes every pixel a little, so this is nearly always all; Reach "
        "on the Aggregation page counts the pull of cycle-consistent pairs only."
    )
    at_even = f"Share of {side} pixels with at least the mean gradient that one gets without aggregation."
    return [
        ("Any gradient", f"{now.touched:.1%}", f"{100 * (now.touched - other.touched):+.1f}", f"{touched} {UNITS}"),
        ("At or above mean", f"{now.at_even:.1%}", f"{100 * (now.at_even - other.at_even):+.1f}", f"{at_even} {UNITS}"),
        ("Gradient in all", f"{now.total:.3g}", f"{more:+.0%}", f"Σ_i ‖∂L/∂F_i‖ over the {side} pixels, not in multiples."),
        ("Median", f"{now.median:.2f} ×", f"{now.median - other.median:+.2f}", f"Half of the {side} pixels get less. {UNITS}"),
        ("Maximum", f"{now.maximum:,.0f} ×", f"{now.maximum - other.maximum:+,.0f}", f"The {side} pixel with most. {UNITS}"),
    ]


@part
def _images(pair: cache.Pair, view: LossView) -> None:
    """What a click changes."""
    side, index = get_pixel(pair)
    association, feature_pair = pair.analysis.association, pair.analysis.pair
    places: dict[Domain, int] = {
        "source": index if side == "source" else int(association.target_return_index[index]),
        "target": index if side == "target" else int(association.target_index[index]),
    }
    gradient = "gradient_on" if view.is_on else "gradient_off"
    aggregated, plain = view.readings
    show_images(
        pair,
        key="losses",
        layers=loss_layers(view.now, aggregated, plain, name_reasons(view), feature_pair, pair.label_space),
        markers=[
            Marker("source", places["source"], "query" if side == "source" else "return", "i" if side == "source" else "i*"),
            Marker("target", places["target"], "query" if side == "target" else "match", "j" if side == "target" else "j*"),
        ],
        active_layer={
            "source": "paid" if view.now.paid["source"].any() else "prediction",
            "target": "paid" if view.payer == "target" else gradient if view.reached == "target" else "prediction",
        },
        scene="losses",
        switches={"loss": view.pick, "weights": view.weights},
    )
    for column, pane, one in zip(st.columns(2, gap="large"), pair.panes, places, strict=True):
        entries = [describe_pixel(ledger, view.ledgers[1], view.weights, one, places[one]) for ledger in view.ledgers]
        now, other = entries if view.is_on else entries[::-1]
        labels = feature_pair.source_labels if one == "source" else feature_pair.target_labels
        label = None if labels is None else int(labels.flatten()[places[one]])
        with column.container(key=f"loss_pixel_{one}", gap="xxsmall"):
            what = "Pinned pixel" if one == side else "Its associated pixel"
            row, place = divmod(places[one], pane.grid[1])
            st.markdown(f"**{what}** · {one} row {row}, col {place}")
            with st.container(height=46, border=False):  # one line or two: the table stays where it is
                st.caption(explain_pixel_entries(now, label, pair.label_space))
            pixel_table(now, other, one, view.ledgers[1 if view.is_on else 0].alpha)


def _curve(view: LossView) -> None:
    """How the gradient spreads, with and without aggregation."""
    even = view.readings[1].average(view.reached)
    if not even:
        st.info("No gradient arrives anywhere: there is nothing to spread.")
        return
    names = ("with aggregation", "without")
    curves = {
        name: (*sort_norms(reading.gradient[view.reached], even), view.reach(reading).at_even)
        for name, reading in zip(names, view.readings, strict=True)
    }
    st.markdown(f"**How the gradient spreads over the {view.reached}**")
    st.plotly_chart(spread_curves(curves, view.reached), key="loss_spread", config=PLAIN)
    st.caption(
        "Pixels from the one that receives most to the one that receives least. The marks tell how many receive at least the "
        "mean without aggregation: the further to the right, the more of the image learns."
    )
