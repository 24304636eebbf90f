"""JSON lines that grow: a kill costs at most the line that was being written, and that is seen and cut off."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SYNC_SECONDS = 1.0  # between two syncs: a kill loses nothing that was written, a power cut at most this


class Journal:
    """Appends records to a file of its own, after cutting off a torn last line. Use it as a context."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        cut_torn_line(path)
        self._file = path.open("ab")
        self._synced = time.monotonic()

    def append(self, record: dict[str, Any]) -> None:
        """One line; it is with the operating system when this returns.

        Raises:
            OSError: On a full disk.
        """
        self._file.write(encode(record))
        self._file.flush()
        if time.monotonic() - self._synced > SYNC_SECONDS:
            self._sync()

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        with self._file:
            self._sync()


def encode(record: dict[str, Any]) -> bytes:
    """A record as its line."""
    return json.dumps(record, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def cut_torn_line(path: Path) -> None:
    """Cut a file behind its last line end; a file that is not there stays so."""
    if not path.is_file():
        return
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        whole = end
        while whole:
            start = max(0, whole - 65536)
            file.seek(start)
            found = file.read(whole - start).rfind(b"\n")
            if found >= 0:
                whole = start + found + 1
                break
            whole = start
        if whole < end:
            file.truncate(whole)


def read_records(path: Path) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
    """Offset, line and record of each whole line; lines that hold no object are left out."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        offset = 0
        for line in file:
            if line.endswith(b"\n") and (record := _parse(line)) is not None:
                yield offset, line, record
            offset += len(line)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
