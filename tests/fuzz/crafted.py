"""Picture files as nobody should send them, each by a name, and small ordinary ones to begin from. All are made here."""

from __future__ import annotations

import random
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from io import BytesIO

import cv2
import numpy as np
from PIL import Image

RNG = np.random.default_rng(7)
COLOUR = RNG.integers(0, 256, (9, 13, 3), dtype=np.uint8)
IDS = RNG.integers(0, 19, (9, 13), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (9, 13, 3), dtype=np.uint16)
EDGES = [0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1]  # of lengths, counts and sizes
BEGINNINGS = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0", b"MM\0*", b"II+\0", b"RIFF\0\0\0\0WEBPVP8X"]


def encode(pixels: np.ndarray | Image.Image, file_format: str, **options: object) -> bytes:
    file = BytesIO()
    picture = pixels.copy() if isinstance(pixels, Image.Image) else Image.fromarray(pixels)  # saving leaves traces in it
    picture.save(file, file_format, **options)
    return file.getvalue()


def pack(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def ordinary() -> dict[str, bytes]:
    """Small pictures of every kind that is read, one or two that are not."""
    exif = Image.Exif()
    exif[274] = 6
    picture, grey = Image.fromarray(COLOUR), Image.fromarray(IDS)
    alpha = Image.fromarray(np.dstack([COLOUR, IDS * 13]))
    palette = grey.copy()
    palette.putpalette([value for number in range(256) for value in (number, 255 - number, 7)])
    made = {
        "png": encode(picture, "PNG", exif=exif),
        "png-1-bit": encode(grey.convert("1"), "PNG"),
        "png-grey-alpha": encode(alpha.convert("LA"), "PNG"),
        "png-alpha": encode(alpha, "PNG"),
        "png-palette": encode(palette, "PNG"),
        "png-palette-clear": encode(palette, "PNG", transparency=3),
        "png-16-grey": encode(IDS.astype(np.uint16) * 3000, "PNG"),
        "png-animated": encode(picture, "PNG", **followed(3)),
        "png-comments": encode(picture, "PNG", pnginfo=_comments()),
        "jpeg": encode(picture, "JPEG", exif=exif),
        "jpeg-progressive": encode(picture, "JPEG", progressive=True, optimize=True),
        "jpeg-grey": encode(grey, "JPEG"),
        "jpeg-cmyk": encode(picture.convert("CMYK"), "JPEG"),
        "jpeg-restarts": encode(picture, "JPEG", restart_marker_blocks=1),
        "jpeg-mpo": encode(picture, "MPO", **followed(3)),
        "webp": encode(picture, "WEBP", exif=exif),
        "webp-lossless": encode(alpha, "WEBP", lossless=True),
        "webp-animated": encode(picture, "WEBP", **followed(3)),
        "tiff-frames": encode(picture, "TIFF", **followed(3)),
        "tiff-cmyk": encode(picture.convert("CMYK"), "TIFF"),
        "tiff-lab": encode(picture.convert("LAB"), "TIFF"),
        "tiff-float": encode(Image.fromarray(IDS.astype(np.float32)), "TIFF"),
        "tiff-int": encode(Image.fromarray(IDS.astype(np.int32)), "TIFF"),
        "tiff-palette": encode(palette, "TIFF"),
        "tiff-1-bit": encode(grey.convert("1"), "TIFF", compression="group4"),
        "tiff-big": encode(picture, "TIFF", big_tiff=True),
    }
    made |= {
        f"tiff-{kind}": encode(picture, "TIFF", compression=kind)
        for kind in ("tiff_lzw", "jpeg", "tiff_adobe_deflate", "packbits")
    }
    made |= {f"{kind}-16": cv2.imencode(f".{kind}", DEEP)[1].tobytes() for kind in ("png", "tiff")}
    return made


def _comments():
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for number in range(20):
        info.add_text(f"key{number}", "x" * 2000, zip=True)
    return info


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes, *, depth: int = 8, colour: int = 2, before: bytes = b"") -> bytes:
    """A PNG whose header and pixels need not agree."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return BEGINNINGS[0] + chunk(b"IHDR", header) + before + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def claim_bytes(file: bytes, length: int) -> bytes:
    """A PNG whose pixels claim a length that the file has not; Pillow reads what is there."""
    at = file.index(b"IDAT") - 4
    return file[:at] + struct.pack(">I", length) + file[at + 4 :]


def tiff(tags: dict[int, tuple[int, int]], rest: bytes = b"", *, following: int = 0) -> bytes:
    """A little-endian TIFF of one directory of LONG tags: tag -> (count, value)."""
    entries = b"".join(struct.pack("<HHII", tag, 4, count, value) for tag, (count, value) in sorted(tags.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", following) + rest


def crafted() -> dict[str, bytes]:
    """Bombs, lies and files beyond the bounds."""
    line = zlib.compress(bytes(1 + 3 * 64) * 64)
    plain = {256: (1, 8), 257: (1, 8), 258: (1, 8), 259: (1, 1), 262: (1, 1), 273: (1, 8), 278: (1, 8), 279: (1, 64)}
    jpeg = encode(Image.fromarray(COLOUR), "JPEG")
    scan = jpeg.index(b"\xff\xda")
    return {
        "png-12k": encode(Image.new("L", (12_000, 12_000)), "PNG"),
        "png-40-megapixels": encode(Image.new("RGB", (8000, 5000)), "PNG", compress_level=1),
        "png-16-bit-30-megapixels": png(6000, 5000, zlib.compress(bytes(5000 * (1 + 6000 * 6)), 1), depth=16),
        "png-claims-2-gigapixels": png(2**31 - 1, 1, line),
        "png-16-bit-chunk-claims-2-gigabytes": claim_bytes(cv2.imencode(".png", DEEP)[1].tobytes(), 2**31),
        "png-claims-overflow": png(2**32 - 1, 2**32 - 1, line),
        "png-zero-size": png(0, 5, line),
        "png-too-little-data": png(64, 6400, line),
        "png-too-much-data": png(2, 2, zlib.compress(bytes(2 * 10**7))),
        "png-wrong-depth": png(64, 64, line, depth=3),
        "png-no-palette": png(64, 64, line, colour=3),
        "png-text-bomb": png(64, 64, line, before=chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(10**8)))),
        "png-profile-bomb": png(64, 64, line, before=chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(10**8)))),
        "png-chunk-length": png(64, 64, line)[:33] + b"\x7f\xff\xff\xffIDAT" + line,
        "png-no-header": BEGINNINGS[0] + chunk(b"IDAT", line) + chunk(b"IEND", b""),
        "png-two-headers": png(64, 64, line, before=chunk(b"IHDR", struct.pack(">IIBBBBB", 9999, 9999, 16, 6, 0, 0, 0))),
        "png-many-chunks": png(64, 64, line, before=chunk(b"tEXt", b"a\0b") * 50_000),
        "png-animation-lies": png(64, 64, line, before=chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))),
        "png-animation-100": encode(Image.fromarray(IDS), "PNG", **followed(100)),
        "jpeg-huge-exif": jpeg[:2] + b"".join(b"\xff\xe1\xff\xffExif\0\0" + bytes(65527) for _ in range(100)) + jpeg[2:],
        "jpeg-claims-65535": _with_jpeg_size(jpeg, 65535, 65535),
        "jpeg-claims-6000": _with_jpeg_size(jpeg, 6000, 6000),
        "jpeg-zero-size": _with_jpeg_size(jpeg, 0, 0),
        "jpeg-many-scans": jpeg[:scan] + jpeg[scan:-2] * 2000 + jpeg[-2:],
        "jpeg-only-markers": jpeg[:2] + b"\xff\xfe\0\2" * 100_000,
        "tiff-frames-70": encode(Image.fromarray(IDS), "TIFF", **followed(70)),
        "tiff-ring": tiff(plain, bytes(64), following=8),
        "tiff-claims-gigabytes": tiff(plain | {256: (1, 60_000), 257: (1, 60_000)}, bytes(64)),
        "tiff-strip-beyond": tiff(plain | {273: (1, 2**31), 279: (1, 2**31)}),
        "tiff-tag-beyond": tiff(plain | {270: (2**30, 2**30)}, bytes(64)),
        "tiff-many-samples": tiff(plain | {277: (1, 65_000)}, bytes(64)),
        "tiff-zero-size": tiff(plain | {256: (1, 0)}, bytes(64)),
        "tiff-zero-rows": tiff(plain | {278: (1, 0)}, bytes(64)),
        "tiff-compression-9999": tiff(plain | {259: (1, 9999)}, bytes(64)),
        "tiff-lzw-bomb": encode(Image.new("L", (20_000, 2_000)), "TIFF", compression="tiff_lzw"),
        "tiff-no-directory": b"II*\0" + struct.pack("<I", 2**31),
        "webp-animation-100": encode(Image.fromarray(COLOUR), "WEBP", **followed(100)),
        "webp-16k": encode(Image.new("RGB", (16_000, 2_000)), "WEBP", lossless=True, method=0),
        "webp-claims-16m": b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff" * 6,
        "long-and-thin": encode(Image.new("L", (65_000, 1)), "PNG"),
        "one-pixel": encode(Image.new("L", (1, 1)), "PNG"),
        "gif-by-another-name": encode(Image.fromarray(IDS), "GIF"),
        "bmp-by-another-name": encode(Image.fromarray(IDS), "BMP"),
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        "text": b"these are my pixels, trust me",
        "nothing": b"",
        "nuls": bytes(10_000),
    }  # fmt: skip


def followed(count: int) -> dict[str, object]:
    """By so many frames, different from each other: equal ones are stored as one."""
    rng = np.random.default_rng(count)
    frames = [Image.fromarray(rng.integers(0, 256, COLOUR.shape, dtype=np.uint8)) for _ in range(count)]
    return {"save_all": True, "append_images": frames}


def _with_jpeg_size(data: bytes, height: int, width: int) -> bytes:
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]


def mutated(seed: int) -> Iterator[tuple[str, bytes]]:
    """Ordinary files cut, flipped, filled and spliced, for ever, the same ones for a seed."""
    draw, originals = random.Random(seed), ordinary()
    while True:
        for name, original in originals.items():
            kind = draw.choice(["cut", "flip", "flip", "fill", "splice", "insert", "number"])
            yield f"{name} {kind}", _mutate(draw, kind, bytearray(original), draw.choice([*originals.values()]))
        yield "noise", draw.choice(BEGINNINGS) + draw.randbytes(draw.randrange(300))


def _mutate(draw: random.Random, kind: str, data: bytearray, other: bytes) -> bytes:
    place = draw.randrange(len(data))
    if kind == "cut":
        return bytes(data[: max(1, place)])
    if kind == "splice":
        return bytes(data[:place]) + other[draw.randrange(len(other)) :]
    for _ in range(draw.randint(1, 6)):
        place = draw.randrange(len(data))
        if kind == "flip":
            data[place] ^= 1 << draw.randrange(8)
        elif kind == "fill":
            data[place : place + 4] = bytes([draw.choice([0, 255])]) * 4
        elif kind == "insert":
            data[place:place] = draw.randbytes(draw.randint(1, 9))
        else:
            data[place : place + 4] = struct.pack(draw.choice(["<I", ">I"]), draw.choice(EDGES))
    return bytes(data)
