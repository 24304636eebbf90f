"""The folders that a session browses: which is open on each side, how it is named, what its label ids stand for."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.state import cache
from pca_core.data import FolderDataset
from pca_core.data.conventions import CONVENTIONS
from pca_core.data.streets import PREFIX, STREETS
from pca_core.types import Domain


def show_folder(folder: str) -> str:
    """A folder as people name it: the built-in streets by theirs, others by their path."""
    return PREFIX + Path(folder).name if Path(folder).parent == STREETS else folder


def get_folder(side: Domain) -> str:
    return st.session_state[f"{side}_folder"]


def set_folder(side: Domain, folder: str) -> None:
    """Browse another folder, by its expanded path.

    Raises:
        InputError: When it holds no images; the old folder stays.
    """
    list_folder(side, folder)
    st.session_state[f"{side}_folder"] = folder


def expand_path(path: str) -> str:
    """``~`` resolved where it can be; a user that does not exist stays as typed and is not found later."""
    try:
        return str(Path(path.strip()).expanduser())
    except RuntimeError:
        return path


def list_folder(side: Domain, folder: str) -> FolderDataset:
    """What is in a folder; its labels are not read.

    Raises:
        InputError: When it holds no images, or nothing says what its labels stand for.
    """
    return cache.get_dataset(folder, side, convention=get_convention(side, folder))


def get_convention(side: Domain, folder: str) -> str:
    """What the ids in the label files of a folder stand for, a name in ``CONVENTIONS``; "" for what the folder itself says."""
    return st.session_state["conventions"].get((side, folder), "")


def set_convention(side: Domain, folder: str, name: str) -> None:
    """Read the labels of a folder by another convention; an unknown name is what the folder itself says."""
    st.session_state["conventions"][side, folder] = name if name in CONVENTIONS else ""
