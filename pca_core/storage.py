"""Writing files so that a crash leaves the old one or the new one, never half of one; and telling files by their content."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from pca_core.checks import InputError, exists, shorten

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what the system says of a disk without room
KNOWN_FILES = 4096  # whose hash is remembered


def write_atomic(path: str | Path, data: bytes, *, makes_folder: bool = True) -> None:
    """Write ``data`` to ``path`` by temporary file, fsync and rename; parent folders are made.

    Args:
        makes_folder: False where a folder that was deleted meanwhile must not come back.

    Raises:
        OSError: When the disk is full or the folder cannot be written; the old file is then untouched.
    """
    write_atomic_parts(path, (data,), makes_folder=makes_folder)


def write_atomic_parts(path: str | Path, parts: Iterable[bytes], *, makes_folder: bool = True) -> None:
    """The same for what is longer than memory: ``parts`` are written as they come."""
    path = Path(path)
    if makes_folder:
        path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_writable(folder: str | Path) -> None:
    """Make the folder and write a byte into it: long work must not learn at its end that it cannot be kept.

    Raises:
        InputError: ``FOLDER_FULL`` or ``FOLDER_READ_ONLY``.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try_writing(folder)
    except (OSError, ValueError) as error:
        raise not_written(folder, error) from None


def try_writing(folder: Path) -> None:
    """Write a byte into a folder, which is not made.

    Raises:
        OSError: When it is gone, full or read-only.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b" ")


def not_written(folder: str | Path, error: Exception) -> InputError:
    """``FOLDER_FULL`` or ``FOLDER_READ_ONLY``: what the system said of a folder, and what to do."""
    if getattr(error, "errno", None) in FULL:
        return InputError(
            "FOLDER_FULL", f"The disk of {shorten(folder)} is full, or its quota is used up. Make room and try again."
        )
    return InputError(
        "FOLDER_READ_ONLY", f"Nothing can be written to {shorten(folder)} ({error}). Name a folder that can be written."
    )


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content; empty for one that cannot be read, which is then another one once it can."""
    if not exists(path.is_file):
        return ""
    try:
        stamp = path.stat()
        return _hash_content(path, stamp.st_size, stamp.st_mtime_ns)
    except OSError:
        return ""


@lru_cache(KNOWN_FILES)
def _hash_content(path: Path, *_stamp: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
