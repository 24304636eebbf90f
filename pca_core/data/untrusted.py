"""Uploaded pictures, step by step: size, first bytes, hash, then a child process decodes; the first failure stops it.

The child (:mod:`pca_core.data.decode_child`) calls :func:`~pca_core.data.read_image` and :func:`~pca_core.data.read_label`, so an
upload is read exactly as a file is. What it returns are plain numbers, which are encoded anew here: no byte of an upload that a
decoder could stumble over is kept.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Literal

import numpy as np

from pca_core.checks import InputError, shorten, tidy
from pca_core.data.decoders import DECODERS
from pca_core.data.files import MAX_PIXELS, find_format
from pca_core.data.images import content_hash, encode_png
from pca_core.data.labels import LabelMap
from pca_core.types import IGNORE_INDEX, LabelSpace

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
    pixels, _ = _decode({"name": tidy(name)}, data, _is_image)
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
    wanted = None if size is None else tuple(size)
    return LabelMap(*_decode(request, data, partial(_is_label, num_classes=space.num_classes, size=wanted)))


def _decode(request: dict, data: bytes, fits: Callable[[np.ndarray], bool]) -> tuple[np.ndarray, dict[int, int]]:
    """The child's answer, which is not believed: a decoder may have been made to write it. What is odd in any way is refused."""
    told, content = DECODERS.decode(request, data)
    code, message = told.get("code"), told.get("message")
    if isinstance(code, str) and isinstance(message, str) and re.fullmatch(r"[A-Z_]{3,40}", code):
        raise InputError(code, shorten(message, 1000))
    with suppress(ArithmeticError, LookupError, TypeError, ValueError):
        pixels, unknown = _parse(told, content)
        if fits(pixels):
            return pixels, unknown
    raise InputError("IMAGE_DECODER", f"The answer for {request['name']} is no picture. Save it anew as an 8-bit PNG.")


def _parse(told: dict, content: bytes) -> tuple[np.ndarray, dict[int, int]]:
    shape = tuple(map(int, told["shape"]))
    if min(shape) < 1 or math.prod(shape[:2]) > MAX_PIXELS:
        raise ValueError(f"a picture of {shape}")
    return np.frombuffer(content, np.uint8).reshape(shape), {int(raw): int(count) for raw, count in told["unknown"]}


def _is_image(pixels: np.ndarray) -> bool:
    return pixels.ndim == 3 and pixels.shape[2] == 3


def _is_label(ids: np.ndarray, num_classes: int, size: tuple[int, int] | None) -> bool:
    """Whether each id is a class or unlabelled: another one would end a CUDA context, far from here."""
    is_sized = ids.ndim == 2 and size in (None, ids.shape)
    return is_sized and bool(((ids < num_classes) | (ids == IGNORE_INDEX)).all())
