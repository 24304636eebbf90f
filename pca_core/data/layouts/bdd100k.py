"""BDD100K semantic segmentation (Yu et al., CVPR 2020), as it is now (images/10k, labels/sem_seg/masks) and was (seg/)."""

from __future__ import annotations

from pathlib import Path

from pca_core.data.conventions import CONVENTIONS
from pca_core.data.label_spaces import LABEL_SPACES
from pca_core.data.layouts.base import Endings, Layout, Listing, has_folder, list_pairs, place_parts
from pca_core.data.layouts.nearest import find_labels

_OLD = ("seg/images", "seg/labels", Endings((".jpg",), ("_train_id.png",)))
_NEW = ("images/10k", "labels/sem_seg/masks", Endings((".jpg",), (".png",)))


def _variant(root: Path) -> tuple[str, str, Endings]:
    return _NEW if has_folder(root, _NEW[0]) else _OLD


def find_splits(root: Path) -> tuple[str, ...]:
    images = _variant(root)[0]
    return tuple(part for part in ("train", "val", "test") if has_folder(root, f"{images}/{part}"))


def list_files(root: Path, parts: tuple[str, ...]) -> Listing:
    image_folder, label_folder, endings = _variant(root)
    places = place_parts(parts, root / image_folder, find_labels(root, label_folder, "bdd100k"))
    images, label_files, _ = list_pairs(places, endings)
    return Listing(
        "bdd100k",
        root,
        images,
        label_files,
        label_space=LABEL_SPACES["cityscapes-19"],
        conventions=(CONVENTIONS["train_ids"],),
    )


BDD100K = Layout(
    "bdd100k",
    "Expected are images/10k/PART/….jpg and labels/sem_seg/masks/PART/….png, PART being train, val or test.",
    ("images/10k", "seg/images"),
    lambda root: bool(find_splits(root)),
    list_files,
    find_splits,
)
