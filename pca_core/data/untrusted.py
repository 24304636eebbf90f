"""Uploaded pictures, step by step: size, first bytes, hash, then a child process decodes; the first failure stops it.

The child (:mod:`pca_core.data.decode_child`) calls :func:`~pca_core.data.read_image` and :func:`~pca_core.data.read_label`, so an
upload is read exactly as a file is. What it returns are plain numbers, which are encoded anew here: no byte of an upload that a
decoder could stumble over is kept.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from pca_core.checks import InputError, shorten, tidy
from pca_core.data.decoders import DECODERS
from pca_core.data.files import MAX_PIXELS, find_format
from pca_core.data.images import content_hash, encode_png
from pca_core.data.labels import LabelMap
from pca_core.types import LabelSpace

MAX_BYTES = 50 * 2**20  # of one file


@dataclass(frozen=True)
class TakenImage:
    """An uploaded image that was read.

    Attributes:
        sha256: Of the file as it came.
        pixels: (H, W, 3) uint8, RGB, upright, not to be written to.
    """

    sha256: str
    pixels: np.ndarray

    def encode(self) -> bytes:
        """A PNG of the pixels and nothing else."""
        return encode_png(self.pixels, is_quick=True)


def check_file(data: bytes, name: str) -> str:
    """The checks that need no decoder; returns the SHA-256 of the file.

    Raises:
        InputError: ``IMAGE_EMPTY``, ``IMAGE_TOO_LARGE``, ``IMAGE_FORMAT``.
    """
    name = tidy(name)
    if not data:
        raise InputError("IMAGE_EMPTY", f"{name} holds no bytes. Copy or upload it again.")
    if len(data) > MAX_BYTES:
        raise InputError(
            "IMAGE_TOO_LARGE",
            f"{name} has {len(data) / 2**20:.0f} MB; at most {MAX_BYTES >> 20} are taken. Save a smaller picture.",
        )
    find_format(data, name)
    return content_hash(data)


def take_image(data: bytes, name: str) -> TakenImage:
    """Read an uploaded image, in a child process that may take 1 GB and 9 s.

    Args:
        data: The file.
        name: Of the file, for messages only.

    Raises:
        InputError: ``IMAGE_…`` as :func:`~pca_core.data.read_image`, ``IMAGE_TIMEOUT``, ``IMAGE_DECODER``.
    """
    sha256 = check_file(data, name)
    _, pixels = _decode({"name": tidy(name)}, data, 3)
    return TakenImage(sha256, pixels)


def take_label(
    data: bytes,
    name: str,
    space: LabelSpace,
    *,
    id_map: Mapping[int, int] | None = None,
    further_ids: Mapping[int, int] | None = None,
    unknown: Literal["error", "ignore"] = "error",
    size: tuple[int, int] | None = None,
    wrong_size: Literal["error", "nearest"] = "error",
) -> LabelMap:
    """Read an uploaded label map in such a child; arguments and errors as :func:`~pca_core.data.read_label` and above."""
    check_file(data, name)
    request = {
        "name": tidy(name),
        "space": asdict(space),
        "id_map": None if id_map is None else sorted(id_map.items()),
        "further_ids": sorted((further_ids or {}).items()),
        "unknown": unknown,
        "size": size,
        "wrong_size": wrong_size,
    }
    told, ids = _decode(request, data, 1)
    return LabelMap(ids, {int(raw): int(count) for raw, count in told["unknown"]})


def _decode(request: dict, data: bytes, channels: int) -> tuple[dict, np.ndarray]:
    """The child's answer, which is not believed: a decoder may have been made to write it."""
    told, content = DECODERS.decode(request, data)
    if "code" in told:
        code = str(told["code"])
        raise InputError(code if re.fullmatch(r"[A-Z_]{3,40}", code) else "IMAGE_DECODER", shorten(told.get("message"), 1000))
    shape = tuple(map(int, told["shape"]))
    is_picture = len(shape) == (3 if channels > 1 else 2) and min(shape) > 0 and shape[2:] in ((), (channels,))
    if not is_picture or math.prod(shape[:2]) > MAX_PIXELS or math.prod(shape) != len(content):
        raise InputError("IMAGE_DECODER", f"The answer for {request['name']} is no picture. Save it anew as an 8-bit PNG.")
    return told, np.frombuffer(content, np.uint8).reshape(shape)
