"""What a layout is: a way to lay out a data set on disk, and the listing of the files that follow it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pca_core.checks import InputError, exists, shorten
from pca_core.data.classes_file import CLASSES_FILE
from pca_core.data.conventions import make_id_map, missing_classes
from pca_core.data.files import PICTURE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pca_core.types import LabelSpace

ALL = "all"
"""The split that takes every image."""
_DEPTH = 3


@dataclass(frozen=True)
class Listing:
    """The files of a data set, none of them opened.

    Attributes:
        layout: Name of the layout.
        root: The folder that follows it.
        images: Name -> image file, in order. A name is the path below the split's folder without its ending.
        labels: Name -> label file; images without a label are not among them.
        split: Which part this is; None when the data set has no parts.
        splits: The parts that there are.
        label_space: The classes that the labels are read in unless others are asked for.
        conventions: Raw id or colour ``0xRRGGBB`` -> class name, the first one that knows every wanted class counts; empty when
            the files hold class indices already.
    """

    layout: str
    root: Path
    images: Mapping[str, Path]
    labels: Mapping[str, Path]
    split: str | None = None
    splits: tuple[str, ...] = ()
    label_space: LabelSpace | None = None
    conventions: tuple[Mapping[int, str], ...] = ()

    def make_id_map(self, space: LabelSpace | None) -> dict[int, int] | None:
        """Raw id -> class index of a label space; None when the files hold indices, or when there is nothing to read.

        Raises:
            InputError: ``CLASSES_UNMAPPED`` when the files have no id for one of the classes.
        """
        if not self.conventions or not self.labels or space is None:
            return None
        for names in self.conventions:
            if not missing_classes(space, names):
                return make_id_map(space, names)
        missing = missing_classes(space, self.conventions[-1])
        raise InputError(
            "CLASSES_UNMAPPED",
            f"The labels of {self.root} ({self.layout}) cannot be read as {space.name}: they have no id for "
            f"{', '.join(missing[:5])}{' …' * (len(missing) > 5)}. "
            f"Use a checkpoint or a label space of their classes, such as {self.label_space.name}.",
        )

    @cached_property
    def watched(self) -> tuple[Path, ...]:
        """Folders and files whose time stamps change when this listing no longer holds."""
        folders = {path.parent for files in (self.images, self.labels) for path in files.values()}
        between = {above for folder in folders for above in folder.parents if above.is_relative_to(self.root)}
        classes = {place / CLASSES_FILE for place in (self.root, self.root.absolute().parent)}
        return tuple(sorted(folders | between | classes | {self.root}))


@dataclass(frozen=True)
class Layout:
    """One way to lay out a data set.

    Attributes:
        name: How to ask for it, e.g. on the command line.
        expected: Where images and labels lie, for people.
        folders: Folders right below the root that tell it.
        detect: Whether a folder follows this layout; looks at a few names only.
        find_splits: The parts of such a folder.
        list_files: Root and the parts to take -> listing; with several parts each name begins with its part.
        scored, trained: Parts that scores are taken on and that training takes when none is named; the first that is there.
    """

    name: str
    expected: str
    folders: tuple[str, ...]
    detect: Callable[[Path], bool]
    list_files: Callable[[Path, tuple[str, ...]], Listing]
    find_splits: Callable[[Path], tuple[str, ...]] = lambda root: ()
    scored: tuple[str, ...] = ("val",)
    trained: tuple[str, ...] = ("train",)


@dataclass(frozen=True)
class Place:
    """Where one part of a data set lies: a folder of images, and one of labels or None; searched to a depth of 3."""

    images: Path
    labels: Path | None = None


@dataclass(frozen=True)
class Endings:
    """How file names end, e.g. ``"_leftImg8bit.png"``: of images, and of label files of one kind each, the preferred first."""

    images: tuple[str, ...] = PICTURE_SUFFIXES
    labels: tuple[str, ...] = field(default=(".png",))


def find_files(folder: Path, endings: Iterable[str], depth: int = _DEPTH) -> dict[str, Path]:
    """List the files below a folder that end so, hidden ones left out.

    Returns:
        Path below the folder without the ending, e.g. ``"ulm/ulm_000001_000019"`` -> file; sorted.

    Raises:
        InputError: ``DATASET_NOT_FOUND``, ``DATASET_DUPLICATE`` when two files differ in their ending only.
    """
    found: dict[str, Path] = {}
    for entry in _scan(folder):
        ending = next((ending for ending in endings if entry.name.lower().endswith(ending.lower())), None)
        if ending is not None and entry.is_file():
            name, path = entry.name[: -len(ending)], folder / entry.name
            if name in found:
                raise InputError(
                    "DATASET_DUPLICATE", f"{folder} has two files of one stem, {found[name].name} and {path.name}. Rename one."
                )
            found[name] = path
        elif depth > 1 and entry.is_dir():
            deeper = find_files(folder / entry.name, endings, depth - 1)
            found |= {f"{entry.name}/{name}": path for name, path in deeper.items()}
    return dict(sorted(found.items()))


def list_visible(folder: Path) -> list[Path]:
    """What lies in a folder, sorted, without hidden entries.

    Raises:
        InputError: ``DATASET_NOT_FOUND`` when it cannot be listed.
    """
    return [folder / entry.name for entry in _scan(folder)]


def _scan(folder: Path) -> list[os.DirEntry]:
    """Entries know from the listing what they are: no look at each of 25,000 files."""
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except (OSError, ValueError) as error:
        raise InputError("DATASET_NOT_FOUND", f"{shorten(folder)} cannot be listed. Check path and permissions.") from error


def has_folder(root: Path, *names: str) -> bool:
    """Whether one of these folders is there."""
    return any(exists((root / name).is_dir) for name in names)


def name_parts(parts: tuple[str, ...]) -> dict[str, str]:
    """What names begin with -> part: nothing for a single part, so that names stay as short as they can."""
    return {"" if len(parts) == 1 else f"{part}/": part for part in parts}


def place_parts(parts: tuple[str, ...], images: Path, labels: Path | None) -> dict[str, Place]:
    """Parts that are folders of the same names below one folder of images and one of labels, or None."""
    return {prefix: Place(images / part, None if labels is None else labels / part) for prefix, part in name_parts(parts).items()}


def list_pairs(places: Mapping[str, Place], endings: Endings) -> tuple[dict[str, Path], dict[str, Path], str]:
    """List images and their labels, matched by name.

    Args:
        places: What names begin with, e.g. ``"val/"`` or ``""`` -> where those files lie.
        endings: How the file names end.

    Returns:
        Name -> image, name -> label, and the ending of the labels.

    Raises:
        InputError: ``DATASET_EMPTY`` without an image, ``DATASET_LABELS`` when label folders hold files but none for an image.
    """
    images = {
        prefix + name: path for prefix, place in places.items() for name, path in find_files(place.images, endings.images).items()
    }
    if not images:
        where = ", ".join(str(place.images) for place in places.values())
        raise InputError("DATASET_EMPTY", f"There is no file that ends in {' or '.join(endings.images)} in {where}. Check it.")
    found: dict[str, Path] = {}
    for ending in endings.labels:
        found = {
            prefix + name: path
            for prefix, place in places.items()
            if place.labels is not None and exists(place.labels.is_dir)
            for name, path in find_files(place.labels, (ending,)).items()
        }
        labels = {name: path for name, path in found.items() if name in images}
        if labels:
            return images, labels, ending
    _check_unlabelled(images, found, places, endings)
    return images, {}, endings.labels[0]


def _check_unlabelled(
    images: Mapping[str, Path], found: Mapping[str, Path], places: Mapping[str, Place], endings: Endings
) -> None:
    """No labels are fine, label folders full of something else are a mistake."""
    folders = [place.labels for place in places.values() if place.labels is not None and exists(place.labels.is_dir)]
    if found:
        raise InputError(
            "DATASET_LABELS",
            f"No file in {folders[0]} has the name of an image: {show(found)} against {show(images)}. "
            "Rename the label files, or remove the folder.",
        )
    filled = next((folder for folder in folders if list_visible(folder)), None)
    if filled is not None:
        raise InputError(
            "DATASET_LABELS",
            f"{filled} has no file that ends in {' or '.join(endings.labels)}; it holds "
            f"{', '.join(path.name for path in list_visible(filled)[:3])} … Add such files, or remove the folder.",
        )


def show(names: Iterable[str]) -> str:
    """A few names, from the whole range, because neighbours in sorted order look alike."""
    names = list(names)
    if not names:
        return "no files"
    shown = names[:: max(1, (len(names) + 2) // 3)]
    return ", ".join(shown) + (f" (of {len(names)})" if len(names) > len(shown) else "")
