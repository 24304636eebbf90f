"""Checkpoints of a run: a folder that is complete and proven by its manifest, or not there at all."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from pca_core.runs.json_files import read_object
from pca_core.storage import sync_folder

MANIFEST = "MANIFEST.json"
KEPT = 2
_UNFINISHED = ".writing-"
_NAME = re.compile(r"step-([0-9]{6,18})")


def publish(folder: Path, step: int, write: Callable[[Path], None], kept: int = KEPT) -> Path:
    """Write a checkpoint and make it appear at once.

    A temporary folder on the same file system → every file synced → manifest (name, size, SHA-256) last → rename → parent synced.
    Older ones go only after the new one stands. A complete one of the same step is left as it is.

    Args:
        folder: ``checkpoints/`` of the run.
        step: Steps taken.
        write: Puts its files into the folder it is given.
        kept: How many stay.

    Raises:
        OSError, RuntimeError: What ``write`` raises, or a full disk; earlier checkpoints are untouched.
    """
    folder.mkdir(exist_ok=True)  # not that of the run, which may have been deleted
    final = folder / f"step-{step:06d}"
    if is_valid(final):  # of the same step, before a resume: equal, and not to be put at risk
        return final
    temporary = Path(tempfile.mkdtemp(dir=folder, prefix=_UNFINISHED))
    try:
        write(temporary)
        files = {path.name: _describe(path) for path in sorted(temporary.iterdir())}
        _write_synced(temporary / MANIFEST, json.dumps({"step": step, "files": files}, indent=1).encode())
        sync_folder(temporary)
        if final.exists():  # broken, or it would have been returned
            shutil.rmtree(final)
        os.replace(temporary, final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(folder)
    _forget(folder, kept)
    return final


def find_valid(folder: Path) -> list[Path]:
    """Complete checkpoints, the newest last; whatever does not match its manifest is not among them."""
    return [path for path in list_steps(folder) if is_valid(path)]


def find_newest(folder: Path) -> Path | None:
    """The newest complete checkpoint; older ones are only read when it is broken."""
    return next((path for path in reversed(list_steps(folder)) if is_valid(path)), None)


def find_listed(folder: Path) -> Path | None:
    """The newest checkpoint by its name alone, to show; its files are not hashed, which takes a while for large nets."""
    return next((path for path in reversed(list_steps(folder)) if (path / MANIFEST).is_file()), None)


def step_of(checkpoint: Path) -> int:
    return int(_NAME.fullmatch(checkpoint.name)[1])


def is_valid(checkpoint: Path) -> bool:
    """Whether every file that the manifest lists is there with its size and hash."""
    try:
        files = read_object(checkpoint / MANIFEST)["files"]
        return bool(files) and all(_describe(checkpoint / name, sync=False) == facts for name, facts in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def sweep(folder: Path) -> None:
    """Remove what a killed writer left; only its successor may call this."""
    for path in folder.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(path, ignore_errors=True)


def list_steps(folder: Path) -> list[Path]:
    """Folders called after a step in order, whatever they hold; none where the folder is gone."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return sorted((folder / name for name in names if _NAME.fullmatch(name)), key=step_of)


def _forget(folder: Path, kept: int) -> None:
    """Keep the newest ``kept``; broken ones among them do not count, and none goes before enough valid ones stand."""
    published = list_steps(folder)
    valid = find_valid(folder)
    for path in published:
        if path not in valid[-kept:] and len(valid) >= kept:
            shutil.rmtree(path, ignore_errors=True)


def _describe(path: Path, *, sync: bool = True) -> dict[str, int | str]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
            size += len(block)
        if sync:
            os.fsync(file.fileno())
    return {"size": size, "sha256": digest.hexdigest()}


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
