"""The log of a run, which never grows long."""

from __future__ import annotations

import time
from pathlib import Path

LOG_BYTES = 256 * 2**10


def append(path: Path, text: str) -> None:
    """Add lines with the time before them."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    with path.open("ab") as file:
        file.write(f"{stamp} {text}\n".encode(errors="replace"))
    cap(path)


def cap(path: Path) -> None:
    """Drop the older half of a log that has grown too long, in place: what the worker prints goes to the open file."""
    if path.exists() and path.stat().st_size > LOG_BYTES:
        with path.open("r+b") as file:
            file.seek(-LOG_BYTES // 2, 2)
            tail = file.read().split(b"\n", 1)[-1]
            file.seek(0)
            file.write(tail)
            file.truncate()


def read_end(path: Path, lines: int) -> str:
    """The last lines; empty when there is no log."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
