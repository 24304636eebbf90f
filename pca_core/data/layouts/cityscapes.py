"""Cityscapes (Cordts et al., CVPR 2016): leftImg8bit/PART/CITY/…_leftImg8bit.png, gtFine/PART/CITY/…_gtFine_labelIds.png."""

from __future__ import annotations

from pathlib import Path

from pca_core.data.conventions import CONVENTIONS
from pca_core.data.label_spaces import LABEL_SPACES
from pca_core.data.layouts.base import Endings, Layout, Listing, Place, has_folder, list_pairs, name_parts
from pca_core.data.layouts.nearest import find_labels

_ENDINGS = Endings(("_leftImg8bit.png", "_leftImg8bit.jpg"), ("_gtFine_labelIds.png", "_gtFine_labelTrainIds.png"))


def find_splits(root: Path) -> tuple[str, ...]:
    return tuple(part for part in ("train", "val", "test") if has_folder(root, f"leftImg8bit/{part}"))


def list_files(root: Path, parts: tuple[str, ...]) -> Listing:
    """Names are CITY/CITY_000000_000019."""
    labels = find_labels(root, "gtFine", "cityscapes")
    places = {
        prefix: Place(root / "leftImg8bit" / part, None if labels is None else labels / part)
        for prefix, part in name_parts(parts).items()
    }
    images, label_files, ending = list_pairs(places, _ENDINGS)
    return Listing(
        "cityscapes",
        root,
        images,
        label_files,
        label_space=LABEL_SPACES["cityscapes-19"],
        conventions=(CONVENTIONS["train_ids" if "TrainIds" in ending else "label_ids"],),
    )


CITYSCAPES = Layout(
    "cityscapes",
    "Expected are leftImg8bit/PART/CITY/…_leftImg8bit.png and gtFine/PART/CITY/…_gtFine_labelIds.png (or …_labelTrainIds.png), "
    "PART being train, val or test.",
    ("leftImg8bit",),
    lambda root: bool(find_splits(root)),
    list_files,
    find_splits,
)
