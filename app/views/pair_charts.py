"""Below the images of the Associations page: class flow with its pixel pairs, spread, class by class."""

from __future__ import annotations

import zlib

import pandas as pd
import streamlit as st

from app.controls import choice
from app.figures.flow import HEIGHT, clickable_flow
from app.figures.histograms import verdict_histograms
from app.figures.style import PLAIN
from app.state import associations, cache, pins, session
from app.text import escape
from app.views.pair_numbers import show_switches
from app.views.tables import VERDICTS, show_margin
from pca_core.analysis.pair_summary import ClassTable, count_by_verdict
from pca_core.analysis.pairs import VERDICT_CODES, Flow, PixelPairs, clearest_pairs, count_pair_flow
from pca_core.render import list_verdicts

FLOWS = {"label": "Match, by label", "prediction": "Match, by prediction", "cycle": "After the cycle"}
FLOW_HELP = (
    "Rows are the label of the source pixel i. Columns are what its match j* is by the target's labels or by the net's "
    "prediction, or the label of i*, where the cycle ends."
)
MATRIX = "pairs_matrix"
MAX_ROWS = 200
MAX_CLASSES = 20  # in sight at once
TABS = ("Class flow", "Similarity and margin", "Class by class", "Every switch")
"""Only the open tab is computed and sent."""


def show(
    pair: cache.Pair,
    found: associations.PairFindings,
    in_matrix: PixelPairs,
    chosen: PixelPairs,
    flow: Flow,
    cell: tuple[int, int] | None,
) -> None:
    """The tabs; see :data:`TABS`."""
    associations.recall_tab(TABS)
    tabs = st.tabs(TABS, on_change="rerun", key=associations.TAB)
    associations.keep_tab(next((place for place, tab in enumerate(tabs) if tab.open), 0))
    names = pair.label_space.class_names
    for tab, draw in zip(
        tabs,
        (
            lambda: _flow(pair, in_matrix, chosen, flow, cell),
            lambda: _spread(pair, found, chosen),
            lambda: _classes(found.classes, names, pair.analysis.config.level),
            lambda: show_switches(pair),
        ),
        strict=True,
    ):
        if tab.open:
            with tab:
                draw()


def _flow(pair: cache.Pair, in_matrix: PixelPairs, chosen: PixelPairs, flow: Flow, cell: tuple[int, int] | None) -> None:
    names = pair.label_space.class_names
    left, right = st.columns([6, 5], gap="medium")
    with left:
        known = associations.known_flows(pair)
        choice("Columns", associations.FLOW, {name: FLOWS[name] for name in known}, known[0], help=FLOW_HELP)
        figure = clickable_flow(count_pair_flow(in_matrix, flow, len(names)), names, FLOWS[flow], cell)
        st.plotly_chart(
            figure,
            key=MATRIX,
            config=PLAIN,
            on_select=lambda: _choose_cell(len(names)),
            selection_mode="points",
            height=HEIGHT,
        )
        if "label" not in known:
            st.caption("With target labels this would also show which class each source class is really matched with.")
    with right:
        _pixel_pairs(pair, chosen, cell)


def _choose_cell(num_classes: int) -> None:
    """A click on a cell chooses it; a click on the chosen one lets go."""
    points = associations.read_selection(MATRIX, "points")
    if points:
        associations.toggle_cell(divmod(points[0]["point_index"], num_classes), num_classes)


def _pixel_pairs(pair: cache.Pair, chosen: PixelPairs, cell: tuple[int, int] | None) -> None:
    """The clearest of the chosen pairs; a chosen row pins its source pixel."""
    clearest = clearest_pairs(chosen, MAX_ROWS)
    names, level = pair.label_space.class_names, pair.analysis.config.level
    with st.container(height=76, border=False, vertical_alignment="bottom"):  # as high as the switch beside it
        words, back = st.columns([3, 1], vertical_alignment="bottom")
        of_cell = "" if cell is None else f" {escape(names[cell[0]])} → {escape(names[cell[1]])}"
        words.markdown(f"**{len(clearest):,}** of {len(chosen):,} pairs{of_cell}, the clearest first. Choose a row to pin it.")
        if cell is not None:
            back.button("All cells", on_click=associations.set_cell, args=(None,), key="pairs_all_cells", width="stretch")
    key = f"pairs_table {zlib.crc32(clearest.source_index.tobytes())}"  # other rows: a table without a chosen one
    st.dataframe(
        _tabulate(clearest, names, level, pair.analysis.pair.target_size[1]).style.format({"Margin": show_margin}),
        hide_index=True,
        width="stretch",
        height=HEIGHT,
        key=key,
        on_select=lambda: _pin_row(key, clearest),
        selection_mode="single-row",
        row_height=30,
    )


def _pin_row(key: str, clearest: PixelPairs) -> None:
    rows = associations.read_selection(key, "rows")
    pins.set_pixel(("source", int(clearest.source_index[rows[0]])) if rows else None)
    session.write_address()


def _tabulate(pairs: PixelPairs, names: tuple[str, ...], level: str, target_width: int) -> pd.DataFrame:
    def name(ids) -> list[str]:
        return [names[index] if index < len(names) else "–" for index in ids]

    def place(indices, width: int) -> list[str]:
        return [f"{index // width}, {index % width}" for index in indices.tolist()]

    columns = {
        "Margin": pairs.margin,
        "i": place(pairs.source_index, pairs.source_size[1]),
        "Label": name(pairs.own_class),
        "j*": place(pairs.target_index, target_width),
    }
    if pairs.match_label is not None:
        columns["Label of j*"] = name(pairs.match_label)
    if pairs.match_prediction is not None:
        columns["Predicted"] = name(pairs.match_prediction)
    columns["Cycle"] = [VERDICTS[VERDICT_CODES[code]] for code in pairs.verdict]
    columns["After the cycle"] = name(pairs.return_class)
    columns["Cosine" if level == "feature" else "−KL (nats)"] = pairs.similarity.round(4)
    return pd.DataFrame(columns)


def _spread(pair: cache.Pair, found: associations.PairFindings, chosen: PixelPairs) -> None:
    unit = "cosine" if pair.analysis.config.level == "feature" else "−KL, nats"
    spreads = {
        f"Similarity D(i, j*), {unit}": (
            found.similarity_edges,
            count_by_verdict(chosen.similarity, chosen.verdict, found.similarity_edges),
        ),
        "Margin, first less second candidate": (
            found.margin_edges,
            count_by_verdict(chosen.margin, chosen.verdict, found.margin_edges),
        ),
    }
    st.plotly_chart(verdict_histograms(spreads, list_verdicts(chosen.verdict)), key="pairs_spread", config=PLAIN)
    st.caption(
        "The pairs that pass the filters. Right: a margin near zero is a coin toss between two target pixels. "
        "The outermost bars also hold what lies beyond (0.5 % of all pairs at either end)."
    )


def _classes(table: ClassTable, names: tuple[str, ...], level: str) -> None:
    def number(title: str, text: str, form: str | None = "percent") -> object:
        return st.column_config.NumberColumn(title, help=text, format=form)

    columns = {"Class": list(names), "pixels": table.num_pixels, "share": table.share, "rate": table.rate}
    if table.correct_rate is not None:
        columns |= {"correct": table.correct_rate}
    columns |= {"similarity": table.similarity, "margin": table.margin}
    if table.coverage is not None:
        columns |= {"target": table.num_target, "coverage": table.coverage}
    unit = "Mean cosine" if level == "feature" else "Mean −KL"
    st.dataframe(
        pd.DataFrame(columns).style.format({"margin": show_margin}),
        hide_index=True,
        width="stretch",
        height=38 + 35 * min(len(names), MAX_CLASSES),
        placeholder="–",
        column_config={
            "pixels": number("Source pixels", "Labelled source feature pixels of the class.", "localized"),
            "share": number("Share of pairs", "Of all labelled source pixels."),
            "rate": number("Cycle-consistent", "Share of the class whose cycle closes: y_i = y_i*, with Mutual only i = i*."),
            "correct": number("Correct", "y_i = y_j* among cycle-consistent pairs of the class."),
            "similarity": number(unit, "Mean D(i, j*) of the class.", "%.3f"),
            "margin": number("Mean margin", "Mean of first less second candidate.", None),
            "target": number("Target pixels", "Target feature pixels of the class, by their labels.", "localized"),
            "coverage": number("Coverage", "Share of those that any source pixel is associated with."),
        },
    )
    st.caption(
        "All pairs of the image pair, whatever the filters say."
        + ("" if table.coverage is not None else " With target labels: how often the match is right, and how much is reached.")
    )
