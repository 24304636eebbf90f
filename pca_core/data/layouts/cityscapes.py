"""Cityscapes (Cordts et al., CVPR 2016): leftImg8bit/PART/CITY/…_leftImg8bit.png, gtFine/PART/CITY/…_gtFine_labelIds.png."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pca_core.data.conventions import CONVENTIONS
from pca_core.data.label_spaces import LABEL_SPACES
from pca_core.data.layouts.base import Endings, Layout, Listing, Place, has_folder, list_pairs, place_parts
from pca_core.data.layouts.nearest import find_labels

_ENDINGS = Endings(("_leftImg8bit.png", "_leftImg8bit.jpg"), ("_gtFine_labelIds.png", "_gtFine_labelTrainIds.png"))


def find_splits(root: Path) -> tuple[str, ...]:
    return tuple(part for part in ("train", "val", "test") if has_folder(root, f"leftImg8bit/{part}"))


def list_files(root: Path, parts: tuple[str, ...]) -> Listing:
    """Names are CITY/CITY_000000_000019."""
    places = place_parts(parts, root / "leftImg8bit", find_labels(root, "gtFine", "cityscapes"))
    return list_either_ids("cityscapes", root, places, _ENDINGS)


def list_either_ids(layout: str, root: Path, places: Mapping[str, Place], endings: Endings) -> Listing:
    """List labels that are all label ids or all train ids, told by their ending."""
    images, labels, ending = list_pairs(places, endings)
    names = CONVENTIONS["train_ids" if "TrainIds" in ending else "label_ids"]
    return Listing(layout, root, images, labels, label_space=LABEL_SPACES["cityscapes-19"], conventions=(names,))


CITYSCAPES = Layout(
    "cityscapes",
    "Expected are leftImg8bit/PART/CITY/…_leftImg8bit.png and gtFine/PART/CITY/…_gtFine_labelIds.png (or …_labelTrainIds.png), "
    "PART being train, val or test.",
    ("leftImg8bit",),
    lambda root: bool(find_splits(root)),
    list_files,
    find_splits,
)
