"""What a run told step by step, as curves that any library can draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pca_core.losses.names import TERM_NAMES
from pca_core.types import Domain, Level


@dataclass(frozen=True)
class Curve:
    """One quantity over the steps that told it.

    Attributes:
        kind: ``"loss"``, ``"rate"``, ``"coverage"`` or ``"miou"``.
        of: The term, level or domain.
        place: Among all that there could be of these: its colour, whatever else is there.
        steps, values: In order; rates, coverage and mIoU in per cent.
    """

    kind: str
    of: str
    place: int
    steps: tuple[int, ...]
    values: tuple[float, ...]


def trace_losses(records: Sequence[dict[str, Any]]) -> list[Curve]:
    """The terms of the objective but smoothing, which begins below zero: a share of that would go up where it goes down.

    Args:
        records: ``points`` of a :class:`~pca_core.runs.digest.Digest`.
    """
    names = [name for name in TERM_NAMES if not name.endswith("smoothing")]
    return _trace(records, "loss", names, lambda record, name: record["losses"].get(name))


def trace_shares(records: Sequence[dict[str, Any]]) -> list[Curve]:
    """Cycle-consistency rate and coverage of the batch at each level, and mIoU of each domain where it was scored."""

    def read(number: str) -> Callable[[dict, str], float | None]:
        return lambda record, level: 100 * record["association"][level][number] if level in record["association"] else None

    def score(record: dict, domain: str) -> float | None:
        return ((record.get("scores") or {}).get(domain) or {}).get("miou")

    return [
        *_trace(records, "rate", get_args(Level), read("rate")),
        *_trace(records, "coverage", get_args(Level), read("coverage")),
        *_trace(records, "miou", get_args(Domain), score),
    ]


def _trace(records: Sequence[dict], kind: str, names: Sequence[str], read: Callable[[dict, str], float | None]) -> list[Curve]:
    """One curve for each name that some record tells of."""
    curves = []
    for place, name in enumerate(names):
        points = [(record["step"], value) for record in records if (value := read(record, name)) is not None]
        if points:
            steps, values = zip(*points, strict=True)
            curves.append(Curve(kind, name, place, steps, values))
    return curves
