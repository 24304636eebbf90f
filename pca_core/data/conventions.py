"""What the numbers and colours in label files stand for: raw id -> class name, and from there to any label space."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from pca_core.checks import InputError, shorten
from pca_core.data.label_spaces import LABEL_SPACES, canonical
from pca_core.types import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pca_core.types import LabelSpace

_CITYSCAPES, _CAMVID = (LABEL_SPACES[name].class_names for name in ("cityscapes-19", "camvid-11"))
_CITYSCAPES_LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
_LABEL_IDS = {raw: "" for raw in range(-1, 34)} | dict(zip(_CITYSCAPES_LABEL_IDS, _CITYSCAPES, strict=True))
_SYNTHIA_IDS = [  # SYNTHIA-RAND-CITYSCAPES; the position is the id
    "void",
    "sky",
    "building",
    "road",
    "sidewalk",
    "fence",
    "vegetation",
    "pole",
    "car",
    "traffic sign",
    "pedestrian",
    "bicycle",
    "motorcycle",
    "parking-slot",
    "road-work",
    "traffic light",
    "terrain",
    "rider",
    "truck",
    "bus",
    "train",
    "wall",
    "lanemarking",
]
CONVENTIONS: dict[str, dict[int, str]] = {
    "label_ids": _LABEL_IDS,
    "gtav_ids": _LABEL_IDS | {34: ""},  # GTAV numbers as Cityscapes does, but gives the licence plate 34 where that has -1
    "train_ids": {-1: ""} | dict(enumerate(_CITYSCAPES)),
    "synthia_ids": dict(enumerate(_SYNTHIA_IDS)),
    "camvid_ids": {11: ""} | dict(enumerate(_CAMVID)),  # the SegNet tutorial's
}
"""Name of a convention -> raw id -> class name; "" where a pixel counts as unlabelled."""
USUAL_SPACES = dict.fromkeys(("label_ids", "gtav_ids", "train_ids"), "cityscapes-19") | {
    "synthia_ids": "synthia-16",
    "camvid_ids": "camvid-11",
}
"""Name of a convention -> the label space that its ids are read in when no other is asked for."""


def missing_classes(space: LabelSpace, names: Mapping[int, str]) -> list[str]:
    """Classes of a label space that a convention has no id for, by name."""
    known = {canonical(name) for name in names.values()}
    return [name for name in space.class_names if canonical(name) not in known]


def find_classes(space: LabelSpace, wanted: LabelSpace) -> list[int]:
    """Indices in ``space`` of the classes of another label space, in the order of ``space``; by name.

    Raises:
        InputError: ``CLASSES_UNMAPPED`` when ``space`` lacks one.
    """
    missing = missing_classes(wanted, dict(enumerate(space.class_names)))
    if missing:
        raise InputError(
            "CLASSES_UNMAPPED",
            f"{wanted.name} has classes that {space.name} lacks: {', '.join(missing[:5])}{' …' * (len(missing) > 5)}. "
            "Choose a label space whose classes the checkpoint knows.",
        )
    names = {canonical(name) for name in wanted.class_names}
    return [index for index, name in enumerate(space.class_names) if canonical(name) in names]


def make_id_map(space: LabelSpace, names: Mapping[int, str]) -> dict[int, int]:
    """Translate by class name.

    Args:
        space: Where to.
        names: Raw id -> class name, e.g. ``CONVENTIONS["label_ids"]``.

    Returns:
        Raw id -> class index for :func:`pca_core.data.read_label`; classes that the space lacks become 255.
    """
    index = {canonical(name): i for i, name in enumerate(space.class_names)}
    return {raw: index.get(canonical(name), IGNORE_INDEX) for raw, name in names.items()}


def parse_ids(text: str, space: LabelSpace) -> dict[int, int]:
    """Read what a person says that ids or colours stand for: ``7 = road, #ff00ff = sky, 34 =``.

    Args:
        text: Entries with commas or line ends between; an id is a whole number or a colour, no name means unlabelled.
        space: Whose classes the names are.

    Returns:
        Raw id (``0xRRGGBB`` for a colour) -> class index or 255, for ``further_ids`` of :func:`pca_core.data.read_label`.

    Raises:
        InputError: ``LABEL_ID_MAP``, naming the first entry that cannot be read.
    """
    index, found = {canonical(name.lower()): i for i, name in enumerate(space.class_names)} | {"": IGNORE_INDEX}, {}
    for entry in filter(None, map(str.strip, text.replace("\n", ",").split(","))):
        raw, equals, name = map(str.strip, entry.partition("="))
        name = canonical(name.lower())
        is_colour = re.fullmatch(r"#[0-9a-fA-F]{6}", raw) is not None
        if not equals or not (is_colour or re.fullmatch(r"-?[0-9]{1,9}", raw)) or name not in index:
            near = difflib.get_close_matches(name, index, 1, 0.6) if equals else []
            hint = f"Did you mean {near[0]}?" if near and near[0] else f"Classes are {', '.join(space.class_names[:5])} …"
            raise InputError("LABEL_ID_MAP", f"{shorten(entry, 60)!r} must be an id or #colour, =, and a class. {shorten(hint)}")
        found[int(raw[1:], 16) if is_colour else int(raw)] = index[name]
    return found


ID_MAPS: dict[str, dict[str, dict[int, int]]] = {
    name: {convention: make_id_map(LABEL_SPACES[name], CONVENTIONS[convention]) for convention in conventions}
    for name, conventions in {
        **dict.fromkeys(
            ("cityscapes-19", "synthia-16", "synthia-13", "plca-16", "plca-19"),
            ("label_ids", "gtav_ids", "train_ids", "synthia_ids"),
        ),
        "camvid-11": ("camvid_ids",),
    }.items()
}
"""Label space -> file convention -> raw id -> class index (255: no label)."""
