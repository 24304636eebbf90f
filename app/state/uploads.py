"""Images that a person uploaded: decoded by a limited child, kept re-encoded, for this session only, within bounds."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import streamlit as st

from app.state import cache, session
from pca_core.checks import InputError, tidy
from pca_core.data import content_hash, encode_png, read_image
from pca_core.data.archives import Part, unpack
from pca_core.data.conventions import CONVENTIONS, make_id_map, parse_ids
from pca_core.data.decoders import DECODERS
from pca_core.data.untrusted import check_file, take_image, take_label
from pca_core.types import Domain, LabelSpace

MAX_UPLOADS = 250  # per side and session: what one archive may bring
MAX_BYTES = 200 * 2**20  # likewise, images and labels together, as they are kept

File = tuple[str, bytes]
"""Name (for messages and pairing only) and bytes."""


@dataclass(frozen=True)
class Reading:
    """How label maps are read.

    Attributes:
        unknown: What happens to ids that are no class of the checkpoint.
        convention: What the ids stand for, a name in ``CONVENTIONS``: they become classes of the checkpoint by name, or 255 where
            it has no such class. "" for class indices of the checkpoint.
        wrong_size: What happens to a label map that has not the size of its image.
        by_hand: What further ids stand for, as :func:`~pca_core.data.conventions.parse_ids` reads it.
    """

    unknown: Literal["error", "ignore"] = "error"
    convention: str = ""
    wrong_size: Literal["error", "nearest"] = "error"
    by_hand: str = ""


@dataclass(frozen=True)
class Upload:
    """An uploaded image and its class indices, both as PNG files of ours, and the classes.

    ``origin`` tells from which files it came and how they were read.
    """

    name: str
    image: bytes
    label: bytes | None
    label_space: LabelSpace
    origin: str = ""

    @property
    def num_bytes(self) -> int:
        return len(self.image) + len(self.label or b"")

    @cached_property
    def content(self) -> str:
        """Changes when the image or its label does."""
        return content_hash("|".join([content_hash(self.image), content_hash(self.label or b"")]).encode())

    @cached_property
    def thumbnail(self) -> bytes:
        """A small JPEG."""
        return cache.make_thumbnail(read_image(self.image, name=self.name))


def prepare() -> None:
    """Start the process that decodes, so that it is there when files are."""
    DECODERS.warm_up()


def add_uploads(
    side: Domain, images: Sequence[File], labels: Sequence[File], reading: Reading | None = None
) -> tuple[int, int, tuple[str, ...]]:
    """Keep what can be used of uploaded files for this session and choose the first; the oldest give way beyond the bounds.

    Args:
        side: Where they belong.
        images: To keep; zip files of images and label maps among them.
        labels: Each belongs to the image of the same name without its ending, in the same archive before another; a single one
            to a single image in any case.
        reading: How label maps are read; by default all that is odd is refused.

    Returns:
        How many images were kept, of how many, and a sentence for each file that was not.

    Raises:
        InputError: ``UPLOAD_MANY`` beyond :data:`MAX_UPLOADS`, ``ZIP_…`` for an archive that is not as it should be,
            ``LABEL_ID_MAP`` for ids by hand that cannot be read; nothing is kept then.
    """
    parts = list(unpack(images))
    waiting = [part for part in parts if not part.is_label]
    waiting_labels = [part for part in parts if part.is_label] + list(unpack(labels))
    if len(waiting) > MAX_UPLOADS:
        raise InputError(
            "UPLOAD_MANY", f"At most {MAX_UPLOADS} images can be uploaded at once, got {len(waiting)}. Open a folder instead."
        )
    of_image, refused = _pair_labels(waiting, waiting_labels)
    taker = _Taker(side, cache.get_checkpoint(session.get_checkpoint_path()).label_space, reading or Reading())
    kept: dict[str, Upload] = {}
    for image, label in zip(waiting, of_image, strict=True):
        try:
            upload = taker.take(image, label)
            _check_room(kept, upload, image.name)
        except InputError as error:
            refused.append(str(error))
        else:
            kept[upload.name] = upload
    if kept:
        _keep(st.session_state["uploads"][side], kept)
        session.choose(side, session.UPLOADS, next(iter(kept)))
    return len(kept), len(waiting), tuple(refused)


def _pair_labels(images: Sequence[Part], labels: Sequence[Part]) -> tuple[list[Part | None], list[str]]:
    """The label map of each image, from its own archive before any other, and a sentence for whatever cannot be paired."""
    if len(images) == len(labels) == 1:
        return list(labels), []
    images_at, labels_at = (_group(parts, lambda part: (part.archive, part.stem)) for parts in (images, labels))
    in_want = _group((image for image in images if (image.archive, image.stem) not in labels_at), lambda part: part.stem)
    strays = _group((label for label in labels if (label.archive, label.stem) not in images_at), lambda part: part.stem)
    refused = [
        f"Label map {tidy(label.name)} belongs to none of the images: give it the name of its image."
        for stem, parts in strays.items()
        for label in parts
        if stem not in in_want
    ]
    pairs = [(parts, labels_at[place]) for place, parts in images_at.items() if place in labels_at]
    pairs += [(in_want[stem], parts) for stem, parts in strays.items() if stem in in_want]
    label_of: dict[int, Part] = {}
    for of_images, of_labels in pairs:
        if _is_one(of_images) and _is_one(of_labels):
            label_of |= dict.fromkeys(map(id, of_images), of_labels[0])
        else:
            name = tidy(of_images[0].stem)
            refused.append(
                f"Several images or label maps are named {name}, so nobody can tell which belong together: rename them."
            )
    return [label_of.get(id(image)) for image in images], refused


def _group(parts: Iterable[Part], key: Callable[[Part], Hashable]) -> dict[Hashable, list[Part]]:
    groups: dict[Hashable, list[Part]] = {}
    for part in parts:
        groups.setdefault(key(part), []).append(part)
    return groups


def _is_one(parts: Sequence[Part]) -> bool:
    """Whether they are one file, which may have been handed over several times."""
    try:
        return len(parts) == 1 or len({content_hash(part.read()) for part in parts}) == 1
    except InputError:  # it is told when it is taken
        return False


class _Taker:
    """Takes one image after the other in the same way; what this session has taken already is not decoded again."""

    def __init__(self, side: Domain, space: LabelSpace, reading: Reading) -> None:
        self._side, self._space, self._reading = side, space, reading
        names = CONVENTIONS.get(reading.convention)
        self._id_map = None if names is None else make_id_map(space, names)
        self._further_ids = parse_ids(reading.by_hand, space)
        self._known = {upload.origin: upload for uploads in st.session_state["uploads"].values() for upload in uploads.values()}

    def take(self, image: Part, label: Part | None) -> Upload:
        data = image.read()
        if self._side == "source" and label is None:
            take_image(data, image.name)  # a label map would not help what is no picture
            raise InputError(
                "UPLOAD_LABEL",
                f"Source image {tidy(image.name)} needs a label map of the same name and size: cycles are judged by it. Add one.",
            )
        ids = None if label is None else label.read()
        files = [image.name, check_file(data, image.name), "" if label is None else check_file(ids, label.name)]
        place = content_hash("|".join(files).encode())  # equal images of other folders or with other labels stay apart
        name = f"{tidy(image.stem, 40)} {place[:8]}"
        origin = content_hash("|".join([place, repr(self._reading), repr(self._space)]).encode())
        if origin not in self._known:
            self._known[origin] = self._read(name, origin, (image.name, data), None if label is None else (label.name, ids))
        return self._known[origin]

    def _read(self, name: str, origin: str, image: File, label: File | None) -> Upload:
        taken, ids = take_image(image[1], image[0]), None
        if label is not None:
            ids = take_label(
                label[1],
                label[0],
                self._space,
                id_map=self._id_map,
                further_ids=self._further_ids,
                unknown=self._reading.unknown,
                size=taken.pixels.shape[:2],
                wrong_size=self._reading.wrong_size,
            ).ids
        upload = Upload(name, taken.encode(), None if ids is None else encode_png(ids), self._space, origin)
        upload.__dict__["thumbnail"] = cache.make_thumbnail(taken.pixels)  # while the pixels are here
        return upload


def _check_room(kept: dict[str, Upload], upload: Upload, name: str) -> None:
    if _count_bytes(kept.values()) + upload.num_bytes > MAX_BYTES:
        raise InputError(
            "UPLOAD_ROOM", f"{tidy(name)} goes beyond {MAX_BYTES // 2**20} MB of uploads at once. Open a folder instead."
        )


def _count_bytes(uploads: Iterable[Upload]) -> int:
    return sum(upload.num_bytes for upload in uploads)


def _keep(uploads: dict[str, Upload], new: dict[str, Upload]) -> None:
    for key, upload in new.items():
        uploads.pop(key, None)
        uploads[key] = upload
    while len(uploads) > MAX_UPLOADS or _count_bytes(uploads.values()) > MAX_BYTES:
        uploads.pop(next(iter(uploads)))


def get_uploads(side: Domain) -> dict[str, Upload]:
    """By name, the oldest first."""
    return dict(st.session_state["uploads"][side])


def get_round(side: Domain) -> int:
    """A number for the keys of the upload fields: another one empties them."""
    return st.session_state.get(f"{side}_upload_round", 0)


def empty_fields(side: Domain) -> None:
    """After everything was taken, and only then."""
    st.session_state[f"{side}_upload_round"] = get_round(side) + 1


def tell_missing_from_link() -> str:
    """What the address cannot bring back to somebody else, in one sentence; empty when nothing is missing."""
    if any(session.get_choice(side).folder == session.UPLOADS for side in ("source", "target")):
        return "Uploaded images stay in this session: elsewhere the link opens other ones."
    return ""
