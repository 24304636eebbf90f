"""Zip files that nobody vouches for: listed and checked as a whole, read member by member, never written out.

Names of members serve to pair images with label maps and to be shown. A member is found by its place in the file.
"""

from __future__ import annotations

import itertools
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO

from pca_core.checks import InputError, tidy
from pca_core.data.files import PICTURE_SUFFIXES
from pca_core.data.untrusted import MAX_BYTES as MAX_FILE_BYTES

MAX_BYTES = 200 * 2**20  # of the archive
MAX_MEMBERS = 500
MAX_TOTAL = 2**30  # bytes of all members together
MAX_RATIO = 100  # of that to the archive
LABEL_FOLDERS = ("labels", "label", "annotations", "masks", "gt")
IMAGE_FOLDERS = ("images", "image", "imgs")

_ENTRY = b"PK\x01\x02"
_ARCHIVES = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\0",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!",
    b"\x28\xb5\x2f\xfd",
)
_LOCAL_HEADER = 30  # bytes before the name
_PIECE = 2**18  # bytes unpacked at a time: asked for all at once, zipfile unpacks what is there and then cuts it to what was said


@dataclass(frozen=True)
class Member:
    """A picture in an archive.

    Attributes:
        name: For pairing and for messages: its path in the archive without ``images`` or ``labels``.
        is_label: Whether it lies in a folder of label maps.
        num_bytes: Unpacked, as the archive says.
    """

    name: str
    is_label: bool
    num_bytes: int
    _info: zipfile.ZipInfo


class Archive:
    """An uploaded zip.

    Args:
        data: The file.
        name: Of the file, for messages only.

    Raises:
        InputError: ``ZIP_BROKEN``, ``ZIP_MANY``, ``ZIP_LARGE``, ``ZIP_RATIO``, ``ZIP_OVERLAP``, ``ZIP_NESTED``, ``ZIP_KIND``
            (encrypted or unusually compressed), ``ZIP_EMPTY`` (no pictures).
    """

    def __init__(self, data: bytes, name: str) -> None:
        self._data, self.name = data, tidy(name)
        if len(data) > MAX_BYTES:
            raise InputError("ZIP_LARGE", f"{self.name} has {len(data) >> 20} MB; at most {MAX_BYTES >> 20} are taken. Split it.")
        if data.count(_ENTRY) > 3 * MAX_MEMBERS:  # before each is made an object; folders and macOS's shadows count here
            self._refuse_many(data.count(_ENTRY))
        with _reading(self.name):
            self._zip = zipfile.ZipFile(BytesIO(data))
            infos = [info for info in self._zip.infolist() if not info.is_dir()]
            self._check(infos)
        self.members = _tell_labels(list(self._list(infos)))
        if not self.members:
            raise InputError(
                "ZIP_EMPTY",
                f"{self.name} holds no PNG, JPEG, TIFF or WebP file. Put images into images/, label maps into labels/.",
            )

    def read(self, member: Member) -> bytes:
        """The bytes of a member; no more than it said are ever unpacked.

        Raises:
            InputError: ``ZIP_BROKEN``, ``IMAGE_TOO_LARGE`` before it is unpacked.
        """
        if member.num_bytes > MAX_FILE_BYTES:
            size, most = member.num_bytes / 2**20, MAX_FILE_BYTES >> 20
            raise InputError(
                "IMAGE_TOO_LARGE",
                f"{tidy(member.name)} in {self.name} has {size:.0f} MB; at most {most} are taken. Make it smaller.",
            )
        with _reading(self.name), self._zip.open(member._info) as file:
            return b"".join(iter(lambda: file.read(_PIECE), b""))

    def _refuse_many(self, count: int) -> None:
        raise InputError("ZIP_MANY", f"{self.name} has {count:,} files; at most {MAX_MEMBERS} are taken. Make several of it.")

    def _check(self, infos: list[zipfile.ZipInfo]) -> None:
        if len(infos) > MAX_MEMBERS:
            self._refuse_many(len(infos))
        total = sum(info.file_size for info in infos)
        if total > MAX_TOTAL:
            raise InputError(
                "ZIP_LARGE", f"{self.name} unpacks to {total / 2**20:,.0f} MB; at most {MAX_TOTAL >> 20:,} are taken. Split it."
            )
        if total > MAX_RATIO * len(self._data):
            raise InputError(
                "ZIP_RATIO",
                f"{self.name} would grow to {total / len(self._data):,.0f} times its size, as no pictures do. Pack it anew.",
            )
        for info in infos:
            if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise InputError(
                    "ZIP_KIND", f"{self.name} is encrypted or packed in an unusual way. Pack it anew, without a password."
                )
        self._check_places(infos)
        for info in infos:
            with self._zip.open(info) as file:
                if file.read(8).startswith(_ARCHIVES):
                    raise InputError(
                        "ZIP_NESTED",
                        f"{self.name} holds another archive, {tidy(info.filename)}. Unpack that one and leave it out.",
                    )

    def _check_places(self, infos: list[zipfile.ZipInfo]) -> None:
        """No two members may share bytes: 48 KB unpack to 1 GB where they do."""
        spans = sorted((info.header_offset, self._find_end(info)) for info in infos)
        spans.append((self._zip.start_dir, len(self._data)))
        if any(end > start for (_, end), (start, _) in itertools.pairwise(spans)):
            raise InputError("ZIP_OVERLAP", f"Files in {self.name} lie upon each other. Pack it anew.")

    def _find_end(self, info: zipfile.ZipInfo) -> int:
        start = info.header_offset
        header = self._data[start : start + _LOCAL_HEADER] if start >= 0 else b""
        if len(header) < _LOCAL_HEADER:
            raise zipfile.BadZipFile("a member lies outside the file")
        lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        return start + _LOCAL_HEADER + lengths + info.compress_size

    def _list(self, infos: list[zipfile.ZipInfo]) -> Iterator[Member]:
        for info in infos:
            *folders, file = [part for part in info.filename.replace("\\", "/").split("/") if part not in ("", ".", "..")] or [""]
            if file.startswith(".") or "__MACOSX" in folders or os.path.splitext(file)[1].lower() not in PICTURE_SUFFIXES:
                continue
            kinds = [folder.lower() for folder in folders]
            kept = [folder for folder, kind in zip(folders, kinds, strict=True) if kind not in (*LABEL_FOLDERS, *IMAGE_FOLDERS)]
            yield Member("/".join([*kept, file]), any(kind in LABEL_FOLDERS for kind in kinds), info.file_size, info)


def _tell_labels(members: Sequence[Member]) -> tuple[Member, ...]:
    """In an archive without folders of label maps: a PNG or TIFF beside a JPEG or WebP of the same name is its label map."""
    if any(member.is_label for member in members):
        return tuple(members)
    photographs = {os.path.splitext(one.name)[0] for one in members if one.name.lower().endswith((".jpg", ".jpeg", ".webp"))}
    is_exact = [one.name.lower().endswith((".png", ".tif", ".tiff")) for one in members]
    return tuple(
        replace(one, is_label=exact and os.path.splitext(one.name)[0] in photographs)
        for one, exact in zip(members, is_exact, strict=True)
    )


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn whatever zipfile and zlib raise into an InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError("ZIP_BROKEN", f"{name} is damaged or no zip file. Pack or upload it again.") from error


@dataclass(frozen=True)
class Part:
    """A file that was handed over, by itself or in an archive; one of an archive is unpacked when it is read.

    Attributes:
        name: For pairing and for messages.
        is_label: Whether its archive says that it is a label map.
        read: Its bytes; may raise ``ZIP_BROKEN``.
        archive: Where it lies; None for a file by itself.
    """

    name: str
    is_label: bool
    read: Callable[[], bytes]
    archive: Archive | None = None

    @property
    def stem(self) -> str:
        return os.path.splitext(self.name)[0]


def unpack(files: Iterable[tuple[str, bytes]]) -> Iterator[Part]:
    """Files as they are, and in the place of each zip the pictures in it.

    Raises:
        InputError: ``ZIP_…`` as :class:`Archive`.
    """
    for name, data in files:
        if not is_zip(data):
            yield Part(name, False, lambda data=data: data)
            continue
        archive = Archive(data, name)
        for member in archive.members:
            yield Part(member.name, member.is_label, partial(archive.read, member), archive)


def is_zip(data: bytes) -> bool:
    """Whether a file begins as a zip does."""
    return data.startswith((b"PK\x03\x04", b"PK\x05\x06"))
