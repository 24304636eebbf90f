"""Tables of a view as CSV: one row a pixel pair, a class, a candidate."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

import numpy as np

from pca_core.analysis.pair_summary import tabulate_classes
from pca_core.analysis.pairs import VERDICT_CODES, list_pairs
from pca_core.association import explain_pixel
from pca_core.association.traces import PixelTrace
from pca_core.figures.data import Table, name_classes
from pca_core.figures.view import View

PAIR_COLUMNS = (
    "source_row", "source_column", "target_row", "target_column", "return_row", "return_column",
    "similarity", "margin", "own_class", "match_label", "match_prediction", "return_class", "verdict",
)  # fmt: skip


def view_tables(view: View) -> dict[str, bytes]:
    """CSV files by name: ``pairs`` that pass the view's filter, ``classes`` of all pairs, and ``pixel``, its candidates."""
    return {"pairs": _pairs(view), "classes": _classes(view), "pixel": _pixel(view)}


def write_table(table: Table) -> bytes:
    """A table of a figure as CSV; what is not known is an empty cell."""
    columns = [np.asarray(values, object).tolist() for values in table.columns.values()]
    return _write(tuple(table.columns), ([_plain(value) for value in row] for row in zip(*columns, strict=True)))


def _write(header: Sequence[str], rows: Iterable[Sequence]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def _names(view: View, classes: np.ndarray | None, count: int) -> list[str]:
    """Class names; empty where there is no class or nothing is known of it."""
    return [""] * count if classes is None else name_classes(view.label_space, classes)


def _pairs(view: View) -> bytes:
    pairs = view.pairs
    columns = [
        part.tolist()
        for index, size in (
            (pairs.source_index, view.analysis.pair.source_size),
            (pairs.target_index, view.analysis.pair.target_size),
            (pairs.return_index, view.analysis.pair.source_size),
        )
        for part in np.divmod(index, size[1])
    ]
    columns += [pairs.similarity.tolist(), pairs.margin.tolist()]
    classes = (pairs.own_class, pairs.match_label, pairs.match_prediction, pairs.return_class)
    columns += [_names(view, one, len(pairs)) for one in classes]
    columns.append([VERDICT_CODES[code] for code in pairs.verdict.tolist()])
    return _write(PAIR_COLUMNS, zip(*columns, strict=True))


def _classes(view: View) -> bytes:
    space = view.label_space
    table = tabulate_classes(list_pairs(view.analysis), view.analysis.pair, space.num_classes)
    columns = {name: getattr(table, name) for name in table.__dataclass_fields__}
    known = {name: values.tolist() for name, values in columns.items() if values is not None}
    rows = zip(space.class_names, *known.values(), strict=True)
    return _write(("class", *known), ([_plain(value) for value in row] for row in rows))


def _plain(value: object) -> object:
    return "" if isinstance(value, float) and np.isnan(value) else value


def _pixel(view: View) -> bytes:
    side, index = view.pixel
    trace = explain_pixel(view.analysis, index, side, with_soft_cycle=False)
    if isinstance(trace, PixelTrace):
        parts = [("target candidate", one) for one in trace.candidates] + [("way back", one) for one in trace.returns]
    else:
        parts = [("claim", claim.source) for claim in trace.claims] + [("way back", one) for one in trace.returns]
    names = view.label_space.class_names

    def name(label: int | None) -> str:
        return "" if label is None else names[label]

    rows = (
        (kind, one.row, one.column, name(one.label), name(one.predicted), one.similarity, one.normalised, one.times_uniform)
        for kind, one in parts
    )
    return _write(("kind", "row", "column", "label", "predicted", "similarity", "normalised", "times_uniform"), rows)
