"""Files that hold one JSON object, read whatever they hold and written whole.

The standard library alone: :mod:`~pca_core.runs.waiting` uses it before torch is loaded, as :mod:`pca_core.storage` would.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

MOST_BYTES = 2**22  # those that are written have some thousand


def read_object(path: Path) -> dict[str, Any]:
    """What a file holds.

    Raises:
        OSError: When there is no such file, or it cannot be read.
        ValueError: When it holds something else than an object, is too long or nested too deeply.
    """
    with path.open("rb") as file:
        text = file.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise ValueError(f"{path.name} has more than {MOST_BYTES:,} bytes.")
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError(f"{path.name} is nested too deeply.") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} must hold an object, got {type(found).__name__}.")
    return found


def replace_object(path: Path, values: dict[str, Any]) -> None:
    """Write a file anew, synced; only one process at a time may do so.

    Raises:
        OSError: When it cannot be written; the old one is then untouched.
    """
    temporary = path.with_name(f".{path.name}")
    with temporary.open("w") as file:
        file.write(json.dumps(values))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the name
    finally:
        os.close(folder)
