"""Target images that a person hands over: decoded, re-encoded without metadata, kept under names of our own."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pca_core.checks import InputError, shorten, tidy
from pca_core.data.archives import Part, unpack
from pca_core.data.untrusted import check_file, take_image
from pca_core.storage import check_writable, write_atomic

MAX_FILES = 500
MAX_BYTES = 2**30  # of one upload, as it is kept
MAX_KEPT = 10 * 2**30  # of all uploads in a state folder


@dataclass(frozen=True)
class Intake:
    """What became of handed-over files.

    Attributes:
        folder: A data set with ``images/``, or None when no file could be used.
        num_images: In it; files of the same content count once.
        refused: One sentence for each file that could not be used.
    """

    folder: Path | None
    num_images: int
    refused: tuple[str, ...]


def take_images(root: Path, files: Sequence[tuple[str, bytes]]) -> Intake:
    """Keep what can be read of uploaded files, as a data set that its content names.

    Args:
        root: State folder; the data set goes below ``uploads/``.
        files: Name (for messages only) and bytes of each; of a zip all images are taken.

    Raises:
        InputError: ``UPLOAD_MANY``, ``UPLOAD_ROOM`` when the state folder holds :data:`MAX_KEPT` bytes of uploads,
            ``FOLDER_FULL``, ``FOLDER_READ_ONLY``, ``ZIP_…``, all of them before anything is decoded; ``UPLOAD_DISK`` when the
            disk fills up.
    """
    parts = [part for part in unpack(files) if not part.is_label]
    if len(parts) > MAX_FILES:
        raise InputError(
            "UPLOAD_MANY", f"At most {MAX_FILES} images can be uploaded at once, got {len(parts)}. Name a folder instead."
        )
    usable, refused = _check(parts)
    if not usable:
        return Intake(None, 0, tuple(refused))
    if _name(root, usable).is_dir():  # all of them: a page asks anew each time that it is drawn
        return Intake(_name(root, usable), len(usable), tuple(refused))
    uploads = root / "uploads"
    check_writable(uploads)
    pictures = _decode(usable, _find_room(uploads), refused)
    if not pictures:
        return Intake(None, 0, tuple(refused))
    folder = _name(root, pictures)
    if not folder.is_dir():
        _write(uploads, folder, list(pictures.values()))
    return Intake(folder, len(pictures), tuple(refused))


def _check(parts: Iterable[Part]) -> tuple[dict[str, Part], list[str]]:
    """By hash what has the size and the first bytes of a picture, and a sentence for each of the others."""
    usable, refused = {}, []
    for part in parts:
        try:
            usable.setdefault(check_file(part.read(), part.name), part)
        except InputError as error:
            refused.append(str(error))
    return usable, refused


def _decode(usable: Mapping[str, Part], room: int, refused: list[str]) -> dict[str, bytes]:
    """PNG files of ours by the hashes of what they were, no more than ``room`` bytes; a sentence for each of the others."""
    pictures, num_bytes = {}, 0
    for sha256, part in usable.items():
        try:
            picture = take_image(part.read(), part.name).encode()
        except InputError as error:
            refused.append(str(error))
            continue
        if num_bytes + len(picture) > room:
            refused.append(f"{tidy(part.name)} goes beyond {room / 2**20:,.0f} MB of room for uploads. Name a folder instead.")
            continue
        pictures[sha256] = picture
        num_bytes += len(picture)
    return pictures


def _find_room(uploads: Path) -> int:
    """How many bytes may be added. What lies there is never removed by itself: a run may need it to be resumed."""
    used = 0
    for path in uploads.rglob("*.png"):
        with suppress(FileNotFoundError):  # another session has just renamed its folder
            used += path.stat().st_size
    if used >= MAX_KEPT:
        raise InputError(
            "UPLOAD_ROOM",
            f"Uploads in {uploads} take {used / 2**30:.1f} GB; at most {MAX_KEPT / 2**30:g} are kept. "
            "Remove folders there that no run needs, or name a folder instead.",
        )
    return min(MAX_BYTES, MAX_KEPT - used)


def _name(root: Path, hashes: Iterable[str]) -> Path:
    """The folder of images with these hashes."""
    return root / "uploads" / hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()[:16]


def _write(uploads: Path, folder: Path, pictures: Sequence[bytes]) -> None:
    temporary = None
    try:
        temporary = Path(tempfile.mkdtemp(dir=uploads, prefix=".new-"))
        for number, picture in enumerate(pictures):
            write_atomic(temporary / "images" / f"upload-{number:03d}.png", picture)
        os.rename(temporary, folder)
    except OSError as error:
        if not folder.is_dir():  # else another session has just uploaded the same
            raise InputError(
                "UPLOAD_DISK",
                f"The images could not be written to {shorten(uploads)} ({error.strerror or error}). "
                "Free room there, or name a folder instead.",
            ) from None
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
