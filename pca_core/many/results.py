"""The folder of a sweep over pairs: one line a pair, from however many processes and starts.

``config.json`` (what all lines were made with, written once) · ``pairs.jsonl`` (the lines) · ``parts/rank-N.jsonl`` (lines of a
process beside others, until they are gathered) · ``summary.json`` (at the end) · ``arrays/ID.npz`` · ``pictures/ID/``.

A line is known by its number in the list and by its id, which names the contents of its files and the config: of several lines
of one number the last counts, and one whose id is no longer that of its pair is made anew. Kept in memory are 8 bytes a pair.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from pca_core.adaptation import distributed
from pca_core.checks import InputError, shorten
from pca_core.many.journal import Journal, cut_torn_line, read_records
from pca_core.many.summary import summarise_records
from pca_core.storage import check_writable, write_atomic, write_atomic_parts

RETRIED = "PAIR_MEMORY"
"""The one failure that another start may not meet again with the same files."""


class PairResults:
    """The folder of one sweep.

    Args:
        folder: New, or of a sweep that was stopped.
        facts: Ready for JSON; all that the lines depend on beside their files.
        number: Of pairs in the list.
    """

    def __init__(self, folder: str | Path, facts: dict[str, Any], number: int) -> None:
        self.folder, self.facts, self.number = Path(folder), facts, number

    @property
    def lines(self) -> Path:
        return self.folder / "pairs.jsonl"

    @property
    def _parts(self) -> Path:
        return self.folder / "parts"

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the folder, with the lines of earlier processes gathered; in every process, the first one does the work.

        Raises:
            InputError: ``PAIRS_DIFFER`` when it was made with another config, ``PAIRS_ACTIVE`` when another process works in it,
                ``FOLDER_READ_ONLY``.
        """
        self._check_facts()
        if distributed.rank() > 0:
            distributed.wait_for_all()
            yield
            return
        check_writable(self.folder)
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                "PAIRS_ACTIVE", f"Another process writes to {shorten(self.folder)}. Wait for it, or name another --out."
            ) from None
        with lock:
            write_atomic(self.folder / "config.json", json.dumps(self.facts, indent=1).encode())
            (self.folder / "summary.json").unlink(missing_ok=True)  # of a list that may have been shorter
            self._gather()
            distributed.wait_for_all()
            yield

    def _check_facts(self) -> None:
        path = self.folder / "config.json"
        try:
            kept = json.loads(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            if self.lines.exists():
                raise InputError(
                    "PAIRS_DIFFER",
                    f"{shorten(self.lines)} does not tell what it was made with: config.json is missing. Name another --out.",
                ) from None
            return
        except (OSError, ValueError):
            kept = None
        if not isinstance(kept, dict):
            raise InputError("PAIRS_DIFFER", f"{shorten(path)} cannot be read. Name another --out.")
        other = next((name for name in self.facts if kept.get(name) != self.facts[name]), None)
        if other is not None:
            raise InputError(
                "PAIRS_DIFFER",
                f"{shorten(self.folder)} holds pairs made with {other} {_show(kept.get(other))}, but now it is "
                f"{_show(self.facts[other])}. Repeat what was asked for then, or name another --out.",
            )

    def _gather(self) -> None:
        """Lines of several processes behind those that are there; one that a crash leaves twice counts once."""
        cut_torn_line(self.lines)
        parts = sorted(self._parts.glob("rank-*.jsonl"))
        if not parts:
            return
        with self.lines.open("ab") as whole:
            for part in parts:
                for _, line, _ in read_records(part):
                    whole.write(line)
            whole.flush()
            os.fsync(whole.fileno())
        for part in parts:
            part.unlink()
        with suppress(OSError):  # something of somebody else's in it
            self._parts.rmdir()

    def read_done(self) -> np.ndarray:
        """(number,) uint64, the id of the line of each pair; 0 where there is none that counts."""
        done = np.zeros(self.number, np.uint64)
        for _, _, record in read_records(self.lines):
            if (number := self._number_of(record)) is not None:
                is_retried = (record.get("error") or {}).get("code") == RETRIED
                done[number] = 0 if is_retried else int(record["id"], 16)
        return done

    def _number_of(self, record: dict[str, Any]) -> int | None:
        number, name = record.get("pair"), record.get("id")
        is_ours = type(number) is int and isinstance(name, str) and re.fullmatch("[0-9a-f]{16}", name)
        return number if is_ours and 0 <= number < self.number else None

    def journal(self) -> Journal:
        """Where this process writes its lines."""
        if distributed.world_size() == 1:
            return Journal(self.lines)
        return Journal(self._parts / f"rank-{distributed.rank():04d}.jsonl")

    def finish(self, class_names: tuple[str, ...]) -> dict[str, Any] | None:
        """Once every process has made its share: lines in the order of the list, and the summary; None beside the first."""
        distributed.wait_for_all()
        if distributed.rank() > 0:
            return None
        self._gather()
        self._sort()
        records = (record for _, _, record in read_records(self.lines))
        summary = {**summarise_records(records, class_names, self.folder), **self.facts}
        write_atomic(self.folder / "summary.json", json.dumps(summary, indent=1).encode())
        return summary

    def _sort(self) -> None:
        """Nothing to do after one process that was never stopped; otherwise 8 bytes a pair say where its last line is."""
        place = np.full(self.number, -1, np.int64)
        numbers_before, is_sorted = -1, True
        for offset, _, record in read_records(self.lines):
            number = self._number_of(record)
            is_sorted &= number is not None and number == numbers_before + 1
            if number is not None:
                place[number] = offset
                numbers_before = number
        if not is_sorted:
            write_atomic_parts(self.lines, self._lines_at(place[place >= 0]))

    def _lines_at(self, offsets: np.ndarray) -> Iterator[bytes]:
        with self.lines.open("rb") as file:
            for offset in offsets.tolist():
                file.seek(offset)
                yield file.readline()


def _show(value: object) -> str:
    return shorten(json.dumps(value), 80)
