"""The one decoder: what it reads, what it refuses, and with which numbers."""

from __future__ import annotations

import struct
import time
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile

from pca_core.checks import InputError
from pca_core.data import content_hash, encode_jpeg, encode_png, fit_short_side, read_image, resize_image

# Six colours, all different, so that every one of the eight orientations gives another picture.
UPRIGHT = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[255, 255, 0], [0, 255, 255], [255, 0, 255]]], dtype=np.uint8)
# Where EXIF says that row 0 and column 0 of the *stored* picture lie in the scene: the upright picture, stored.
STORED = {
    1: UPRIGHT,  # top, left
    2: UPRIGHT[:, ::-1],  # top, right
    3: UPRIGHT[::-1, ::-1],  # bottom, right
    4: UPRIGHT[::-1],  # bottom, left
    5: UPRIGHT.transpose(1, 0, 2),  # left, top
    6: UPRIGHT.transpose(1, 0, 2)[::-1],  # right, top
    7: UPRIGHT.transpose(1, 0, 2)[::-1, ::-1],  # right, bottom
    8: UPRIGHT.transpose(1, 0, 2)[:, ::-1],  # left, bottom
}


def encode(image: np.ndarray | Image.Image, file_format: str, **options) -> bytes:
    picture = image if isinstance(image, Image.Image) else Image.fromarray(np.ascontiguousarray(image))
    file = BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def encode_deep(image: np.ndarray, suffix: str) -> bytes:
    """16-bit files by way of OpenCV, because Pillow writes no 16-bit colour; RGB(A) in."""
    order = {2: [], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[image.ndim if image.ndim == 2 else image.shape[2]]
    return cv2.imencode(suffix, image[..., order] if order else image)[1].tobytes()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))


def tiff(
    pixels: np.ndarray, bits: int, order: str = "<", photometric: int | None = None, sample_format=1, extra_samples=None
) -> bytes:
    """An uncompressed TIFF written by hand, for the kinds that no library here writes."""
    body = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    height, width, samples = (*pixels.shape, 1)[:3]
    photometric = (2 if samples > 1 else 1) if photometric is None else photometric
    bits_value = (struct.pack(order + "H", bits) * samples).ljust(8, b"\0")
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 16, 277: samples, 279: len(body)}
    tags |= {339: sample_format} if extra_samples is None else {338: extra_samples}
    entries = b"".join(
        struct.pack(order + "HHII", tag, 3, samples, 8)  # more than two values lie elsewhere, here at offset 8
        if tag == 258 and samples > 2
        else struct.pack(order + "HHIHH", tag, 3, samples if tag == 258 else 1, value, bits if tag == 258 else 0)
        for tag, value in sorted(tags.items())
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 16 + len(body))
    return head + bits_value + body + struct.pack(order + "H", len(tags)) + entries + bytes(4)


def street(height: int = 48, width: int = 64) -> np.ndarray:
    small = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def refused(code: str, source, **options) -> str:
    with pytest.raises(InputError) as caught:
        read_image(source, **options)
    assert caught.value.code == code
    return str(caught.value)


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[274] = orientation
    return tags.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        ("PNG", {}),  # eXIf chunk
        ("WEBP", {"lossless": True}),
        ("TIFF", {"compression": None}),  # a tag of the picture itself, which Pillow applies on load()
        ("TIFF", {"compression": "tiff_lzw"}),
    ],
)
def test_every_orientation_comes_out_upright(orientation, file_format, options):
    turn = {"tiffinfo": {274: orientation}} if file_format == "TIFF" else {"exif": exif(orientation)}
    image = read_image(encode(STORED[orientation], file_format, **options, **turn))
    np.testing.assert_array_equal(image, UPRIGHT)
    assert image.flags.c_contiguous
    assert image.flags.writeable


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_orientation(orientation):
    blocks = STORED[orientation].repeat(16, axis=0).repeat(16, axis=1)
    image = read_image(encode(blocks, "JPEG", quality=95, subsampling=0, exif=exif(orientation)))
    np.testing.assert_allclose(image[8::16, 8::16].astype(int), UPRIGHT, atol=8)


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_16_bit_colour_is_turned_like_8_bit(orientation):
    deep = encode_deep(STORED[orientation].astype(np.uint16) * 257, ".png")
    body = exif(orientation).removeprefix(b"Exif\0\0")
    with_exif = deep[:33] + png_chunk(b"eXIf", body) + deep[33:]
    np.testing.assert_array_equal(read_image(with_exif), UPRIGHT)


# Half-way cases of value / 257: 128 is below one half, 129 above; a kept high byte would make 65407 a 255.
VALUES = {0: 0, 128: 0, 129: 1, 256: 1, 257: 1, 385: 1, 386: 2, 32768: 128, 65406: 254, 65407: 255, 65535: 255}


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_values_are_divided_by_257_and_rounded(suffix, channels):
    deep = np.array([list(VALUES)], dtype=np.uint16)
    expected = np.array([list(VALUES.values())], dtype=np.uint8)
    if channels > 1:
        deep = np.repeat(deep[..., None], channels, axis=2)
        deep[..., 2] = deep[..., 2][:, ::-1]  # red and blue exchanged would show
    if channels == 4:
        deep[..., 3] = 65535
    image = read_image(encode_deep(deep, suffix))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image[..., 0], expected)
    np.testing.assert_array_equal(image[..., 2], expected if channels == 1 else expected[:, ::-1])


def test_big_endian_16_bit_grey_tiff():
    deep = np.array([[0, 257, 65535]], dtype=np.uint16)
    np.testing.assert_array_equal(read_image(tiff(deep, bits=16, order=">"))[0, :, 0], [0, 1, 255])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"bits": 12}, "12 bits: 4095 could be white or not"),
        ({"photometric": 0}, "white is zero: Pillow forgets to invert 16-bit grey"),
        ({"sample_format": 2}, "signed numbers"),
    ],
)
def test_other_16_bit_conventions_are_refused(changes, why):
    deep = np.zeros((2, 4), np.uint16)
    assert "8-bit PNG" in refused("IMAGE_DEPTH", tiff(deep, **{"bits": 16} | changes)), why


def test_premultiplied_alpha():
    pixel = np.array([[[40, 20, 0, 51]]], np.uint8)  # (200, 100, 0) at one fifth
    image = read_image(tiff(pixel, bits=8, extra_samples=1))
    np.testing.assert_allclose(image[0, 0].astype(int), [244, 224, 204], atol=2)
    refused("IMAGE_DEPTH", tiff(pixel.astype(np.uint16), bits=16, extra_samples=1))
    grey = np.array([[[40, 51]]], np.uint8)  # 200 at one fifth
    np.testing.assert_allclose(read_image(tiff(grey, 8, photometric=1, extra_samples=1)).ravel(), [244] * 3, atol=2)


def test_palette_grey_and_bilevel_become_rgb():
    palette = Image.fromarray(np.array([[0, 1, 1]], np.uint8))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    np.testing.assert_array_equal(read_image(encode(palette, "PNG")), [[[10, 20, 30], [40, 50, 60], [40, 50, 60]]])
    np.testing.assert_array_equal(read_image(encode(np.array([[0, 7]], np.uint8), "PNG")), [[[0] * 3, [7] * 3]])
    np.testing.assert_array_equal(
        read_image(encode(Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1"), "PNG")), [[[0] * 3, [255] * 3]]
    )


@pytest.mark.parametrize(
    ("alpha", "background", "expected"),
    [
        (255, (255, 255, 255), [200, 100, 0]),  # opaque: the colour
        (0, (255, 255, 255), [255, 255, 255]),  # transparent: the background
        (0, (1, 2, 3), [1, 2, 3]),  # another background
        (51, (0, 0, 0), [40, 20, 0]),  # one fifth
        (51, (255, 255, 255), [244, 224, 204]),  # 200/5 + 255*4/5
    ],
)
@pytest.mark.parametrize("is_deep", [False, True])
def test_alpha_is_composited_over_the_background(alpha, background, expected, is_deep):
    pixel = np.array([[[200, 100, 0, alpha]]], np.uint8)
    data = encode_deep(pixel.astype(np.uint16) * 257, ".png") if is_deep else encode(pixel, "PNG")
    np.testing.assert_array_equal(read_image(data, background=background), [[expected]])


def test_transparency_of_grey_and_palette_files():
    grey = Image.fromarray(np.array([[[100, 0]]], np.uint8), "LA")
    np.testing.assert_array_equal(read_image(encode(grey, "PNG")), [[[255] * 3]])
    palette = Image.fromarray(np.array([[0, 1]], np.uint8))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    np.testing.assert_array_equal(read_image(encode(palette, "PNG", transparency=0)), [[[255] * 3, [40, 50, 60]]])


def test_cmyk_is_converted():
    image = read_image(encode(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "TIFF"))
    np.testing.assert_array_equal(image[0, 0], [255, 0, 0])


@pytest.mark.parametrize(
    ("mode", "why"),
    [("F", "float: its range is unknown"), ("I", "32-bit integers: their range is unknown")],
)
def test_numbers_without_a_range_are_refused(mode, why):
    assert "8-bit PNG" in refused("IMAGE_DEPTH", encode(Image.new(mode, (2, 2)), "TIFF")), why


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("kept", [0.02, 0.2, 0.5, 0.9, 0.97])
def test_cut_files_are_refused(file_format, kept):
    whole = encode(street(), file_format)
    refused("IMAGE_BROKEN", whole[: int(len(whole) * kept)])


@pytest.mark.parametrize("missing", [1, 2, 3, 10, 100])
def test_jpeg_that_lacks_its_last_bytes_is_refused(missing):
    refused("IMAGE_BROKEN", encode(street(), "JPEG")[:-missing])


def webp_header(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + size


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (png_header(50_000, 50_000) + png_chunk(b"IDAT", zlib.compress(b"")), "2500 megapixels: Pillow's bomb error"),
        (png_header(12_000, 12_000) + png_chunk(b"IDAT", zlib.compress(b"")), "144 megapixels: only a bomb warning"),
        (png_header(8_000, 6_000) + png_chunk(b"IDAT", zlib.compress(b"")), "48 megapixels: fine for Pillow"),
        (png_header(2**31 - 1, 1) + png_chunk(b"IDAT", zlib.compress(b"")), "one endless row"),
        (webp_header(16_383, 16_383), "a decoder that takes the canvas when it is opened"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_size_is_refused_from_the_header_alone(data, why, monkeypatch):
    def load(picture):
        raise AssertionError(f"pixels of {picture.size} were asked for")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)  # the decoder's memory is not Python's: no tracing sees it
    started = time.perf_counter()
    refused("IMAGE_TOO_LARGE", data)
    assert time.perf_counter() - started < 1.0, why


def test_max_pixels_is_inclusive():
    assert read_image(encode(street(), "PNG"), max_pixels=48 * 64).shape == (48, 64, 3)
    assert "64 × 48" in refused("IMAGE_TOO_LARGE", encode(street(), "PNG"), max_pixels=48 * 64 - 1)


@pytest.mark.parametrize("file_format", ["TIFF", "WEBP", "PNG"])
def test_only_the_first_of_few_frames_is_read_and_many_are_refused(file_format):
    frames = [Image.new("RGB", (4, 4), (i, 255 - i, 0)) for i in range(65)]
    options = {"lossless": True} if file_format == "WEBP" else {}
    few = encode(frames[0], file_format, save_all=True, append_images=frames[1:64], **options)
    np.testing.assert_array_equal(read_image(few)[0, 0], [0, 255, 0])
    many = encode(frames[0], file_format, save_all=True, append_images=frames[1:], **options)
    assert "64 frames" in refused("IMAGE_FRAMES", many)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "IMAGE_EMPTY"),
        (png_header(0, 5), "IMAGE_BROKEN"),  # Pillow refuses a side of 0 by itself
        (b"GIF89a" + bytes(20), "IMAGE_FORMAT"),
        (b"%!PS-Adobe-3.0 EPSF", "IMAGE_FORMAT"),  # never reaches Pillow's Ghostscript plugin
        (b"<svg onload=alert(1)>", "IMAGE_FORMAT"),
        (b"\x89PNG\r\n\x1a\n", "IMAGE_BROKEN"),  # the signature alone
        (b"\x89PNG\r\n\x1a\n" + png_chunk(b"tEXt", b"a\0b") + png_header(1, 1)[8:], "IMAGE_BROKEN"),  # IHDR comes late
        (b"\xff\xd8\xff", "IMAGE_BROKEN"),
        (b"II*\0", "IMAGE_BROKEN"),
        (b"RIFF\0\0\0\0WEBP", "IMAGE_BROKEN"),
        (b"RIFF\0\0\0\0WAVE", "IMAGE_FORMAT"),
    ],
)
def test_files_that_are_no_pictures(data, code):
    refused(code, data)


@pytest.mark.parametrize("fault", [SyntaxError, KeyError, struct.error, ValueError, OverflowError])
def test_whatever_a_decoder_raises_becomes_one_code(fault, monkeypatch):
    def load(picture):
        raise fault("a plugin met a crafted file")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    refused("IMAGE_BROKEN", encode(UPRIGHT, "TIFF", compression=None))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_metadata_does_not_cost_the_picture():
    data = encode(UPRIGHT, "PNG", exif=b"Exif\0\0II*\0" + b"\xff" * 30)
    np.testing.assert_array_equal(read_image(data), UPRIGHT)


def test_paths_and_their_names_in_messages(tmp_path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.gif"
    good.write_bytes(encode(UPRIGHT, "PNG"))
    bad.write_bytes(b"GIF89a")
    np.testing.assert_array_equal(read_image(good), read_image(str(good)))
    assert "bad.gif" in refused("IMAGE_FORMAT", bad)
    assert "missing.png" in refused("IMAGE_NOT_FOUND", tmp_path / "missing.png")
    refused("IMAGE_NOT_FOUND", tmp_path)  # a folder
    refused("IMAGE_NOT_FOUND", "a\0b.png")  # a name that no file can have


def test_extension_is_not_believed(tmp_path):
    path = tmp_path / "really_a_png.jpg"
    path.write_bytes(encode(UPRIGHT, "PNG"))
    np.testing.assert_array_equal(read_image(path), UPRIGHT)


def test_resize_averages_what_shrinks_and_interpolates_what_grows():
    image = np.array([[[0] * 3, [100] * 3], [[100] * 3, [200] * 3]], np.uint8)
    np.testing.assert_array_equal(resize_image(image, (1, 1)), [[[100] * 3]])
    np.testing.assert_array_equal(resize_image(image, (2, 4))[0, :, 0], [0, 25, 75, 100])
    np.testing.assert_array_equal(resize_image(image, (1, 4))[0, :, 0], [50, 75, 125, 150])  # one of each
    assert resize_image(image, (2, 2)) is image


@pytest.mark.parametrize("size", [(0, 4), (4, -1)])
def test_resize_refuses_empty_sizes(size):
    with pytest.raises(InputError, match="at least one pixel"):
        resize_image(UPRIGHT, size)


@pytest.mark.parametrize(
    ("height", "width", "short_side", "multiple", "expected"),
    [
        (360, 480, 176, 8, (176, 232)),  # 234.67 lies nearer to 232 than to 240
        (480, 360, 176, 8, (232, 176)),  # upright
        (100, 100, 512, 8, (512, 512)),  # grows
        (1024, 2048, 512, 8, (512, 1024)),
        (360, 480, 180, 8, (184, 240)),  # 180 is half-way between 176 and 184: up
        (10, 1000, 1, 8, (8, 104)),  # never below one multiple; 100 is half-way: up
        (360, 480, 177, 1, (177, 236)),  # no rounding to speak of
    ],
)
def test_fit_short_side(height, width, short_side, multiple, expected):
    assert fit_short_side(height, width, short_side, multiple) == expected


def test_fit_short_side_refuses_nothing():
    with pytest.raises(InputError, match="at least 1"):
        fit_short_side(360, 480, 0)


def test_content_hash_depends_on_bytes_shape_and_dtype():
    zeros = np.zeros((2, 3), np.uint8)
    variants = [zeros, zeros.reshape(3, 2), zeros.view(np.int8), np.zeros((2, 3), np.uint16), zeros + 1]
    assert len({content_hash(variant) for variant in variants}) == len(variants)
    assert content_hash(np.arange(6).reshape(2, 3).T) == content_hash(np.arange(6).reshape(2, 3).T.copy())
    assert content_hash(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2


def test_encoders_write_what_the_decoder_reads():
    image = street()
    np.testing.assert_array_equal(read_image(encode_png(image)), image)
    assert np.abs(read_image(encode_jpeg(image, quality=95)).astype(int) - image).mean() < 3
    colours = read_image(encode_png(np.array([[0, 1, 255]], np.uint8), palette=[(1, 2, 3), (4, 5, 6)]))
    np.testing.assert_array_equal(colours, [[[1, 2, 3], [4, 5, 6], [128, 128, 128]]])


@pytest.mark.parametrize(
    "call",
    [
        lambda: encode_jpeg(np.zeros((4, 4), np.uint8)),  # grey
        lambda: encode_jpeg(np.zeros((4, 4, 3))),  # float
        lambda: encode_png(np.zeros((4, 4), np.int64)),  # ids of the wrong dtype would be cut to 8 bits
        lambda: encode_png(UPRIGHT, palette=[(0, 0, 0)]),
        lambda: resize_image(np.zeros((0, 4, 3), np.uint8), (2, 2)),
    ],
)
def test_arrays_of_another_kind_are_refused(call):
    with pytest.raises(InputError, match="must have shape") as caught:
        call()
    assert caught.value.code == "IMAGE_ARRAY"
