"""What lies where a data set was expected: misspelt folders, a folder too deep or too shallow, an archive's inner folder."""

from __future__ import annotations

import difflib
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pca_core.checks import InputError, exists, shorten
from pca_core.data.layouts.base import list_visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pca_core.data.layouts.base import Layout

_MOST_FOLDERS = 200
_LEVELS_ABOVE = 4
_CUTOFF = 0.75


def find_labels(root: Path, folder: str, layout: str) -> Path | None:
    """The folder of the labels; None when there is none and nothing that looks like it.

    Raises:
        InputError: ``LAYOUT_FOLDER`` when one of another spelling or in another place is there.
    """
    if exists((root / folder).is_dir):
        return root / folder
    near = near_path(root, folder) or _unpacked_beside(root, folder)
    if near is None:
        return None
    raise InputError(
        "LAYOUT_FOLDER",
        f"The layout {layout} has its labels in {folder}/, which {root} lacks; the nearest there is {near}. "
        "Rename or move it, or remove it to use the images without labels.",
    )


def near_path(root: Path, folder: str) -> Path | None:
    """A folder whose path differs from the wanted one a little in spelling, component by component."""
    place = root
    for part in Path(folder).parts:
        name = part if exists((place / part).is_dir) else near_name([path.name for path in _folders(place)], part)
        if name is None:
            return None
        place = place / name
    return None if place == root / folder else place


def near_name(names: Iterable[str], wanted: str) -> str | None:
    """The name that differs least from the wanted one: in case only, else in a few letters."""
    lowered = {name.lower(): name for name in names}
    close = difflib.get_close_matches(wanted.lower(), lowered, n=1, cutoff=_CUTOFF)
    return lowered[close[0]] if close else None


def _unpacked_beside(root: Path, folder: str) -> Path | None:
    """The folder inside one that is named after its archive: gtFine_trainvaltest/gtFine."""
    first = Path(folder).parts[0].lower()
    for place in (root, root.absolute().parent):
        for child in _folders(place):
            if child.name.lower().startswith(first) and exists((child / folder).is_dir):
                return child / folder
    return None


def explain_miss(root: Path, layouts: Iterable[Layout]) -> None:
    """Say why a folder follows no layout, when something near does.

    Raises:
        InputError: ``DATASET_NOT_FOUND`` when there is no folder, ``DATASET_LAYOUT`` with the nearest thing found.
    """
    if not exists(root.is_dir):
        raise InputError("DATASET_NOT_FOUND", f"There is no folder {shorten(root)}. {_suggest_sibling(root)}")
    layouts = list(layouts)
    for layout in reversed(layouts):  # the plain folder first: images/ is the most usual of these names
        near = next((near for folder in layout.folders if (near := near_path(root, folder)) is not None), None)
        if near is not None:
            raise InputError(
                "DATASET_LAYOUT",
                f"{root} has {near.relative_to(root)}/, which looks like {_match(layout, near.relative_to(root))}/ of the layout "
                f"{layout.name} in another spelling. Rename it. {layout.expected}",
            )
    around = list(_around(root))
    for layout, place in ((layout, place) for layout in layouts for place in around):  # the plain folder is the last of them
        if exists(lambda layout=layout, place=place: layout.detect(place)):
            raise InputError(
                "DATASET_LAYOUT",
                f"{root} follows no layout that is known here; it holds {describe_content(root)}. "
                f"Did you mean {place} (layout {layout.name})?",
            )


def _match(layout: Layout, near: Path) -> str:
    return near_name(layout.folders, str(near)) or layout.folders[0]


def _around(root: Path) -> Iterator[Path]:
    """Folders one and two levels below, then those above."""
    below = _folders(root)
    yield from below
    yield from islice((deeper for child in below for deeper in _folders(child)), _MOST_FOLDERS)
    yield from islice(root.absolute().parents, _LEVELS_ABOVE)


def _folders(place: Path) -> list[Path]:
    try:
        return [path for path in list_visible(place) if exists(path.is_dir)][:_MOST_FOLDERS]
    except InputError:
        return []


def _suggest_sibling(root: Path) -> str:
    parent = root.absolute().parent
    name = near_name([path.name for path in _folders(parent)], root.name) if exists(parent.is_dir) else None
    return f"Did you mean {parent / name}?" if name else "Check the path."


def describe_content(folder: Path) -> str:
    """What a folder holds, counted by kind: "3 folders, 40 .png files"."""
    kinds = Counter("folders" if path.is_dir() else f"{path.suffix.lower() or 'other'} files" for path in list_visible(folder))
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(5)) or "nothing"
