"""Opens a data set by path or name, whatever its layout: what every command and page goes through."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pca_core.checks import InputError, exists
from pca_core.data.conventions import CONVENTIONS, USUAL_SPACES, make_id_map
from pca_core.data.datasets import FolderDataset
from pca_core.data.label_spaces import LABEL_SPACES
from pca_core.data.layouts import ALL, LAYOUTS, Layout, Listing, explain_miss, keep_listed, near_name, read_list
from pca_core.data.streets import find_streets

if TYPE_CHECKING:
    from pca_core.types import LabelSpace

_LIST_SUFFIX = ".txt"


def open_dataset(
    where: str | Path,
    *,
    split: str | None = None,
    layout: str | None = None,
    label_space: LabelSpace | None = None,
    model_space: LabelSpace | None = None,
    convention: str | None = None,
    for_scoring: bool = False,
    **options: Any,
) -> FolderDataset:
    """Open a data set in any layout of :data:`LAYOUTS`, or one of the built-in streets.

    Args:
        where: A folder, a folder and its part (``"DIR:val"``), or ``"streets:NAME"``.
        split: The part: one that the layout has, ``"all"``, or a text file that lists images; None takes the part that is
            usual for the purpose.
        layout: Name of the layout; None recognises it.
        label_space: Classes to read the labels in. Layouts with ids of their own are translated to it; in a plain folder it
            replaces classes.json.
        model_space: The classes of a net that the labels will meet. Layouts with ids of their own are translated to it;
            a plain folder keeps its own classes. ``label_space`` goes first.
        convention: What the ids in the label files stand for, a name in :data:`~pca_core.data.conventions.CONVENTIONS`, whatever
            the layout or classes.json says. They become classes by name; classes that the space lacks count as unlabelled.
        for_scoring: Whether the labels will score a net: chooses the part that scores are taken on.
        options: domain, include, exclude, unknown and short_side of :class:`FolderDataset`.

    Raises:
        InputError: ``DATASET_…``, ``LAYOUT_…``, ``STREETS_…``, ``CLASSES_…``, ``LABEL_CONVENTION``: what is missing, what was
            expected, what is near.
    """
    listing = find_listing(where, split=split, layout=layout, for_scoring=for_scoring)
    if convention is not None:
        _check_convention(convention)
        space = label_space or model_space or LABEL_SPACES[USUAL_SPACES[convention]]
        return FolderDataset(listing, label_space=space, id_map=make_id_map(space, CONVENTIONS[convention]), **options)
    if label_space is None and model_space is not None and listing.conventions:
        label_space = model_space
    return FolderDataset(listing, label_space=label_space, **options)


def _check_convention(name: str) -> None:
    if name not in CONVENTIONS:
        raise InputError("LABEL_CONVENTION", f"There is no id convention {name!r}. Choose one of {', '.join(CONVENTIONS)}.")


def find_listing(where: str | Path, *, split: str | None = None, layout: str | None = None, for_scoring: bool = False) -> Listing:
    """Recognise a layout and list its files; arguments as in :func:`open_dataset`."""
    streets = find_streets(str(where), for_scoring=for_scoring)
    root, named = (streets, None) if streets else _split_off(str(where))
    if named is not None and split not in (None, named):
        raise InputError("LAYOUT_SPLIT", f"{where} names the part {named}, but {split} was asked for as well. Name it once.")
    found = _find_layout(root, layout)
    return _list(root, found, split or named, for_scoring)


def _split_off(where: str) -> tuple[Path, str | None]:
    """``DIR:val`` -> DIR and val, unless there is a folder of that whole name."""
    head, colon, tail = where.rpartition(":")
    if colon and head and "/" not in tail and not exists(Path(where).is_dir) and exists(Path(head).is_dir):
        return Path(head), tail
    return Path(where), None


def _find_layout(root: Path, name: str | None) -> Layout:
    if name is not None and name not in LAYOUTS:
        near = near_name(LAYOUTS, name)
        hint = f"Did you mean {near}?" if near else f"There are {', '.join(LAYOUTS)}."
        raise InputError("LAYOUT_UNKNOWN", f"There is no layout {name!r}. {hint}")
    if name is None:
        name = next((name for name, layout in LAYOUTS.items() if layout.detect(root)), None)
    elif name != "folder" and not _has_files(LAYOUTS[name], root):
        explain_miss(root, [LAYOUTS[name]])
        raise InputError("DATASET_LAYOUT", f"{root} does not follow the layout {name}. {LAYOUTS[name].expected}")
    if name is None:
        explain_miss(root, LAYOUTS.values())
    return LAYOUTS[name or "folder"]


def _has_files(layout: Layout, root: Path) -> bool:
    """Enough to try a layout that was named: GTAV by name needs no numbered files and may have a classes.json."""
    return any(exists((root / folder).is_dir) for folder in layout.folders)


def _list(root: Path, layout: Layout, split: str | None, for_scoring: bool) -> Listing:
    parts = layout.find_splits(root)
    if split is None:
        split = next((part for part in (layout.scored if for_scoring else layout.trained) if part in (*parts, ALL)), None)
        split = split or (parts[0] if parts else ALL)
    list_file = _find_list(root, split)
    if split in parts:
        listing = layout.list_files(root, (split,))
    elif split == ALL or list_file is not None:
        listing = layout.list_files(root, parts)
    else:
        raise InputError("LAYOUT_SPLIT", _describe_missing_part(root, layout, split, parts))
    if list_file is not None:
        listing = replace(listing, images=keep_listed(listing.images, read_list(list_file), list_file))
    has_parts = bool(parts) or list_file is not None
    return replace(listing, split=split if has_parts else None, splits=parts)


def _find_list(root: Path, split: str) -> Path | None:
    """The text file that says which images a part has: the split itself, or PART.txt in the root, as CBST-style code keeps it."""
    if split.endswith(_LIST_SUFFIX) and exists(Path(split).is_file):
        return Path(split)
    path = root / f"{split}{_LIST_SUFFIX}"
    return path if split != ALL and exists(path.is_file) else None


def _describe_missing_part(root: Path, layout: Layout, split: str, parts: tuple[str, ...]) -> str:
    near = near_name((*parts, ALL), split)
    there = f"has {', '.join(parts)}" if parts else "has no parts"
    return (
        f"There is no part {split!r} of {root} (layout {layout.name}), which {there}. "
        f"{f'Did you mean {near}? ' if near else ''}Name one of these, all, or a text file with one image a line."
    )
