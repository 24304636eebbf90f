"""The lines of ``metrics.jsonl``, one a step: appended by the worker, read by everybody else whatever happened to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK_BYTES = 2**20  # read at a time
MAX_LINE = 2**20  # bytes; a record of 150 classes has some ten thousand
MAX_STEP = 2**53


class LineCutter:
    """Cuts blocks of a file into lines; what stands behind the last line's end waits for the next block, at most ``MAX_LINE``."""

    def __init__(self) -> None:
        self._rest, self._is_skipping = b"", False

    def feed(self, block: bytes) -> list[bytes]:
        """The lines that end in this block; one that is too long is given empty."""
        *lines, rest = (self._rest + block).split(b"\n")
        if lines and self._is_skipping:
            lines[0], self._is_skipping = b"", False
        if len(rest) > MAX_LINE:
            rest, self._is_skipping = b"", True
        self._rest = rest
        return lines


def encode(record: dict[str, Any]) -> bytes:
    """A record as its line."""
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def parse(line: bytes) -> dict[str, Any] | None:
    """A record; None for a line that is torn, damaged or of no step."""
    if len(line) > MAX_LINE:
        return None
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    step = record.get("step") if isinstance(record, dict) else None
    return record if type(step) is int and 0 <= step < MAX_STEP else None


def read_lines(path: Path) -> Iterator[bytes]:
    """Lines whose end is written; the last one may be under way.

    Raises:
        OSError: When there is no such file, or it cannot be read.
    """
    cutter = LineCutter()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield from cutter.feed(block)


def read_records(path: Path) -> list[dict[str, Any]]:
    """Records of all steps in order; what cannot be read is left out."""
    try:
        return [record for line in read_lines(path) if (record := parse(line)) is not None]
    except OSError:
        return []


def read_until(path: Path, step: int) -> Iterator[bytes]:
    """Lines of steps up to this one, as they were written, with their ends; none where there is no file."""
    try:
        for line in read_lines(path):
            record = parse(line)
            if record is not None and record["step"] <= step:
                yield line + b"\n"
    except OSError:
        return
