"""GTAV ("Playing for Data", Richter et al., ECCV 2016): images/00001.png, labels/00001.png, perhaps split.mat.

Labels are palette PNGs whose indices are Cityscapes label ids 0-33, and 34 for licence plates. Some pairs differ in size.
"""

from __future__ import annotations

import re
from pathlib import Path

from pca_core.checks import InputError, exists
from pca_core.data.classes_file import find_classes_file
from pca_core.data.conventions import CONVENTIONS
from pca_core.data.label_spaces import LABEL_SPACES
from pca_core.data.layouts.base import ALL, Endings, Layout, Listing, Place, find_files, has_folder, list_pairs
from pca_core.data.layouts.lists import keep_listed
from pca_core.data.layouts.nearest import find_labels

_NUMBERED = re.compile(r"\d{5}")
_PARTS = ("train", "val", "test")
_SPLIT_FILE = "split.mat"


def detect(root: Path) -> bool:
    """A plain folder of numbered PNGs without a classes.json, which GTAV does not have."""
    if not has_folder(root, "images") or not has_folder(root, "labels") or find_classes_file(root):
        return False
    names = list(find_files(root / "images", (".png",), depth=1))
    return bool(names) and all(map(_NUMBERED.fullmatch, names))


def find_splits(root: Path) -> tuple[str, ...]:
    return _PARTS if exists((root / _SPLIT_FILE).is_file) else ()


def list_files(root: Path, parts: tuple[str, ...]) -> Listing:
    """List GTAV; one part is one of split.mat, all parts are all images: split.mat need not name each."""
    labels = find_labels(root, "labels", "gtav")
    images, label_files, _ = list_pairs({"": Place(root / "images", labels)}, Endings((".png",)))
    if len(parts) == 1 and not exists((root / f"{parts[0]}.txt").is_file):  # such a list is somebody's own choice
        wanted = [f"{number:05d}" for number in _read_split(root / _SPLIT_FILE, parts)]
        images = keep_listed(images, wanted, root / _SPLIT_FILE)
    return Listing("gtav", root, images, label_files, None, (), LABEL_SPACES["cityscapes-19"], (CONVENTIONS["gtav_ids"],))


def _read_split(path: Path, parts: tuple[str, ...]) -> list[int]:
    from scipy.io import loadmat  # slow to load, and only this file needs it

    try:
        content = loadmat(path, variable_names=[f"{part}Ids" for part in parts])
        return [int(number) for part in parts for number in content[f"{part}Ids"].ravel()]
    except Exception as error:  # SciPy raises much on a file that is no MAT file
        raise InputError(
            "LAYOUT_LIST", f"{path} does not hold {parts[0]}Ids as GTAV's does. Copy it again, or name a text file as the split."
        ) from error


GTAV = Layout(
    "gtav",
    "Expected are images/00001.png … and labels/00001.png …, with split.mat for the official parts.",
    ("images", "labels"),
    detect,
    list_files,
    find_splits,
    trained=(ALL,),
)
