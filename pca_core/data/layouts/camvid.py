"""CamVid (Brostow et al., 2009): the original with 32 colours, and the SegNet tutorial's with the ids of 11 classes."""

from __future__ import annotations

from pathlib import Path

from pca_core.checks import InputError, exists
from pca_core.data.conventions import CONVENTIONS
from pca_core.data.label_spaces import LABEL_SPACES
from pca_core.data.layouts.base import ALL, Endings, Layout, Listing, Place, has_folder, list_pairs, name_parts
from pca_core.data.layouts.nearest import find_labels, near_name

_IMAGES, _LABELS, _COLOURS = "701_StillsRaw_full", "LabeledApproved_full", "label_colors.txt"
# The 32 classes with their colours, and to which of the 11 SegNet (Badrinarayanan et al., 2017) counts them.
_GROUPS: dict[str, dict[str, tuple[int, int, int]]] = {
    "sky": {"Sky": (128, 128, 128)},
    "building": {
        "Building": (128, 0, 0),
        "Bridge": (0, 128, 64),
        "Wall": (64, 192, 0),
        "Tunnel": (64, 0, 64),
        "Archway": (192, 0, 128),
    },
    "pole": {"Column_Pole": (192, 192, 128), "TrafficCone": (0, 0, 64)},
    "road": {"Road": (128, 64, 128), "LaneMkgsDriv": (128, 0, 192), "LaneMkgsNonDriv": (192, 0, 64)},
    "pavement": {"Sidewalk": (0, 0, 192), "ParkingBlock": (64, 192, 128), "RoadShoulder": (128, 128, 192)},
    "tree": {"Tree": (128, 128, 0), "VegetationMisc": (192, 192, 0)},
    "sign symbol": {"SignSymbol": (192, 128, 128), "Misc_Text": (128, 128, 64), "TrafficLight": (0, 64, 64)},
    "fence": {"Fence": (64, 64, 128)},
    "car": {
        "Car": (64, 0, 128),
        "SUVPickupTruck": (64, 128, 192),
        "Truck_Bus": (192, 128, 192),
        "Train": (192, 64, 128),
        "OtherMoving": (128, 64, 64),
    },
    "pedestrian": {
        "Pedestrian": (64, 64, 0),
        "Child": (192, 128, 64),
        "CartLuggagePram": (64, 0, 192),
        "Animal": (64, 128, 64),
    },
    "bicyclist": {"Bicyclist": (0, 128, 192), "MotorcycleScooter": (192, 0, 192)},
    "": {"Void": (0, 0, 0)},
}
_GROUP_OF = {name: group for group, members in _GROUPS.items() for name in members}
CAMVID_COLOURS = {
    red << 16 | green << 8 | blue: group for group, members in _GROUPS.items() for red, green, blue in members.values()
}
"""Colour ``0xRRGGBB`` -> class of camvid-11, "" for Void."""


def list_original(root: Path, parts: tuple[str, ...]) -> Listing:
    labels = find_labels(root, _LABELS, "camvid")
    images, label_files, _ = list_pairs({"": Place(root / _IMAGES, labels)}, Endings((".png", ".jpg"), ("_L.png",)))
    colours = _read_colours(root / _COLOURS) if exists((root / _COLOURS).is_file) else CAMVID_COLOURS
    return Listing("camvid", root, images, label_files, label_space=LABEL_SPACES["camvid-11"], conventions=(colours,))


def _read_colours(path: Path) -> dict[int, str]:
    """``label_colors.txt``: red, green, blue and a name a line."""
    colours = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split()
        if not words:
            continue
        try:
            red, green, blue = (int(word) for word in words[:3])
            colours[red << 16 | green << 8 | blue] = _GROUP_OF[words[3]]
        except (ValueError, IndexError, KeyError) as error:
            name = words[-1] if len(words) == 4 else None
            near = near_name(_GROUP_OF, name) if name else None
            raise InputError(
                "LAYOUT_CLASSES",
                f"{path} has the line {line!r:.60}; a line is red, green, blue and one of CamVid's 32 classes"
                f"{f', such as {near}' if near else ''}. Copy it again, or remove it to use the usual colours.",
            ) from error
    return colours


def find_splits(root: Path) -> tuple[str, ...]:
    return tuple(part for part in ("train", "val", "test") if has_folder(root, part))


def list_indexed(root: Path, parts: tuple[str, ...]) -> Listing:
    places = {
        prefix: Place(root / part, find_labels(root, f"{part}annot", "camvid-11")) for prefix, part in name_parts(parts).items()
    }
    images, labels, _ = list_pairs(places, Endings((".png", ".jpg")))
    return Listing(
        "camvid-11", root, images, labels, label_space=LABEL_SPACES["camvid-11"], conventions=(CONVENTIONS["camvid_ids"],)
    )


CAMVID = Layout(
    "camvid",
    f"Expected are {_IMAGES}/….png, {_LABELS}/…_L.png and, if you have it, {_COLOURS}.",
    (_IMAGES,),
    lambda root: has_folder(root, _IMAGES),
    list_original,
    scored=(ALL,),
    trained=(ALL,),
)
CAMVID_11 = Layout(
    "camvid-11",
    "Expected are train/, val/, test/ with images and trainannot/, valannot/, testannot/ with label maps of the same names.",
    ("trainannot", "valannot", "testannot"),
    lambda root: has_folder(root, "trainannot", "valannot", "testannot") and bool(find_splits(root)),
    list_indexed,
    find_splits,
    scored=("test", "val"),
)
