"""What the galleries of the Images page show: which collection, which of its images, which page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from app.state import cache, folders, session, uploads
from app.state.defaults import BUILT_IN_NAMES
from app.state.session import UPLOADS, Choice
from pca_core.checks import InputError
from pca_core.data.streets import STREETS, find_streets
from pca_core.types import Domain, LabelSpace

PER_PAGE = 12


@dataclass(frozen=True)
class Shown:
    """A collection as a gallery shows it: its images that fit the search."""

    folder: str
    names: tuple[str, ...]
    num_images: int


def open_folder(side: Domain, wanted: str) -> None:
    """Browse a folder by path or name, and tell its name in the field.

    Raises:
        InputError: When it holds no images or its labels have no names; the old folder stays.
    """
    streets = find_streets(wanted.strip())
    folder = folders.expand_path(wanted) if streets is None else str(streets)
    st.session_state.pop(_nameless_key(side), None)
    try:
        folders.set_folder(side, folder)
    except InputError as error:
        if error.code == "CLASSES_NOT_FOUND":
            st.session_state[_nameless_key(side)] = folder
        raise


def try_folder(side: Domain, wanted: str) -> None:
    """Browse a folder, or ask what its labels stand for where nothing says it.

    Raises:
        InputError: When it cannot be opened for another reason; the old folder stays.
    """
    try:
        open_folder(side, wanted)
    except InputError as error:
        if error.code != "CLASSES_NOT_FOUND":
            raise


def find_nameless(side: Domain) -> str | None:
    """The folder that was to be opened last, where nothing says what its labels stand for."""
    return st.session_state.get(_nameless_key(side))


def read_ids_as(side: Domain, folder: str, convention: str) -> None:
    """Open a folder with another reading of its label ids.

    Raises:
        InputError: When it cannot be opened so; all stays as it was.
    """
    before = folders.get_convention(side, folder)
    folders.set_convention(side, folder, convention)
    try:
        open_folder(side, folder)
    except InputError:
        folders.set_convention(side, folder, before)
        raise


def _nameless_key(side: Domain) -> str:
    return f"{side}_nameless"


def prepare_field(side: Domain) -> str:
    """The key of the folder field, filled with the name of the open folder at first."""
    key = f"{side}_folder_field"
    st.session_state.setdefault(key, folders.show_folder(folders.get_folder(side)))
    return key


def prepare_pills(side: Domain) -> str:
    """The key of the choice among the built-in streets, which follows the folder that is open."""
    key, name = f"{side}_streets", folders.show_folder(folders.get_folder(side))
    st.session_state[key] = name if name in BUILT_IN_NAMES else None
    return key


def open_built_in(side: Domain) -> None:
    """Browse the built-in streets that were picked."""
    picked = st.session_state.get(f"{side}_streets")
    if picked is not None:
        open_folder(side, picked)
        st.session_state[f"{side}_folder_field"] = picked


def list_images(side: Domain, folder: str, search: str) -> Shown:
    """Images of a collection whose name has ``search`` in it.

    Raises:
        InputError: When the folder is not there any more.
    """
    names = tuple(uploads.get_uploads(side)) if folder == UPLOADS else folders.list_folder(side, folder).names
    words = search.lower().split()
    return Shown(folder, tuple(name for name in names if all(word in name.lower() for word in words)), len(names))


def get_page(side: Domain, shown: Shown) -> tuple[int, int]:
    """Which page of a gallery is open, from 0, and how many there are; at first that of the chosen image."""
    pages = max(1, -(-len(shown.names) // PER_PAGE))
    kept = st.session_state.get(f"{side}_page")
    if kept is None or kept[0] != (shown.folder, shown.names):
        choice = session.get_choice(side)
        is_here = choice.folder == shown.folder and choice.name in shown.names
        return (shown.names.index(choice.name) // PER_PAGE if is_here else 0), pages
    return min(kept[1], pages - 1), pages


def turn_page(side: Domain, shown: Shown, number: int) -> None:
    st.session_state[f"{side}_page"] = (shown.folder, shown.names), number


def get_thumbnail(side: Domain, choice: Choice) -> bytes:
    """JPEG of an image of a collection.

    Raises:
        InputError: When it cannot be read.
    """
    if choice.folder != UPLOADS:
        dataset = folders.list_folder(side, choice.folder)
        if choice.name not in dataset.names:
            raise InputError("IMAGE_NOT_FOUND", f"There is no image {choice.name} any more.")
        return cache.get_thumbnail(str(dataset.image_path(choice.name)))
    upload = uploads.get_uploads(side).get(choice.name)
    if upload is None:
        raise InputError("UPLOAD_GONE", f"The upload {choice.name} is no longer kept in this session. Upload it again.")
    return upload.thumbnail


def lacks_label(side: Domain) -> bool:
    """Whether the chosen image of a side has no label map."""
    choice = session.get_choice(side)
    if choice.folder == UPLOADS:
        upload = uploads.get_uploads(side).get(choice.name)
        return upload is not None and upload.label is None
    return choice.name not in folders.list_folder(side, choice.folder).listing.labels


def has_own_labels(side: Domain, folder: str) -> bool:
    """Whether a folder that did not come with CycleLens has label maps: what their ids stand for can then be said."""
    return Path(folder).parent != STREETS and folders.list_folder(side, folder).has_labels


def find_mismatch(side: Domain, folder: str, space: LabelSpace) -> str | None:
    """Why the labels of a folder do not fit the net, in one sentence; None where they do, or where there are none."""
    if folder == UPLOADS:
        return None  # read in the classes of the net when they came
    dataset = cache.get_dataset(folder, side, "error", space, folders.get_convention(side, folder))
    own = dataset.label_space
    if not dataset.has_labels or own is None or own.class_names == space.class_names:
        return None
    return (
        f"These labels are {own.name} ({own.num_classes} classes), but the checkpoint speaks {space.name} "
        f"({space.num_classes} classes): they cannot be used together. Choose another checkpoint or folder, or say above what "
        "their ids are."
    )
