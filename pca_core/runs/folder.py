"""The folder of one run: everything that is known of it, readable at any time by any process.

``run.json`` (written once) · ``status.json`` (replaced) · ``metrics.jsonl`` (appended) · ``checkpoints/`` · ``previews/`` ·
``adapted.safetensors`` (the result) · ``log.txt`` · ``heartbeat`` · ``worker.lock`` · flags ``cancel`` and ``pause``.
"""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from pca_core.adaptation import METHODS
from pca_core.checks import InputError, shorten
from pca_core.runs import checkpoints, logs, records, waiting
from pca_core.runs.json_files import read_object
from pca_core.runs.request import RunRequest
from pca_core.runs.status import RunStatus
from pca_core.storage import write_atomic, write_atomic_parts

KNOWN_REQUESTS = 1024
STALLED_AFTER = 60.0  # seconds without a heartbeat
RESERVE_BYTES = 64 * 2**10
# By the worker, at once each.
WRITTEN = ("inputs.json", "status.json", "child.json", "metrics.jsonl", "heartbeat", "adapted.safetensors")


class Run:
    """One run, by its folder.

    Args:
        folder: Made by :class:`~pca_core.runs.store.RunStore` or :func:`create_folder`.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @property
    def id(self) -> str:
        return self.folder.name

    @cached_property
    def facts(self) -> dict[str, Any]:
        """``run.json``: the request, its hash, versions, device, threads.

        Raises:
            InputError: ``RUN_NOT_FOUND`` or ``RUN_BROKEN``.
        """
        try:
            return read_object(self.folder / "run.json")
        except FileNotFoundError:
            raise InputError("RUN_NOT_FOUND", f"There is no run in {self.folder.name}. List runs with cyclelens runs.") from None
        except (OSError, ValueError):
            raise InputError("RUN_BROKEN", f"The description of run {self.id} cannot be read. Start it anew.") from None

    @cached_property
    def request(self) -> RunRequest:
        """What it is asked to do.

        Raises:
            InputError: ``RUN_NOT_FOUND`` or ``RUN_BROKEN``, which a run of a version with other knobs is here too.
        """
        try:
            found = (self.folder / "run.json").stat()
        except (OSError, ValueError):
            return _read_request.__wrapped__(self.folder)  # not kept: it tells what is wrong with the file
        return _read_request(self.folder, found.st_ino, found.st_size, found.st_mtime_ns)

    @property
    def is_there(self) -> bool:
        return waiting.is_there(self.folder)

    @property
    def fault(self) -> str | None:
        """A sentence on why its description cannot be used here, or None when it can."""
        try:
            self.request  # noqa: B018 (asked whether it can be)
        except InputError as error:
            return str(error)
        return None

    def read_status(self) -> RunStatus:
        """Where it stands, as last written; see :meth:`is_alive`."""
        try:
            return RunStatus.from_dict(read_object(self.folder / "status.json"))
        except (OSError, ValueError):
            return RunStatus(state="interrupted", message="The status of this run cannot be read.")

    def write_status(self, **changes: object) -> RunStatus:
        """Replace what changed, atomically; only the worker, or whoever holds its lock, may call this."""
        status = replace(self.read_status(), **changes)
        self._replace("status.json", (json.dumps(asdict(status), indent=1).encode(),))
        return status

    def _replace(self, name: str, parts: Iterable[bytes]) -> None:
        """Write a file anew; FileNotFoundError when the run was deleted, whose folder must not come back."""
        if not self.is_there:
            raise FileNotFoundError(errno.ENOENT, "The run was deleted", str(self.folder))
        write_atomic_parts(self.folder / name, parts, makes_folder=False)

    # What a worker reports

    @property
    def metrics_path(self) -> Path:
        """See :mod:`~pca_core.runs.records`."""
        return self.folder / "metrics.jsonl"

    def append_metrics(self, record: dict[str, Any]) -> None:
        """One line per step; a line torn by a kill is dropped when it is read."""
        with self.metrics_path.open("ab") as file:
            file.write(records.encode(record))

    def read_metrics(self) -> list[dict[str, Any]]:
        """All of them, which takes a while for a long run: see :mod:`~pca_core.runs.digest` for who looks often."""
        return records.read_records(self.metrics_path)

    def drop_metrics_after(self, step: int) -> None:
        """Forget steps that a resume will take again."""
        self._replace("metrics.jsonl", records.read_until(self.metrics_path, step))

    def log(self, text: str) -> None:
        """Append lines; see :meth:`cap_log`."""
        logs.append(self.folder / "log.txt", text)

    def cap_log(self) -> None:
        """Keep the log from growing without end: libraries print to it too."""
        logs.cap(self.folder / "log.txt")

    def read_log(self, lines: int = 40) -> str:
        return logs.read_end(self.folder / "log.txt", lines)

    def beat(self) -> None:
        """Say that the worker is alive. The monotonic clock is the machine's: no change of the date moves it."""
        self._replace("heartbeat", (str(time.monotonic()).encode(),))

    @property
    def seconds_since_beat(self) -> float | None:
        """None before the first beat; infinite when it was before the machine started."""
        try:
            age = time.monotonic() - float((self.folder / "heartbeat").read_bytes())
        except (OSError, ValueError):
            return None
        return age if age >= 0 else float("inf")

    @property
    def is_stalled(self) -> bool:
        """At work or in the queue, but silent for a minute."""
        age = self.seconds_since_beat
        return self.read_status().is_active and age is not None and age > STALLED_AFTER

    # Locks and flags

    def lock(self) -> FileLock:
        """Held by the worker as long as it lives."""
        return FileLock(self.folder / "worker.lock")

    @property
    def is_alive(self) -> bool:
        """Whether a worker (or one that waits for its turn) holds the lock."""
        return waiting.is_held(self.folder / "worker.lock")

    def keep_reserve(self) -> None:
        """Set a little room aside, so that on a full disk there is some to say so: see :meth:`free_reserve`."""
        with suppress(OSError):
            (self.folder / "reserve").write_bytes(b"\0" * RESERVE_BYTES)

    def free_reserve(self) -> None:
        (self.folder / "reserve").unlink(missing_ok=True)

    def raise_flag(self, name: Literal["cancel", "pause"]) -> None:
        self._replace(name, (str(time.monotonic()).encode(),))

    def lower_flags(self) -> None:
        for name in ("cancel", "pause"):
            (self.folder / name).unlink(missing_ok=True)

    def has_flag(self, name: Literal["cancel", "pause"]) -> bool:
        return (self.folder / name).exists()

    def flag_age(self, name: Literal["cancel", "pause"]) -> float | None:
        """Seconds since a flag was raised, or None."""
        try:
            return max(0.0, time.monotonic() - float((self.folder / name).read_bytes()))
        except (OSError, ValueError):
            return None

    def sweep(self) -> None:
        """Remove what a killed worker left half written; only its successor may call this."""
        checkpoints.sweep(self.checkpoints_folder)
        checkpoints.sweep(self.folder / "previews")
        for path in (path for name in WRITTEN for path in self.folder.glob(f".{name}*")):
            path.unlink(missing_ok=True)

    # Results

    @property
    def checkpoints_folder(self) -> Path:
        return self.folder / "checkpoints"

    def checkpoints(self) -> list[Path]:
        """Complete checkpoints, the newest last."""
        return checkpoints.find_valid(self.checkpoints_folder)

    @property
    def adapted_path(self) -> Path:
        """The result; there once the run is done."""
        return self.folder / "adapted.safetensors"

    @property
    def newest_net(self) -> Path | None:
        """The result, or the net of the newest checkpoint, or None."""
        if self.adapted_path.is_file():
            return self.adapted_path
        newest = checkpoints.find_listed(self.checkpoints_folder)
        return None if newest is None else newest / "model.safetensors"

    def previews(self) -> dict[int, Path]:
        """Step -> folder with class maps ``0.png`` … (uint8 ids) and ``traces.json``."""
        return {checkpoints.step_of(path): path for path in checkpoints.list_steps(self.folder / "previews")}


@lru_cache(KNOWN_REQUESTS)  # pages list all runs every few seconds; run.json is written once
def _read_request(folder: Path, *_stamp: int) -> RunRequest:
    run = Run(folder)
    facts = run.facts
    try:
        request = RunRequest.from_dict(facts["request"])
        if request.config.method not in METHODS:
            raise ValueError(f"there is no method {shorten(request.config.method, 40)!r}")
    except (KeyError, ValueError, RecursionError) as error:
        told = "it is missing" if isinstance(error, KeyError) else shorten(error)
        raise InputError("RUN_BROKEN", f"The request of run {run.id} cannot be used ({told}). Start it anew.") from None
    return request


def create_folder(folder: Path, request: RunRequest, facts: dict[str, Any]) -> Run:
    """Fill a new folder: the first status, and ``run.json``, written once and last, because it makes the folder a run."""
    status = RunStatus(created=time.time(), asked=time.monotonic(), num_steps=request.config.steps)
    write_atomic(folder / "status.json", json.dumps(asdict(status), indent=1).encode())
    told = {**facts, "request": request.to_dict(), "hash": request.digest}
    write_atomic(folder / "run.json", json.dumps(told, indent=1).encode())
    return Run(folder)
