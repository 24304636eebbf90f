"""The plain folder: images/, labels/ of the same stems, classes.json in it or one level above."""

from __future__ import annotations

from pathlib import Path

from pca_core.checks import InputError, exists, shorten
from pca_core.data.files import PICTURE_SUFFIXES
from pca_core.data.layouts.base import Layout, Listing, find_files, has_folder, show
from pca_core.data.layouts.nearest import describe_content

_EXPECTED = "Expected are images/ with PNG, JPEG, TIFF or WebP files and, for labels, labels/ with files of the same stems."


def list_folder(root: Path, parts: tuple[str, ...] = ()) -> Listing:
    """List a plain folder; its classes are looked up by whoever reads labels.

    Raises:
        InputError: ``DATASET_NOT_FOUND``, ``DATASET_EMPTY``, ``DATASET_DUPLICATE``, ``DATASET_LABELS``.
    """
    if not exists(root.is_dir):
        raise InputError("DATASET_NOT_FOUND", f"There is no folder {shorten(root)}. Check the path.")
    folder = root / "images"
    if not folder.is_dir():
        raise InputError("DATASET_EMPTY", f"{root} has no folder images/; it holds {describe_content(root)}. {_EXPECTED}")
    images = find_files(folder, PICTURE_SUFFIXES, depth=1)
    if not images:
        raise InputError(
            "DATASET_EMPTY", f"{folder} has no image that can be read; it holds {describe_content(folder)}. {_EXPECTED}"
        )
    labels = find_files(root / "labels", PICTURE_SUFFIXES, depth=1) if (root / "labels").is_dir() else None
    if labels is not None and not images.keys() & labels.keys():
        raise InputError(
            "DATASET_LABELS",
            f"No file in {root / 'labels'} has the stem of an image: {show(labels)} against "
            f"{show(images)}. Rename the label files, or remove the folder.",
        )
    return Listing("folder", root, images, labels or {})


def detect(root: Path) -> bool:
    """One part of Mapillary Vistas has images/, too, but its labels would not be found."""
    return has_folder(root, "images") and not has_folder(root, "v1.2/labels", "v2.0/labels")


FOLDER = Layout("folder", _EXPECTED, ("images",), detect, list_folder)
