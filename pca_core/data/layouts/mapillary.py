"""Mapillary Vistas (Neuhold et al., ICCV 2017): PART/images/….jpg, PART/labels/….png or PART/v1.2/labels/….png, config.json.

Labels are palette PNGs; config.json gives index, name and colour of each class. To Cityscapes only the classes are translated
that domain-generalisation benchmarks agree on; the rest (guard rails, crosswalks, sign backs ...) becomes unlabelled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pca_core.checks import InputError
from pca_core.data.classes_file import read_json_object
from pca_core.data.label_spaces import MAX_CLASSES
from pca_core.data.layouts.base import Endings, Layout, Listing, Place, has_folder, list_pairs, name_parts
from pca_core.types import LabelSpace

_LABELS = {  # labels folder of a part -> the files that may describe its classes
    "labels": ("config.json", "config_v1.2.json", "config_v1.1.json"),
    "v1.2/labels": ("config_v1.2.json", "config.json"),
    "v2.0/labels": ("config_v2.0.json", "config.json"),
}
_TO_CITYSCAPES = {  # version 2 splits some of these: human--person--individual counts as human--person
    "construction--flat--road": "road",
    "marking--general": "road",
    "object--manhole": "road",
    "construction--barrier--curb": "sidewalk",
    "construction--flat--sidewalk": "sidewalk",
    "construction--structure--building": "building",
    "construction--barrier--wall": "wall",
    "construction--barrier--fence": "fence",
    "object--support--pole": "pole",
    "object--support--utility-pole": "pole",
    "object--traffic-light": "traffic light",
    "object--traffic-sign--front": "traffic sign",
    "nature--vegetation": "vegetation",
    "nature--terrain": "terrain",
    "nature--sky": "sky",
    "human--person": "person",
    "human--rider": "rider",
    "object--vehicle--car": "car",
    "object--vehicle--truck": "truck",
    "object--vehicle--bus": "bus",
    "object--vehicle--on-rails": "train",
    "object--vehicle--motorcycle": "motorcycle",
    "object--vehicle--bicycle": "bicycle",
}


def find_splits(root: Path) -> tuple[str, ...]:
    return tuple(part for part in ("training", "validation", "testing") if has_folder(root, f"{part}/images"))


def list_files(root: Path, parts: tuple[str, ...]) -> Listing:
    version = next((folder for folder in _LABELS if has_folder(root, *(f"{part}/{folder}" for part in parts))), None)
    places = {
        prefix: Place(root / part / "images", None if version is None else root / part / version)
        for prefix, part in name_parts(parts).items()
    }
    images, labels, _ = list_pairs(places, Endings((".jpg", ".png"), (".png",)))
    if not labels:
        return Listing("mapillary", root, images, {})
    names, palette = _read_config(root, _LABELS[version])
    classes = [(name, colour) for name, colour in zip(names, palette, strict=True) if name]
    space = LabelSpace(f"mapillary-{len(classes)}", *(tuple(column) for column in zip(*classes, strict=True)))
    conventions = (dict(enumerate(names)), {raw: _as_cityscapes(name) for raw, name in enumerate(names)})
    return Listing("mapillary", root, images, labels, label_space=space, conventions=conventions)


def _as_cityscapes(name: str) -> str:
    return next((theirs for ours, theirs in _TO_CITYSCAPES.items() if name == ours or name.startswith(ours + "--")), "")


def _read_config(root: Path, files: tuple[str, ...]) -> tuple[list[str], list[tuple[int, int, int]]]:
    """Names by index, "" for those that are not evaluated, and their colours."""
    path = next((root / name for name in files if (root / name).is_file()), None)
    if path is None:
        raise InputError(
            "LAYOUT_CLASSES",
            f"{root} has labels but no {' or '.join(files)}, which names the classes. Copy it there from the archive.",
        )
    entries = read_json_object(path).get("labels")
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_CLASSES + 1:
        raise InputError("LAYOUT_CLASSES", f"labels in {path} must be a list of 1 to {MAX_CLASSES} classes. Copy it again.")
    names = [_read_entry(entry, path) for entry in entries]
    return [name for name, _ in names], [colour for _, colour in names]


def _read_entry(entry: Any, path: Path) -> tuple[str, tuple[int, int, int]]:
    try:
        red, green, blue = (int(channel) for channel in entry["color"])
        return str(entry["name"]) if entry.get("evaluate", True) else "", (red, green, blue)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            "LAYOUT_CLASSES", f"Every entry of labels in {path} needs name and color (red, green, blue), got {entry!r:.80}."
        ) from error


MAPILLARY = Layout(
    "mapillary",
    "Expected are PART/images/….jpg and PART/labels/….png (or PART/v1.2/labels/, PART/v2.0/labels/) with config.json, "
    "PART being training, validation or testing.",
    ("training/images", "validation/images", "testing/images"),
    lambda root: bool(find_splits(root)),
    list_files,
    find_splits,
    scored=("validation",),
    trained=("training",),
)
