"""Zip files of strangers: what is in them, and each way in which one can be more than it seems."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest

from pca_core.checks import InputError
from pca_core.data import archives, encode_jpeg, encode_png
from pca_core.data.archives import Archive, is_zip
from tests.fuzz.crafted import pack

PNG = encode_png(np.zeros((4, 6), np.uint8))
JPEG = encode_jpeg(np.zeros((4, 6, 3), np.uint8))


def listed(files: dict[str, bytes]) -> list[tuple[str, bool]]:
    return [(member.name, member.is_label) for member in Archive(pack(files), "a.zip").members]


def read(data: bytes) -> list[bytes]:
    archive = Archive(data, "a.zip")
    return [archive.read(member) for member in archive.members]


def refused(code: str, data: bytes) -> str:
    with pytest.raises(InputError) as caught:
        read(data)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)
    return str(caught.value)


def overlapping(count: int, size: int) -> bytes:
    """A zip whose members all name the same bytes: a quoted-overlap bomb in its plainest form."""
    packed = zlib.compress(bytes(size))[2:-4]
    crc = zlib.crc32(bytes(size))
    sizes = struct.pack("<III", crc, len(packed), size)
    local = b"PK\x03\x04" + struct.pack("<HHHHH", 20, 0, 8, 0, 33) + sizes + struct.pack("<HH", 5, 0) + b"a.png"
    body = local + packed
    entry = b"PK\x01\x02" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 33) + sizes + struct.pack("<HHHHHII", 5, 0, 0, 0, 0, 0, 0)
    directory = (entry + b"a.png") * count
    return body + directory + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(body), 0)


def test_images_and_labels_are_told_by_folder():
    files = {"set/images/a.jpg": JPEG, "set/labels/a.png": PNG, "set/images/b.png": PNG, "set/README.txt": b"hello"}
    assert listed(files) == [("set/a.jpg", False), ("set/a.png", True), ("set/b.png", False)]
    assert read(pack(files)) == [JPEG, PNG, PNG]


def test_without_folders_a_png_beside_a_photograph_is_its_label():
    assert listed({"a.jpg": JPEG, "a.png": PNG, "b.png": PNG}) == [("a.jpg", False), ("a.png", True), ("b.png", False)]
    assert listed({"a.png": PNG, "b.tif": PNG}) == [("a.png", False), ("b.tif", False)]


def test_images_of_one_name_in_two_folders_keep_their_labels():
    files = {f"{part}/{kind}/1.png": PNG for part in ("x", "y") for kind in ("images", "labels")}
    assert sorted(listed(files)) == [("x/1.png", False), ("x/1.png", True), ("y/1.png", False), ("y/1.png", True)]


def test_names_that_lead_out_lead_nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["../../evil.png", "/etc/evil2.png", "C:\\x\\evil3.png", "a/../../evil4.png", "\\\\host\\share\\evil5.png"]
    archive = Archive(pack(dict.fromkeys(names, PNG)), "a.zip")
    assert all(".." not in member.name and not member.name.startswith("/") for member in archive.members)
    assert [archive.read(member) for member in archive.members] == [PNG] * 5
    assert list(tmp_path.iterdir()) == []


def test_what_systems_add_is_not_seen():
    assert listed({"__MACOSX/images/._a.jpg": b"\0", ".hidden.png": PNG, "images/a.jpg": JPEG, "images/": b""}) == [
        ("a.jpg", False)
    ]


def test_too_many_members():
    assert len(Archive(pack({f"{n}.png": b"" for n in range(500)}), "a.zip").members) == 500
    assert "501 files" in refused("ZIP_MANY", pack({f"{n}.png": b"" for n in range(501)}))
    refused("ZIP_MANY", pack({f"{n}/": b"" for n in range(1600)}))


def test_an_archive_that_grows_too_much(monkeypatch):
    refused("ZIP_RATIO", pack({"a.png": bytes(10**6)}))
    monkeypatch.setattr(archives, "MAX_TOTAL", 1000)
    refused("ZIP_LARGE", pack({"a.png": np.random.default_rng(0).bytes(1001)}))
    monkeypatch.setattr(archives, "MAX_BYTES", 500)
    refused("ZIP_LARGE", pack({"a.png": np.random.default_rng(0).bytes(600)}))


def test_a_member_beyond_the_bound_is_not_unpacked():
    archive = Archive(pack({"small.png": PNG, "large.png": bytes(51 * 2**20), "ballast": random.randbytes(2**20)}), "a.zip")
    small, large = archive.members
    tracemalloc.start()
    with pytest.raises(InputError, match=r"large.png in a.zip has 51 MB") as caught:
        archive.read(large)
    assert caught.value.code == "IMAGE_TOO_LARGE"
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    assert archive.read(small) == PNG


def test_members_upon_each_other_are_refused_without_being_unpacked():
    bomb = overlapping(450, 2 * 2**20)
    assert len(bomb) < 60_000
    with zipfile.ZipFile(io.BytesIO(bomb)) as archive:
        assert sum(info.file_size for info in archive.infolist()) == 900 * 2**20  # what it would take
    tracemalloc.start()
    refused("ZIP_RATIO", bomb)
    refused("ZIP_OVERLAP", overlapping(20, 2**10))
    assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "inner", [pack({"a": b"a"}), b"\x1f\x8b\x08\0", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"BZh9", b"\xfd7zXZ\0"]
)
def test_archives_in_archives(inner):
    assert "b.png" in refused("ZIP_NESTED", pack({"a.png": PNG, "x/b.png": inner + bytes(9)}))


def test_a_size_that_is_a_lie():
    """The directory says a hundred bytes; nothing beyond them is unpacked, and the sum does not fit."""
    data = bytearray(pack({"a.png": bytes(range(256)) * 4}))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = data.index(mark) + offset
        data[place : place + 4] = struct.pack("<I", 100)
    refused("ZIP_BROKEN", bytes(data))


def test_memory_is_that_of_what_was_said():
    """Half a megabyte of deflate that holds 400 MB and says that it is ten."""
    data = bytearray(pack({"a.png": bytes(400 * 2**20)}))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = data.index(mark) + offset
        data[place : place + 4] = struct.pack("<I", 10 * 2**20)
    archive = Archive(bytes(data), "lie.zip")
    tracemalloc.start()
    with pytest.raises(InputError) as caught:
        archive.read(archive.members[0])
    assert caught.value.code == "ZIP_BROKEN"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * 2**20


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: data[:-30], "ZIP_BROKEN"),  # without its directory
        (lambda data: data[: len(data) // 2], "ZIP_BROKEN"),
        (lambda data: b"PK\x03\x04", "ZIP_BROKEN"),
        (lambda data: data.replace(b"PK\x03\x04", b"PK\x03\x05"), "ZIP_BROKEN"),  # no member where the directory says
        (lambda data: pack({"a.txt": b"text"}), "ZIP_EMPTY"),
        (lambda data: pack({}), "ZIP_EMPTY"),
        (lambda data: pack({"a.png": PNG}, zipfile.ZIP_BZIP2), "ZIP_KIND"),
    ],
)
def test_damaged_and_odd_archives(change, code):
    refused(code, change(pack({"a.png": PNG, "b.png": JPEG})))


def test_encryption_is_told():
    data = bytearray(pack({"a.png": PNG}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    refused("ZIP_KIND", bytes(data))


def test_a_zip_is_told_by_its_bytes():
    assert is_zip(pack({"a": b""}))
    assert is_zip(pack({}))
    assert not is_zip(PNG)
