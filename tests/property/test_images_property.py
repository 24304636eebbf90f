"""Whatever bytes come in, the decoders answer with pixels or with an InputError."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pca_core.checks import InputError
from pca_core.data import LABEL_SPACES, encode_png, fit_short_side, read_image, read_label, resize_label

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow warns of damaged metadata
SPACE = LABEL_SPACES["cityscapes-19"]


def _encode(pixels: np.ndarray, file_format: str, **options) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, file_format, **options)
    return file.getvalue()


def _make_seeds() -> list[bytes]:
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (9, 13, 3), dtype=np.uint8)
    ids = rng.integers(0, 19, (9, 13), dtype=np.uint8)
    exif = Image.Exif()
    exif[274] = 6
    return [
        _encode(colour, "PNG", exif=exif),
        _encode(colour, "JPEG", exif=exif),
        _encode(colour, "JPEG", progressive=True),
        _encode(colour, "TIFF"),
        _encode(colour, "TIFF", compression="tiff_lzw"),
        _encode(colour, "WEBP"),
        _encode(colour, "WEBP", lossless=True, exif=exif),
        _encode(np.dstack([colour, ids]), "PNG"),
        _encode(ids.astype(np.uint16) * 257, "PNG"),
        _encode(ids.astype(np.uint16), "TIFF"),
        encode_png(ids, SPACE.palette),
    ]


SEEDS = _make_seeds()
BEGINNINGS = [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0", b"MM\0*", b"II+\0", b"RIFF\0\0\0\0WEBPVP8X"]


def code_or(call: Callable[[], np.ndarray]) -> np.ndarray | str:
    try:
        return call()
    except InputError as error:
        return error.code


def decode(data: bytes) -> None:
    """Both decoders keep their promise: pixels of the stated kind, or an InputError with a code."""
    image = code_or(lambda: read_image(data, max_pixels=1_000_000))
    if isinstance(image, str):
        assert image.startswith("IMAGE_")
    else:
        assert (image.dtype, image.ndim, image.shape[2]) == (np.uint8, 3, 3)
    ids = code_or(lambda: read_label(data, SPACE, unknown="ignore").ids)
    if isinstance(ids, str):
        assert ids.startswith(("IMAGE_", "LABEL_"))
    else:
        assert ids.dtype == np.uint8
        assert ((ids < SPACE.num_classes) | (ids == 255)).all()


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(BEGINNINGS), st.binary(max_size=400))
def test_random_bytes(beginning, rest):
    decode(beginning + rest)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_mutated_files(data):
    mutated = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(mutated) - 1))
        kind = data.draw(st.sampled_from(["flip", "cut", "insert", "repeat"]))
        if kind == "flip":
            mutated[position] ^= data.draw(st.integers(1, 255))
        elif kind == "cut":
            del mutated[max(1, position) :]
        elif kind == "insert":
            mutated[position:position] = data.draw(st.binary(min_size=1, max_size=8))
        else:
            mutated[position:position] = mutated[position : position + 16]
    decode(bytes(mutated))


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(8, 1024), st.sampled_from([1, 8, 16]))
def test_fit_short_side_keeps_its_promises(height, width, short_side, multiple):
    fitted = fit_short_side(height, width, short_side, multiple)
    assert fitted == fit_short_side(width, height, short_side, multiple)[::-1]
    for old, new in zip((height, width), fitted, strict=True):
        assert new % multiple == 0
        assert new >= multiple
        exact = old * short_side / min(height, width)
        assert abs(new - exact) <= multiple / 2 or (exact < multiple and new == multiple)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 90), st.integers(1, 90))
def test_resize_label_invents_nothing_and_undoes_whole_enlargements(height, width, new_height, new_width):
    label = np.random.default_rng(height * 100 + width).integers(0, 256, (height, width), dtype=np.uint8)
    resized = resize_label(label, (new_height, new_width))
    assert set(np.unique(resized)) <= set(np.unique(label))
    enlarged = resize_label(label, (3 * height, 3 * width))
    np.testing.assert_array_equal(resize_label(enlarged, (height, width)), label)
