"""The child that decodes uploads, started by :mod:`pca_core.limited`: it calls the one decoder, and nothing else.

It reads requests from its standard input until that ends. Both ends speak frames: the length of a JSON text, that of the bytes
after it, then both. Numbers come back, never objects: what a decoder was made to do in here cannot run in the server.
"""

from __future__ import annotations

import json
import os
import struct
import warnings
from io import BytesIO
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin  # noqa: F401

from pca_core.checks import InputError
from pca_core.data.files import MAX_PIXELS
from pca_core.data.images import read_image
from pca_core.data.labels import read_label
from pca_core.limited import close_doors, limit_seconds
from pca_core.types import LabelSpace

CPU_SECONDS = 8
MAX_JSON_BYTES = 2**22  # of a request; a label map may have 65,536 unknown ids to tell of
_HEAD = struct.Struct(">IQ")


def write_frame(file: BinaryIO, told: dict, content: bytes | memoryview = b"") -> None:
    """Send a JSON object and bytes."""
    text = json.dumps(told).encode()
    content = memoryview(content).cast("B")
    file.write(_HEAD.pack(len(text), content.nbytes))
    file.write(text)
    file.write(content)
    file.flush()


def read_frame(file: BinaryIO, max_bytes: int) -> tuple[dict, bytes] | None:
    """What :func:`write_frame` sent; None at the end of the file, also where it lies within a frame.

    Raises:
        ValueError: When it is longer than it may be, nested too deeply, or no JSON object.
    """
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    text_bytes, content_bytes = _HEAD.unpack(head)
    if text_bytes > MAX_JSON_BYTES or content_bytes > max_bytes:
        raise ValueError(f"a frame of {text_bytes} and {content_bytes} bytes")
    text, content = file.read(text_bytes), file.read(content_bytes)
    if len(text) + len(content) < text_bytes + content_bytes:
        return None
    try:
        told = json.loads(text)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error
    if not isinstance(told, dict):
        raise ValueError("no JSON object")
    return told, content


def answer(request: dict, data: bytes) -> tuple[dict, np.ndarray]:
    """Decode a file.

    Args:
        request: ``name`` for messages, and for a label map ``space``, ``id_map``, ``further_ids``, ``unknown``, ``size`` and
            ``wrong_size`` as :func:`~pca_core.data.read_label` takes them.
        data: The file.

    Returns:
        ``shape`` and ``unknown`` ids with the pixels, or ``code`` and ``message`` with none.
    """
    try:
        if "space" not in request:
            pixels, unknown = read_image(data, name=request["name"]), {}
        else:
            label = _read_label(request, data)
            pixels, unknown = label.ids, label.unknown
    except InputError as error:
        return {"code": error.code, "message": str(error)}, np.empty(0, np.uint8)
    except MemoryError:
        message = f"{request['name']} takes more memory to read than an image may. Scale it down first."
        return {"code": "IMAGE_TOO_LARGE", "message": message}, np.empty(0, np.uint8)
    return {"shape": pixels.shape, "unknown": sorted(unknown.items())}, np.ascontiguousarray(pixels)


def _read_label(request: dict, data: bytes):
    space = request["space"]
    return read_label(
        data,
        LabelSpace(
            space["name"], tuple(space["class_names"]), tuple(map(tuple, space["palette"])), ignore_index=space["ignore_index"]
        ),
        id_map=None if request["id_map"] is None else dict(request["id_map"]),
        further_ids=dict(request["further_ids"]),
        unknown=request["unknown"],
        size=None if request["size"] is None else tuple(request["size"]),
        wrong_size=request["wrong_size"],
        name=request["name"],
    )


def get_ready() -> None:
    """Load what decoders load late, and have Pillow refuse what it would only warn of."""
    cv2.setNumThreads(1)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    warnings.simplefilter("ignore")  # of damaged metadata
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    for file_format in ("PNG", "JPEG", "TIFF", "WEBP"):
        for mode in ("RGB", "L"):
            file = BytesIO()
            Image.new(mode, (8, 8)).save(file, file_format)
            answer({"name": ""}, file.getvalue())
    answer({"name": ""}, cv2.imencode(".png", np.zeros((2, 2, 3), np.uint16))[1].tobytes())
    answer({"name": ""}, b"\x89PNG\r\n\x1a\n")  # a refusal loads a module or two as well


def main() -> int:
    requests, answers = os.fdopen(0, "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # what a library prints must not come between the answers
    os.close(nowhere)
    get_ready()
    close_doors(answers.fileno() + 1)
    while (frame := read_frame(requests, 2**40)) is not None:
        limit_seconds(CPU_SECONDS)
        write_frame(answers, *answer(*frame))
    return 0
