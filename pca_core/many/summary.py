"""What the lines of many pairs say together."""

from __future__ import annotations

import math
import tempfile
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

SHARES = (
    "rate", "mutual_rate", "coverage", "consistent_coverage", "correct_rate", "correct_rate_all", "hub_share", "mean_soft_cycle",
)  # fmt: skip
PERCENTILES = (5, 25, 50, 75, 95)
SPILL_AT = 2**16  # numbers of a column in memory before they go to its file


class _Column:
    """A number of each pair; all but the latest lie in a nameless file."""

    def __init__(self, folder: Path, files: ExitStack) -> None:
        self._folder, self._files, self._file = folder, files, None
        self._latest = array("d")

    def append(self, value: float) -> None:
        self._latest.append(value)
        if len(self._latest) >= SPILL_AT:
            self._spill()

    def _spill(self) -> None:
        if self._file is None:
            self._file = self._files.enter_context(tempfile.TemporaryFile(dir=self._folder))  # noqa: SIM115
        self._latest.tofile(self._file)
        del self._latest[:]

    def read(self) -> np.ndarray:
        """(pairs,) float64."""
        if self._file is None:
            return np.array(self._latest)
        self._spill()
        self._file.seek(0)
        return np.fromfile(self._file)


def summarise_records(records: Iterable[dict[str, Any]], class_names: Sequence[str], folder: Path) -> dict[str, Any]:
    """Mean and percentiles over pairs, and counts over the pixels of all pairs by class; ready for JSON.

    Args:
        records: Lines of pairs, read once. Their numbers go to files, which come to memory one number of every pair at a time.
        class_names: In the order of the flows.
        folder: Where the files may lie; they have no name, and are gone with the process.

    Returns:
        ``shares``: name -> number of pairs that have it, mean, least, percentiles, most. ``classes``: for each class, pairs in
        which it occurs, mean of their rates, and of its source pixels in all pairs: ``returned``, the share that came back to
        the class, and ``matched``, the share whose match is of it by the target's labels. None where nothing tells.
    """
    with ExitStack() as files:
        values = {name: _Column(folder, files) for name in SHARES}
        rates = [_Column(folder, files) for _ in class_names]
        return _summarise(records, class_names, values, rates)


def _summarise(
    records: Iterable[dict[str, Any]], class_names: Sequence[str], values: dict[str, _Column], rates: list[_Column]
) -> dict[str, Any]:
    flows = {name: np.zeros((len(class_names), len(class_names)), np.int64) for name in ("cycle_flow", "class_flow")}
    failures: Counter[str] = Counter()
    number = 0
    for record in records:
        number += 1
        if "error" in record:
            failures[record["error"]["code"]] += 1
            continue
        for name, kept in values.items():
            if record[name] is not None:
                kept.append(record[name])
        for kept, rate in zip(rates, record["rate_by_class"], strict=True):
            if rate is not None:
                kept.append(rate)
        for name in flows:
            if record[name] is not None:
                flows[name] += np.array(record[name])
    return {
        "num_pairs": number,
        "num_failed": failures.total(),
        "failures": dict(sorted(failures.items())),
        "shares": {name: _describe(kept.read()) for name, kept in values.items()},
        "classes": [
            {
                "class": name,
                "num_pairs": len(rate := rates[index].read()),
                "mean_rate": _mean(rate),
                "returned": _own_share(flows["cycle_flow"], index),
                "matched": _own_share(flows["class_flow"], index),
            }
            for index, name in enumerate(class_names)
        ],
    }


def _mean(values: np.ndarray) -> float | None:
    return math.fsum(values) / len(values) if len(values) else None  # exact: the same in whatever order


def _describe(values: np.ndarray) -> dict[str, float | None]:
    names = ("min", *(f"p{percent}" for percent in PERCENTILES), "max")
    numbers = np.percentile(values, (0, *PERCENTILES, 100)).tolist() if len(values) else [None] * len(names)
    return {"num_pairs": len(values), "mean": _mean(values), **dict(zip(names, numbers, strict=True))}


def _own_share(flow: np.ndarray, index: int) -> float | None:
    total = int(flow[index].sum())
    return int(flow[index, index]) / total if total else None
