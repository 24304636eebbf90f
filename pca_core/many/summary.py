"""What the lines of many pairs say together."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

SHARES = (
    "rate", "mutual_rate", "coverage", "consistent_coverage", "correct_rate", "correct_rate_all", "hub_share", "mean_soft_cycle",
)  # fmt: skip
PERCENTILES = (5, 25, 50, 75, 95)


def summarise_records(records: Iterable[dict[str, Any]], class_names: Sequence[str]) -> dict[str, Any]:
    """Mean and percentiles over pairs, and counts over the pixels of all pairs by class; ready for JSON.

    Args:
        records: Lines of pairs, read once; 8 bytes of each share are kept.
        class_names: In the order of the flows.

    Returns:
        ``shares``: name -> number of pairs that have it, mean, least, percentiles, most. ``classes``: for each class, pairs in
        which it occurs, mean of their rates, and of its source pixels in all pairs: ``returned``, the share that came back to
        the class, and ``matched``, the share whose match is of it by the target's labels. None where nothing tells.
    """
    values = {name: array("d") for name in SHARES}
    rates = [array("d") for _ in class_names]
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
        "shares": {name: _describe(kept) for name, kept in values.items()},
        "classes": [
            {
                "class": name,
                "num_pairs": len(rates[index]),
                "mean_rate": _mean(rates[index]),
                "returned": _own_share(flows["cycle_flow"], index),
                "matched": _own_share(flows["class_flow"], index),
            }
            for index, name in enumerate(class_names)
        ],
    }


def _mean(values: array) -> float | None:
    return math.fsum(values) / len(values) if values else None  # exact: the same in whatever order


def _describe(values: array) -> dict[str, float | None]:
    names = ("min", *(f"p{percent}" for percent in PERCENTILES), "max")
    numbers = np.percentile(values, (0, *PERCENTILES, 100)).tolist() if values else [None] * len(names)
    return {"num_pairs": len(values), "mean": _mean(values), **dict(zip(names, numbers, strict=True))}


def _own_share(flow: np.ndarray, index: int) -> float | None:
    total = int(flow[index].sum())
    return int(flow[index, index]) / total if total else None
