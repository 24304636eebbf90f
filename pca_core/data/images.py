"""The one decoder of every image in the project, and the encoders that go with it."""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

from pca_core.checks import InputError
from pca_core.data.files import MAX_PIXELS, OpenedPicture, decoding, open_checked, read_16_bit, turn_upright
from pca_core.data.label_spaces import UNLABELLED_RGB

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WHITE = (255, 255, 255)

_TO_8_BIT = ((np.arange(65536) + 128) // 257).astype(np.uint8)


def read_image(
    source: str | Path | bytes,
    *,
    max_pixels: int = MAX_PIXELS,
    background: tuple[int, int, int] = WHITE,
    name: str | None = None,
) -> np.ndarray:
    """Read a PNG, JPEG, TIFF or WebP file as upright 8-bit RGB.

    16-bit values become ``round(value / 257)``: their full range 0-65535 is 0-255, and a camera that used only 12 of
    the 16 bits is not guessed at (such a picture stays dark). Grey and palette pictures become RGB, CMYK is converted
    by Pillow without colour profile, alpha is composited over ``background``. Of several frames only the first is read.

    Args:
        source: A path, or the bytes of the file.
        max_pixels: Most pixels; more are refused from the header alone.
        background: RGB 0-255 that shows through transparent pixels.
        name: How to call it in a message; None takes the file's name.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        InputError: ``IMAGE_NOT_FOUND``, ``IMAGE_EMPTY``, ``IMAGE_FORMAT``, ``IMAGE_TOO_LARGE``, ``IMAGE_FRAMES``,
            ``IMAGE_DEPTH`` (float, 12-bit, 32-bit and signed pictures) or ``IMAGE_BROKEN`` (damaged or cut off).
    """
    opened = open_checked(source, max_pixels=max_pixels, name=name)
    with decoding(opened.name):
        picture = _flatten(_to_8_bit(opened), background)
        return turn_upright(np.asarray(picture), opened.orientation)


def _to_8_bit(opened: OpenedPicture) -> Image.Image:
    if opened.depth <= 8:
        return opened.picture
    if opened.depth != 16:
        raise InputError(
            "IMAGE_DEPTH",
            f"{opened.name} has {opened.depth} bits per channel; 1 to 8 and 16 are read, because the range of other "
            "numbers would be a guess. Save it as 8-bit PNG.",
        )
    deep = read_16_bit(opened)
    image = np.empty(deep.shape, np.uint8)
    for row, deep_row in zip(image, deep, strict=True):  # by rows: indexing takes 8 bytes a value while it runs
        row[:] = _TO_8_BIT[deep_row]
    return Image.fromarray(image)


def _flatten(picture: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    if picture.mode == "La":  # Pillow knows no direct way from premultiplied grey
        picture = picture.convert("LA")
    picture = picture.convert("RGBA")
    canvas = Image.new("RGB", picture.size, tuple(background))
    canvas.paste(picture, mask=picture.getchannel("A"))
    return canvas


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image: pixel areas are averaged along a side that shrinks, interpolated linearly along one that grows.

    Args:
        image: (H, W, 3) uint8, RGB.
        size: (height, width) in pixels.

    Returns:
        (height, width, 3) uint8, RGB; the same array when it has that size already.

    Raises:
        InputError: ``IMAGE_ARRAY`` for another array, ``IMAGE_SIZE`` for a side below one pixel.
    """
    _check_rgb(image)
    height, width = size
    if height < 1 or width < 1:
        raise InputError("IMAGE_SIZE", f"size must be (height, width) of at least one pixel, got {tuple(size)}.")
    shrunk = (min(height, image.shape[0]), min(width, image.shape[1]))
    if shrunk != image.shape[:2]:
        image = cv2.resize(image, shrunk[::-1], interpolation=cv2.INTER_AREA)
    if (height, width) != shrunk:
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return image


def fit_short_side(height: int, width: int, short_side: int, multiple: int = 8) -> tuple[int, int]:
    """Scale a size, up or down, so that its shorter side is ``short_side``, each side rounded to a multiple.

    Args:
        height: Pixels.
        width: Pixels.
        short_side: Wanted length of the shorter side, pixels.
        multiple: Both sides become a multiple of this (halves round up), at least one multiple.

    Returns:
        (height, width) in pixels.

    Raises:
        InputError: ``IMAGE_SIZE`` when a number is below 1.
    """
    if min(height, width, short_side, multiple) < 1:
        raise InputError(
            "IMAGE_SIZE",
            f"height, width, short_side and multiple must be at least 1, got {height}, {width}, {short_side} and {multiple}.",
        )
    shorter = min(height, width)

    def scale(length: int) -> int:
        return max(1, (2 * length * short_side + shorter * multiple) // (2 * shorter * multiple)) * multiple

    return scale(height), scale(width)


def content_hash(content: bytes | np.ndarray) -> str:
    """Name a file or an array by its content.

    Args:
        content: Bytes, or an array of any shape; shape and dtype count as content.

    Returns:
        SHA-256, 64 hexadecimal digits.
    """
    if isinstance(content, np.ndarray):
        digest = hashlib.sha256(f"{content.shape} {content.dtype.str} ".encode())
        digest.update(np.ascontiguousarray(content).tobytes())
        return digest.hexdigest()
    return hashlib.sha256(content).hexdigest()


def encode_jpeg(image: np.ndarray, quality: int = 85) -> bytes:
    """Encode an image as JPEG without metadata.

    Args:
        image: (H, W, 3) uint8, RGB.
        quality: 1-95, Pillow's scale.

    Returns:
        The file.

    Raises:
        InputError: ``IMAGE_ARRAY`` for another array.
    """
    _check_rgb(image)
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return file.getvalue()


def encode_png(image: np.ndarray, palette: Sequence[tuple[int, int, int]] | None = None, *, is_quick: bool = False) -> bytes:
    """Encode an image, or a map of class indices, as PNG without metadata.

    Args:
        image: (H, W, 3) uint8 RGB, or (H, W) uint8 class indices.
        palette: One RGB colour (0-255) per class index, for index maps only; the indices beyond it, 255 among them,
            show mid grey. Without a palette an index map becomes a grey PNG.
        is_quick: Take a quarter of the time; the file of a photograph grows by a sixth.

    Returns:
        The file; :func:`pca_core.data.read_label` reads the indices back unchanged.

    Raises:
        InputError: ``IMAGE_ARRAY`` for another array, or a palette with an RGB image.
    """
    if palette is None and image.ndim == 3:
        _check_rgb(image)
    elif image.ndim != 2 or image.dtype != np.uint8 or image.size == 0:
        raise InputError(
            "IMAGE_ARRAY",
            f"A map of class indices must have shape (H, W) and dtype uint8, got {image.shape} {image.dtype}. "
            "Leave the palette out for an RGB image.",
        )
    picture = Image.fromarray(image)
    if palette is not None:
        colours = [*palette, *[UNLABELLED_RGB] * (256 - len(palette))]
        picture.putpalette([channel for colour in colours for channel in colour])
    file = BytesIO()
    picture.save(file, "PNG", compress_level=1 if is_quick else 6)
    return file.getvalue()


def _check_rgb(image: np.ndarray) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise InputError(
            "IMAGE_ARRAY",
            f"An image must have shape (H, W, 3) and dtype uint8, got {image.shape} {image.dtype}. "
            "Use read_image() to get one from a file.",
        )
