"""Images that a person uploaded: kept as bytes, for this session only, bounded in number and size a side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import streamlit as st

from app.state import cache, session
from pca_core.checks import InputError, shorten
from pca_core.data import content_hash, read_image
from pca_core.types import Domain, LabelSpace

MAX_UPLOADS = 60  # per side and session
MAX_BYTES = 100 * 2**20  # likewise, images and labels together

File = tuple[str, bytes]
"""Name (for messages and pairing only) and bytes."""


@dataclass(frozen=True)
class Upload:
    """An uploaded image and its label map as the browser sent them, and the classes that the label was read in."""

    name: str
    image: bytes
    label: bytes | None
    label_space: LabelSpace
    unknown: Literal["error", "ignore"]
    convention: str = ""  # see :func:`app.state.cache.read_upload_label`

    @property
    def num_bytes(self) -> int:
        return len(self.image) + len(self.label or b"")

    @cached_property
    def content(self) -> str:
        """Changes when the image, its label or how it is read does."""
        return content_hash(
            "|".join([content_hash(self.image), content_hash(self.label or b""), self.unknown, self.convention]).encode()
        )

    @cached_property
    def thumbnail(self) -> bytes:
        """A small JPEG."""
        return cache.make_thumbnail(read_image(self.image, name=self.name))


def add_uploads(
    side: Domain,
    images: Sequence[File],
    labels: Sequence[File],
    unknown: Literal["error", "ignore"] = "error",
    convention: str = "",
) -> tuple[int, tuple[str, ...]]:
    """Keep what can be used of uploaded files for this session and choose the first; the oldest give way beyond the bounds.

    Args:
        side: Where they belong.
        images: To keep.
        labels: Each belongs to the image of the same name without its ending; a single one to a single image in any case.
        unknown: What to do with label ids that are no class of the checkpoint.
        convention: What the ids stand for, a name in ``CONVENTIONS``; "" for class indices of the checkpoint.

    Returns:
        How many images were kept, and a sentence for each file that was not.

    Raises:
        InputError: ``UPLOAD_MANY`` beyond :data:`MAX_UPLOADS`; nothing is kept then.
    """
    if len(images) > MAX_UPLOADS:
        raise InputError(
            "UPLOAD_MANY", f"At most {MAX_UPLOADS} images can be uploaded at once, got {len(images)}. Open a folder instead."
        )
    of_image, refused = _pair_labels(images, labels)
    space = cache.get_checkpoint(session.get_checkpoint_path()).label_space
    kept: dict[str, Upload] = {}
    for image, label in zip(images, of_image, strict=True):
        try:
            key, upload = _read(side, image, label, partial(Upload, label_space=space, unknown=unknown, convention=convention))
            _check_room(kept, upload, image[0])
        except InputError as error:
            refused.append(str(error))
        else:
            kept[key] = upload
    if kept:
        _keep(st.session_state["uploads"][side], kept)
        session.choose(side, session.UPLOADS, next(iter(kept)))
    return len(kept), tuple(refused)


def _pair_labels(images: Sequence[File], labels: Sequence[File]) -> tuple[list[File | None], list[str]]:
    """The label map of each image, and a sentence for each label map that is left over."""
    if len(images) == len(labels) == 1:
        return list(labels), []
    by_stem = {Path(name).stem: (name, data) for name, data in labels}
    found = [by_stem.get(Path(name).stem) for name, _ in images]
    stems = {Path(name).stem for name, _ in images}
    lonely = [name for name, _ in labels if Path(name).stem not in stems]
    return found, [
        f"Label map {shorten(name, 60)} belongs to none of the images: give it the name of its image." for name in lonely
    ]


def _read(side: Domain, image: File, label: File | None, make: Callable[..., Upload]) -> tuple[str, Upload]:
    """The key and what is kept; ``make`` knows how labels are read."""
    name, data = image
    if side == "source" and label is None:
        raise InputError(
            "UPLOAD_LABEL",
            f"Source image {shorten(name, 60)} needs a label map of the same name and size: cycles are judged by it. Add one.",
        )
    pixels = read_image(data, name=name)
    key = f"{Path(name).stem[:40]} {content_hash(data)[:6]}"
    upload = make(key, data, None if label is None else label[1])
    if label is not None:
        cache.read_upload_label(
            label[1], upload.label_space, upload.unknown, upload.convention, size=pixels.shape[:2], name=label[0]
        )
    upload.__dict__["thumbnail"] = cache.make_thumbnail(pixels)  # while the pixels are here
    return key, upload


def _check_room(kept: dict[str, Upload], upload: Upload, name: str) -> None:
    if sum(other.num_bytes for other in kept.values()) + upload.num_bytes > MAX_BYTES:
        raise InputError(
            "UPLOAD_ROOM", f"{shorten(name, 60)} goes beyond {MAX_BYTES // 2**20} MB of uploads at once. Open a folder instead."
        )


def _keep(uploads: dict[str, Upload], new: dict[str, Upload]) -> None:
    for key, upload in new.items():
        uploads.pop(key, None)
        uploads[key] = upload
    while len(uploads) > MAX_UPLOADS or sum(upload.num_bytes for upload in uploads.values()) > MAX_BYTES:
        uploads.pop(next(iter(uploads)))


def get_uploads(side: Domain) -> dict[str, Upload]:
    """By name, the oldest first."""
    return dict(st.session_state["uploads"][side])


def get_round(side: Domain) -> int:
    """A number for the keys of the upload fields: another one empties them."""
    return st.session_state.get(f"{side}_upload_round", 0)


def empty_fields(side: Domain) -> None:
    """After everything was taken, and only then."""
    st.session_state[f"{side}_upload_round"] = get_round(side) + 1


def tell_missing_from_link() -> str:
    """What the address cannot bring back to somebody else, in one sentence; empty when nothing is missing."""
    if any(session.get_choice(side).folder == session.UPLOADS for side in ("source", "target")):
        return "Uploaded images stay in this session: elsewhere the link opens other ones."
    return ""
