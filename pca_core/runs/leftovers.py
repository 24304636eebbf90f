"""What processes that were killed left in a state folder, removed when a server starts."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

STALE_SECONDS = 3600.0  # without a change: nobody works on it any more
TOKEN_SECONDS = 24 * 3600.0  # in which a second click may still come
_UNFINISHED = ("runs/.new-*", "runs/.deleted-*", "uploads/.new-*")


def sweep(root: Path) -> None:
    """Remove half-made and half-deleted folders, and links of clicks that nobody will repeat.

    Any number of servers may share the folder: what one is at work on has changed within the hour. Nothing is ever raised.

    Args:
        root: State folder.
    """
    for pattern in _UNFINISHED:
        for folder in root.glob(pattern):
            with suppress(OSError):  # its owner, or another server, has just removed it
                if _age(folder) > STALE_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)
    for link in (root / "tokens").glob("*"):
        with suppress(OSError):
            age = time.time() - link.lstat().st_mtime
            is_dead = not (root / "runs" / os.readlink(link) / "run.json").is_file()
            if age > (STALE_SECONDS if is_dead else TOKEN_SECONDS):
                link.unlink()


def _age(folder: Path) -> float:
    """Seconds since anything in it was written."""
    stamps = [folder.lstat().st_mtime]
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            stamps.append(path.lstat().st_mtime)
    return time.time() - max(stamps)
