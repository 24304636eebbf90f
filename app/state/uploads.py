"""Images that a person uploaded: kept as bytes, for this session only, a few a side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from app.state import cache, session
from pca_core.checks import InputError
from pca_core.data import content_hash, read_image, read_label
from pca_core.types import Domain, LabelSpace

MAX_UPLOADS = 8  # per side and session


@dataclass(frozen=True)
class Upload:
    """An uploaded image and its label map as the browser sent them, and the classes that the label was read in."""

    name: str
    image: bytes
    label: bytes | None
    label_space: LabelSpace
    unknown: Literal["error", "ignore"]


def add_upload(
    side: Domain,
    image: tuple[str, bytes],
    label: tuple[str, bytes] | None,
    unknown: Literal["error", "ignore"] = "error",
) -> None:
    """Keep an upload for this session and choose it; the oldest gives way beyond :data:`MAX_UPLOADS`.

    Args:
        side: Where it belongs.
        image, label: File name and bytes.
        unknown: What to do with label ids that are no class of the checkpoint.

    Raises:
        InputError: When the image or label cannot be used, or a source comes without a label; nothing is kept then.
    """
    name, data = image
    if side == "source" and label is None:
        raise InputError(
            "UPLOAD_LABEL", f"Source image {name} needs a label map of the same size: cycles are judged by it. Add one."
        )
    space = cache.get_checkpoint(session.get_checkpoint_path()).label_space
    pixels = read_image(data, name=name)
    if label is not None:
        read_label(label[1], space, size=pixels.shape[:2], unknown=unknown, name=label[0])
    uploads: dict[str, Upload] = st.session_state["uploads"][side]
    key = f"{Path(name).stem[:40]} {content_hash(data)[:6]}"
    uploads.pop(key, None)
    uploads[key] = Upload(key, data, None if label is None else label[1], space, unknown)
    while len(uploads) > MAX_UPLOADS:
        uploads.pop(next(iter(uploads)))
    session.choose(side, session.UPLOADS, key)


def get_uploads(side: Domain) -> tuple[str, ...]:
    return tuple(st.session_state["uploads"][side])
