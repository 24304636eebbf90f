"""Target images that a person hands over: decoded, re-encoded without metadata, kept under names of our own."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pca_core.checks import InputError
from pca_core.data import content_hash
from pca_core.data.archives import unpack
from pca_core.data.untrusted import take_image
from pca_core.storage import check_writable, write_atomic

MAX_FILES = 500


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
        InputError: ``UPLOAD_MANY``, ``FOLDER_READ_ONLY``, ``ZIP_…``.
    """
    parts = [part for part in unpack(files) if not part.is_label]
    if len(parts) > MAX_FILES:
        raise InputError(
            "UPLOAD_MANY", f"At most {MAX_FILES} images can be uploaded at once, got {len(parts)}. Name a folder instead."
        )
    hashes = {content_hash(part.read()) for part in parts}
    if _name(root, hashes).is_dir():  # all of them: a page asks anew each time that it is drawn
        return Intake(_name(root, hashes), len(hashes), ())
    pictures, refused = {}, []
    for part in parts:
        try:
            taken = take_image(part.read(), part.name)
            pictures[taken.sha256] = taken.encode()
        except InputError as error:
            refused.append(str(error))
    if not pictures:
        return Intake(None, 0, tuple(refused))
    uploads = root / "uploads"
    check_writable(uploads)
    folder = _name(root, pictures)
    if not folder.is_dir():
        _write(uploads, folder, list(pictures.values()))
    return Intake(folder, len(pictures), tuple(refused))


def _name(root: Path, hashes: Iterable[str]) -> Path:
    """The folder of images with these hashes."""
    return root / "uploads" / hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()[:16]


def _write(uploads: Path, folder: Path, pictures: Sequence[bytes]) -> None:
    temporary = Path(tempfile.mkdtemp(dir=uploads, prefix=".new-"))
    try:
        for number, picture in enumerate(pictures):
            write_atomic(temporary / "images" / f"upload-{number:03d}.png", picture)
        os.rename(temporary, folder)
    except OSError:
        if not folder.is_dir():  # else another session has just uploaded the same
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
