"""What the Associations page keeps: columns and numbers of a pair, and the chosen cell of the flow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from app.state import session, switches
from app.state.cache import Pair
from app.state.caching import cached
from pca_core.analysis.pair_summary import ClassTable, PairTotals, coverage_map, make_edges, tabulate_classes, total_pairs
from pca_core.analysis.pairs import Flow, PixelPairs, list_pairs
from pca_core.association import AssociationConfig, PairAnalysis

CELL = "pairs_cell"
FLOW = "pairs_flow"
TAB = "pairs_tab"


@dataclass(frozen=True, eq=False)
class PairFindings:
    """What no filter changes.

    Attributes:
        pairs: Every source pixel's association.
        classes: Class by class.
        coverage: (h', w') codes of :func:`pca_core.analysis.pair_summary.coverage_map`.
        similarity_edges, margin_edges: Of the histograms: they stay while filters change.
    """

    pairs: PixelPairs
    classes: ClassTable
    coverage: np.ndarray
    similarity_edges: np.ndarray
    margin_edges: np.ndarray


def get_findings(pair: Pair) -> PairFindings:
    return _find(pair.key, pair.analysis.config, pair.analysis)


@cached(12, "Listing every pair of pixels …")
def _find(key: str, config: AssociationConfig, _analysis: PairAnalysis) -> PairFindings:
    pairs = list_pairs(_analysis)
    return PairFindings(
        pairs,
        tabulate_classes(pairs, _analysis.pair, _analysis.num_classes),
        coverage_map(_analysis.association),
        make_edges(pairs.similarity),
        make_edges(pairs.margin),
    )


def get_totals(pair: Pair, config: AssociationConfig) -> PairTotals:
    """Numbers of the pair under any config; only the numbers are kept."""
    return _total(pair.key, config, pair.analysis)


@cached(128, "Associating the pair under the other settings …")
def _total(key: str, config: AssociationConfig, _analysis: PairAnalysis) -> PairTotals:
    return total_pairs(_analysis.with_config(config))


def get_cell(num_classes: int) -> tuple[int, int] | None:
    """The chosen cell (own class, class it leads to), from the session or the address."""
    parts = switches.recall(CELL, "").split("-")
    if len(parts) == 2 and all(part.isascii() and part.isdigit() and len(part) < 4 for part in parts):
        row, column = map(int, parts)
        if max(row, column) < num_classes:
            return row, column
    switches.remember(CELL, "", "")  # what is no cell here does not stay in the address
    return None


def set_cell(cell: tuple[int, int] | None) -> None:
    switches.remember(CELL, "" if cell is None else f"{cell[0]}-{cell[1]}", "")
    session.write_address()


def toggle_cell(cell: tuple[int, int], num_classes: int) -> None:
    """Choose a cell, or let go of it when it is the chosen one."""
    set_cell(None if cell == get_cell(num_classes) else cell)


def read_selection(key: str, kind: str) -> list:
    """What a person just selected in the chart (``"points"``) or table (``"rows"``) of this key."""
    selection = (st.session_state.get(key) or {}).get("selection") or {}
    return list(selection.get(kind, []))


def recall_tab(titles: tuple[str, ...]) -> None:
    """Open the tab of the last time, or of the address, when the tabs are not there yet."""
    if TAB not in st.session_state:
        st.session_state[TAB] = titles[switches.recall(TAB, 0, within=(0, len(titles) - 1))]


def keep_tab(place: int) -> None:
    switches.remember(TAB, place, 0)
    session.write_address()


def known_flows(pair: Pair) -> tuple[Flow, ...]:
    """What the class that a pair leads to can be judged by here, the most telling first."""
    known = {
        "label": pair.analysis.pair.target_labels is not None,
        "prediction": pair.analysis.has_predictions,
        "cycle": True,
    }
    return tuple(name for name, is_known in known.items() if is_known)


def get_flow(pair: Pair) -> Flow:
    """The columns of the flow matrix; the switch itself stands below the images."""
    known = known_flows(pair)
    return switches.peek(FLOW, known[0], among=known)
