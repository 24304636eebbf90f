"""Who pays a loss: by class, and the pixels that pay most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from app.controls import choice
from app.figures.bars import side_bars
from app.figures.style import PLAIN
from app.state import cache
from app.state.associations import read_selection
from app.state.losses import LossView
from app.views.frame import pin
from app.views.loss_tables import HEAD, LAYOUT, ROW
from app.views.loss_words import TIMES_MEAN
from pca_core.analysis.loss_readings import sum_by_class, top_pixels
from pca_core.types import Domain

TOP = 50
BARS = {"paid": "Who pays", "gradient": "Where the gradient goes"}
BARS_MEANING = {
    "paid": "Share of what is paid by class, beside its share of pixels: where the first bar is longer, the class pays more than "
    "its part.",
    "gradient": "Share of the target's gradient that reaches each class, beside its share of pixels.",
}


def show_payers(pair: cache.Pair, view: LossView) -> None:
    """By class, and the pixels that pay most."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        _class_chart(pair, view)
    with right:
        _top(pair, view)


def _classes(pair: cache.Pair, side: Domain) -> tuple[np.ndarray, str]:
    """Classes of an image's feature pixels, and what told them."""
    one = pair.analysis.pair
    labels, prediction = (
        (one.source_labels, one.source_prediction) if side == "source" else (one.target_labels, one.target_prediction)
    )
    return (prediction if labels is None else labels).cpu().numpy(), "prediction" if labels is None else "label"


def _class_chart(pair: cache.Pair, view: LossView) -> None:
    shown = choice("By class", "loss_bars", BARS, "paid", help="  \n".join(BARS_MEANING.values()))
    side: Domain = view.payer if shown == "paid" else "target"
    classes, told_by = _classes(pair, side)
    count = pair.label_space.num_classes
    pixels = 100 * sum_by_class(np.ones(classes.shape), classes, count)
    if shown == "paid":
        bars = {"Paid": 100 * sum_by_class(view.now.paid[side], classes, count)}
    else:
        names = ("With aggregation", "Without")
        bars = {
            name: 100 * sum_by_class(reading.gradient[side], classes, count)
            for name, reading in zip(names, view.readings, strict=True)
        }
    if all(np.isnan(values).all() for values in bars.values()):
        st.info("Nothing is paid." if shown == "paid" else "No gradient reaches the target's features.")
        return
    st.plotly_chart(side_bars({**bars, "Pixels": pixels}, pair.label_space, "Share, %"), key="loss_by_class", config=PLAIN)
    st.caption(f"{BARS_MEANING[shown]} Classes of the {side} by {told_by}.")


def _top(pair: cache.Pair, view: LossView) -> None:
    side = view.payer
    paid, total = view.now.paid[side], view.now.total
    top = top_pixels(paid, TOP)
    st.markdown(f"**{side.capitalize()} pixels that pay most**")
    if not top:
        st.info("Nobody pays anything.")
        return
    classes, told_by = _classes(pair, side)
    names = pair.label_space.class_names
    width = paid.shape[1]
    ids = [int(classes.flat[index]) for index, _ in top]
    times = view.now.times_even_share(side)
    st.dataframe(
        pd.DataFrame(
            {
                "Row, col": [f"{index // width}, {index % width}" for index, _ in top],
                told_by.capitalize(): [names[one] if one < len(names) else "–" for one in ids],
                "Share": [f"{value / total:.3%}" if total else "–" for _, value in top],
                "× mean": ["–" if times is None else f"{times.flat[index]:.1f}" for index, _ in top],
            }
        ),
        height=HEAD + 11 * ROW,
        key="loss_top",
        on_select=lambda: _pin(side, [index for index, _ in top]),
        selection_mode="single-row",
        **LAYOUT,
    )
    st.caption(f"Click a row to pin its pixel. Shares are of what is chosen above; × mean: times {TIMES_MEAN}.")


def _pin(side: Domain, indices: Sequence[int]) -> None:
    rows = read_selection("loss_top", "rows")
    pin((side, indices[rows[0]]) if rows else None)
