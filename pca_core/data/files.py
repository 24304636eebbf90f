"""Opens picture files that nobody vouches for: every check that comes before the pixels are used.

Images and label maps both go through :func:`open_checked`, so that one of them cannot be stricter than the other.
"""

from __future__ import annotations

import re
import struct
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

from pca_core.checks import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_PIXELS = 40_000_000
"""Most pixels of a picture that are decoded unless the caller says otherwise."""
MAX_FILE_BYTES = 512 * 1024**2
"""Most bytes of a file that are read into memory: an uncompressed 16-bit RGBA picture of 40 megapixels fits."""
MAX_FRAMES = 64
"""Most frames of a file whose first frame is still read."""
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")

_MAGIC = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}
_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # EXIF orientation -> the turn that undoes it
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}
_ORIENTATION_TAG, _BITS_TAG, _PHOTOMETRIC_TAG, _EXTRA_SAMPLES_TAG = 274, 258, 262, 338


@dataclass(frozen=True)
class OpenedPicture:
    """A picture file that was checked and decoded, in the mode that its file has.

    Attributes:
        picture: The first frame, pixels loaded, not yet turned upright.
        data: The whole file.
        name: How to call it in a message: the file's name, or "The uploaded file".
        file_format: ``"PNG"``, ``"JPEG"``, ``"TIFF"`` or ``"WEBP"``.
        depth: Bits per channel in the file; Pillow's ``picture`` may hold fewer.
        orientation: EXIF orientation 1-8 that is still to be applied.
    """

    picture: Image.Image
    data: bytes
    name: str
    file_format: str
    depth: int
    orientation: int

    @property
    def is_white_zero(self) -> bool:
        """Whether a TIFF stores white as 0; Pillow inverts such pictures at 8 bits and forgets to at 16."""
        return self.file_format == "TIFF" and self.picture.tag_v2.get(_PHOTOMETRIC_TAG) == 0


def open_checked(source: str | Path | bytes, *, max_pixels: int = MAX_PIXELS, name: str | None = None) -> OpenedPicture:
    """Open, check and decode a PNG, JPEG, TIFF or WebP file.

    Args:
        source: A path, or the bytes of the file.
        max_pixels: Most pixels (height times width); the header is checked before memory is taken.
        name: How to call it in a message; None takes the file's name, or "The uploaded file".

    Returns:
        The decoded first frame.

    Raises:
        InputError: ``IMAGE_NOT_FOUND``, ``IMAGE_EMPTY``, ``IMAGE_FORMAT``, ``IMAGE_TOO_LARGE``, ``IMAGE_FRAMES``,
            ``IMAGE_BROKEN``.
    """
    data, name = _read_file(source, name)
    file_format = find_format(data, name)
    with decoding(name):
        picture = Image.open(BytesIO(data), formats=[file_format])
        _check_size(picture.size, max_pixels, name)
        _check_frames(picture, data, file_format, name)
        depth = _find_depth(picture, data, file_format)
        picture.load()  # verify() passes half a JPEG, only load() looks at the pixels
        return OpenedPicture(picture, data, name, file_format, depth, _find_orientation(picture))


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into an InputError.

    Pillow's plugins raise SyntaxError, KeyError, struct.error and more on crafted files: no list of them is complete.
    """
    try:
        yield
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError) as error:
        count = re.search(r"\((\d+) pixels\)", str(error))  # Pillow looks before our own check can
        what = f"has {int(count[1]):,} pixels, more than the {MAX_PIXELS:,} that are read" if count else "takes too much memory"
        raise InputError("IMAGE_TOO_LARGE", f"{name} {what}. Scale the picture down first.") from error
    except Exception as error:
        raise InputError(
            "IMAGE_BROKEN",
            f"{name} is damaged, incomplete or of a kind that cannot be decoded. Copy it again, or save it anew as an 8-bit PNG.",
        ) from error


def read_16_bit(opened: OpenedPicture) -> np.ndarray:
    """Read the full 16-bit values of a file whose :attr:`~OpenedPicture.depth` is 16.

    Pillow keeps only the high byte of 16-bit colour, so OpenCV decodes that, after Pillow found the file sound.

    Args:
        opened: The checked file.

    Returns:
        (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA, uint16, not yet upright.

    Raises:
        InputError: ``IMAGE_DEPTH`` for CMYK, premultiplied alpha, white-is-zero grey and signed numbers.
    """
    picture = opened.picture
    if picture.mode.startswith("I;16") and not opened.is_white_zero:
        return np.asarray(picture).astype(np.uint16)
    has_odd_alpha = opened.file_format == "TIFF" and picture.tag_v2.get(_EXTRA_SAMPLES_TAG, ()) not in ((), (2,))
    if picture.mode not in ("RGB", "RGBA") or has_odd_alpha:
        raise InputError(
            "IMAGE_DEPTH",
            f"{opened.name} stores its 16-bit numbers in a way that is not read (mode {picture.mode}). "
            "Save it as 8-bit PNG, or as 16-bit grey, RGB or RGBA.",
        )
    with decoding(opened.name):
        data = _keep_pixels_only(opened.data) if opened.file_format == "PNG" else opened.data
        # IMREAD_UNCHANGED ignores EXIF but does turn a TIFF by its own tag, exactly as Pillow does on load().
        deep = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if deep is None or deep.dtype != np.uint16 or deep.shape[:2] != picture.size[::-1]:
            raise ValueError("OpenCV and Pillow read different pictures")
        return deep if deep.ndim == 2 else deep[..., [2, 1, 0, 3][: deep.shape[2]]]


def _keep_pixels_only(data: bytes) -> bytes:
    """A PNG of the chunks that pixels come from; OpenCV takes whatever memory a chunk claims, however short the file is."""
    kept, at = [data[:8]], 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length  # 4 length, 4 kind, 4 check sum
        if end > len(data):
            raise ValueError("a chunk is longer than its file")
        if kind in (b"IDAT", b"tRNS", b"IEND") or (kind == b"IHDR" and len(kept) == 1):
            kept.append(data[at:end])
        if kind == b"IEND":
            break
        at = end
    return b"".join(kept)


def turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an EXIF orientation, so that row 0 is the top of the scene.

    Args:
        pixels: (H, W) or (H, W, C).
        orientation: 1-8; other numbers count as 1, upright already.

    Returns:
        A contiguous, writable copy, with H and W exchanged for 5-8.
    """
    return np.array(_UPRIGHT.get(orientation, np.asarray)(pixels), order="C")


def _read_file(source: str | Path | bytes, name: str | None) -> tuple[bytes, str]:
    if isinstance(source, bytes):
        data, name = source, name or "The uploaded file"
    else:
        path = Path(source)
        name = name or path.name
        try:
            if not path.is_file():
                raise FileNotFoundError(path)
            if path.stat().st_size > MAX_FILE_BYTES:
                raise InputError("IMAGE_TOO_LARGE", f"{name} has more than {MAX_FILE_BYTES >> 20} MiB. Save a smaller picture.")
            data = path.read_bytes()
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                "IMAGE_NOT_FOUND", f"{path} is not a file that can be read. Check the path and the permissions."
            ) from error
    if not data:
        raise InputError("IMAGE_EMPTY", f"{name} holds no bytes. Copy or upload it again.")
    return data, name


def find_format(data: bytes, name: str) -> str:
    """Tell the format of a file from its first bytes.

    Raises:
        InputError: ``IMAGE_FORMAT`` for all but PNG, JPEG, TIFF and WebP.
    """
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    for file_format, beginnings in _MAGIC.items():
        if data.startswith(beginnings):
            return file_format
    raise InputError(
        "IMAGE_FORMAT",
        f"{name} must be a PNG, JPEG, TIFF or WebP file, but begins with the bytes {data[:4].hex(' ')}. "
        "Convert it to one of these.",
    )


def _check_size(size: tuple[int, int], max_pixels: int, name: str) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise InputError("IMAGE_EMPTY", f"{name} has no pixels ({width} × {height}). Save it anew.")
    if width * height > max_pixels:
        raise InputError(
            "IMAGE_TOO_LARGE",
            f"{name} has {width} × {height} pixels, more than the {max_pixels:,} that are read. Scale the picture down first.",
        )


def _check_frames(picture: Image.Image, data: bytes, file_format: str, name: str) -> None:
    if file_format == "TIFF":
        # n_frames would walk through every directory of the file, however many a crafted one has.
        with Image.open(BytesIO(data), formats=["TIFF"]) as probe:
            try:
                probe.seek(MAX_FRAMES)
            except EOFError:
                return
    elif getattr(picture, "n_frames", 1) <= MAX_FRAMES:
        return
    raise InputError(
        "IMAGE_FRAMES", f"{name} has more than {MAX_FRAMES} frames. Save the one to be looked at as a single picture."
    )


def _find_depth(picture: Image.Image, data: bytes, file_format: str) -> int:
    if file_format == "PNG":
        if data[12:16] != b"IHDR":
            raise ValueError("IHDR must be the first chunk")
        return data[24]  # after 8 bytes signature, 8 chunk head, 4 width, 4 height
    if file_format == "TIFF":
        return max(picture.tag_v2.get(_BITS_TAG, (1,)))
    return 8


def _find_orientation(picture: Image.Image) -> int:
    try:
        orientation = picture.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # a picture with damaged metadata is still a picture
        return 1
    return orientation if orientation in _UPRIGHT else 1
