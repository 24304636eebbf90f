"""What a run reported, in little memory however long it is: exact figures, and points enough for its curves."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, BinaryIO, get_args

from pca_core.adaptation import Health
from pca_core.losses.names import TERM_NAMES
from pca_core.runs.folder import Run
from pca_core.runs.records import BLOCK_BYTES, LineCutter, parse
from pca_core.types import Domain, Level

MOST_POINTS = 300  # evenly chosen steps of a curve: at least so many of a long run, at most twice as many
MOST_LOOKS = 150  # evaluations, likewise
PACE_STEPS = 20
TAIL_BYTES = 512  # by which what was read is known again
LARGEST = 1e100  # beyond it a number is damage, not a loss
MOST_NAMES, NAME_LENGTH = 256, 1000  # of texts that are kept


@dataclass(frozen=True)
class Digest:
    """What a run reported so far. Numbers that are missing, of the wrong kind or not finite are left out.

    Attributes:
        step: The last one that was told; None before the first.
        points: Records for :mod:`~pca_core.runs.curves`: steps at even distances, evaluations, the last one; not to be changed.
        first, last: Those of the first and of the last evaluation, with ``"health"``; None before there is one.
        seconds: Of all steps.
        seconds_per_step: Over the last twenty of this life of the worker, evaluations included; None before there is a pace.
    """

    step: int | None = None
    points: tuple[dict[str, Any], ...] = ()
    first: dict[str, Any] | None = None
    last: dict[str, Any] | None = None
    seconds: float = 0.0
    seconds_per_step: float | None = None


class _Sparse:
    """Keeps one in so many, the first one too; the distance doubles whenever there are twice ``most``."""

    def __init__(self, most: int) -> None:
        self._most, self._distance, self._count = most, 1, 0
        self.kept: list[tuple[int, dict]] = []

    def is_next_due(self) -> bool:
        """Asked once for each that comes."""
        self._count += 1
        return (self._count - 1) % self._distance == 0

    def keep(self, place: int, point: dict[str, Any]) -> None:
        self.kept.append((place, point))
        if len(self.kept) > 2 * self._most:
            del self.kept[1::2]
            self._distance *= 2


class _Digester:
    """Takes records one by one."""

    def __init__(self) -> None:
        self._points, self._looks = _Sparse(MOST_POINTS), _Sparse(MOST_LOOKS)
        self._first: dict[str, Any] | None = None
        self._last: dict[str, Any] | None = None
        self._newest: dict[str, Any] | None = None
        self._count, self._seconds = 0, 0.0
        self._times: deque[float] = deque(maxlen=PACE_STEPS)

    def add(self, record: dict[str, Any]) -> None:
        is_due = self._points.is_next_due()
        if is_due or record.get("health"):
            point = pick(record)
            if is_due:
                self._points.keep(self._count, point)
            if "health" in point:
                self._first, self._last = self._first or point, point
                if self._looks.is_next_due():
                    self._looks.keep(self._count, point)
        self._seconds += to_number(record.get("seconds")) or 0.0
        self._note_time(to_number(record.get("time")))
        self._newest = record
        self._count += 1

    def digest(self) -> Digest:
        if self._newest is None:
            return Digest()
        chosen = dict([*self._points.kept, *self._looks.kept, (self._count - 1, pick(self._newest))])
        points = tuple(chosen[place] for place in sorted(chosen))
        return Digest(self._newest["step"], points, self._first, self._last, self._seconds, self._pace())

    def _note_time(self, time: float | None) -> None:
        if time is None:
            return
        if self._times and time < self._times[-1]:  # another life: what lies between them is no pace
            self._times.clear()
        self._times.append(time)

    def _pace(self) -> float | None:
        times = self._times
        return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else None


class Follower:
    """Looks at what a run reports, again and again: only what was appended since the last look is read and parsed.

    Any number of threads may share one. A file that was cut, replaced (a resume drops the steps that it takes again) or deleted
    is read anew from its beginning.

    Args:
        run: Any, also one that has not begun.
    """

    def __init__(self, run: Run) -> None:
        self._path, self._lock = run.metrics_path, threading.Lock()
        self._begin()

    def _begin(self, identity: tuple[int, int] | None = None) -> None:
        self._cutter, self._digester, self._digest = LineCutter(), _Digester(), Digest()
        self._identity, self._offset, self._tail = identity, 0, b""

    def look(self) -> Digest:
        """What was reported up to now; the same object when nothing was added."""
        with self._lock:
            try:
                with self._path.open("rb", buffering=0) as file:
                    status = os.fstat(file.fileno())
                    identity = status.st_dev, status.st_ino
                    if identity != self._identity or not self._is_as_read(file):
                        self._begin(identity)
                    self._read_on(file)
            except OSError:  # nothing was reported yet, or the run was deleted
                self._begin()
            return self._digest

    def _is_as_read(self, file: BinaryIO) -> bool:
        """Whether what was read last still stands there: the number of a file that has gone soon belongs to another."""
        return os.pread(file.fileno(), len(self._tail), self._offset - len(self._tail)) == self._tail

    def _read_on(self, file: BinaryIO) -> None:
        file.seek(self._offset)
        is_changed = False
        while block := file.read(BLOCK_BYTES):
            self._offset += len(block)
            self._tail = (self._tail + block)[-TAIL_BYTES:]
            for line in self._cutter.feed(block):
                if (record := parse(line)) is not None:
                    self._digester.add(record)
                    is_changed = True
        if is_changed:
            self._digest = self._digester.digest()


def read_digest(run: Run) -> Digest:
    """Look once, at all of it."""
    return Follower(run).look()


def pick(record: dict[str, Any]) -> dict[str, Any]:
    """What curves and summaries need of a record with a step, each of it of the right kind."""
    losses, association, scores = (_as_dict(record.get(name)) for name in ("losses", "association", "scores"))
    point: dict[str, Any] = {
        "step": record["step"],
        "losses": _numbers(losses, TERM_NAMES),
        "association": {
            level: found
            for level in get_args(Level)
            if len(found := _numbers(_as_dict(association.get(level)), ("rate", "coverage"))) == 2
        },
        "scores": {domain: found for domain in get_args(Domain) if (found := _numbers(_as_dict(scores.get(domain)), ("miou",)))},
    }
    if health := _pick_health(_as_dict(record.get("health"))):
        point["health"] = health
    return point


def _pick_health(health: dict[str, Any]) -> dict[str, Any]:
    """Fields of :class:`~pca_core.adaptation.Health`."""
    found: dict[str, Any] = _numbers(health, [field.name for field in fields(Health)])
    vanished, suggestion = health.get("vanished"), health.get("suggestion")
    if isinstance(vanished, list):
        found["vanished"] = [name[:NAME_LENGTH] for name in vanished[:MOST_NAMES] if isinstance(name, str)]
    if isinstance(suggestion, str):
        found["suggestion"] = suggestion[:NAME_LENGTH]
    return found


def _numbers(values: dict[str, Any], names: Iterable[str]) -> dict[str, float]:
    return {name: number for name in names if (number := to_number(values.get(name))) is not None}


def _as_dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def to_number(value: object) -> float | None:
    """A number that can be computed with, or None: yes and no are none, nor is what is not finite."""
    return value if type(value) in (int, float) and -LARGEST < value < LARGEST else None
