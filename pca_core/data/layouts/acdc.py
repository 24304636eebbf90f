"""ACDC (Sakaridis et al., ICCV 2021): rgb_anon/CONDITION/PART/SEQUENCE/…_rgb_anon.png, gt/… with …_gt_labelIds.png."""

from __future__ import annotations

from pathlib import Path

from pca_core.data.layouts.base import Endings, Layout, Listing, Place, has_folder, name_parts
from pca_core.data.layouts.cityscapes import list_either_ids
from pca_core.data.layouts.nearest import find_labels

CONDITIONS = ("fog", "night", "rain", "snow")
_ENDINGS = Endings(("_rgb_anon.png",), ("_gt_labelIds.png", "_gt_labelTrainIds.png"))


def find_splits(root: Path) -> tuple[str, ...]:
    return tuple(
        part for part in ("train", "val", "test") if has_folder(root, *(f"rgb_anon/{name}/{part}" for name in CONDITIONS))
    )


def list_files(root: Path, parts: tuple[str, ...]) -> Listing:
    """Names are CONDITION/SEQUENCE/FRAME, so that the pattern ``night/*`` takes one condition."""
    labels = find_labels(root, "gt", "acdc")
    places = {
        f"{prefix}{condition}/": Place(
            root / "rgb_anon" / condition / part, None if labels is None else labels / condition / part
        )
        for prefix, part in name_parts(parts).items()
        for condition in CONDITIONS
        if has_folder(root, f"rgb_anon/{condition}/{part}")
    }
    return list_either_ids("acdc", root, places, _ENDINGS)


ACDC = Layout(
    "acdc",
    "Expected are rgb_anon/CONDITION/PART/SEQUENCE/…_rgb_anon.png and gt/CONDITION/PART/SEQUENCE/…_gt_labelIds.png "
    "(or …_gt_labelTrainIds.png), CONDITION being fog, night, rain or snow and PART train, val or test.",
    ("rgb_anon",),
    lambda root: bool(find_splits(root)),
    list_files,
    find_splits,
)
