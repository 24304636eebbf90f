"""What the page's address says of a session, and how a folder is named in it.

An address can come from anybody, so it never holds a path: it holds a short name, which leads only to folders and files that
this server was started with or that were opened on it, and to the built-in streets, which every server has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import streamlit as st

from app.state.caching import Kept
from app.state.defaults import BUILT_IN_NAMES
from pca_core.association import AssociationConfig
from pca_core.data import content_hash
from pca_core.data.streets import PREFIX, STREETS, find_streets
from pca_core.types import Domain

MAX_TOP_K = 50  # candidates that a page offers; more would be a table that nobody reads
NAME_LENGTH = 10  # hexadecimal digits
MAX_PATHS = 1000


def _read_top_k(text: str) -> int:
    """Raises ValueError for a number that no page offers; whether it is at least 1 the config itself checks."""
    if (top_k := int(text)) > MAX_TOP_K:
        raise ValueError(f"top_k must be at most {MAX_TOP_K}, got {top_k}.")
    return top_k


SWITCHES = {"level": str, "alpha": float, "top_k": _read_top_k, "mutual": lambda text: text == "True"}


@st.cache_resource(show_spinner=False)
def _paths_by_name() -> Kept[str, str]:
    """No results but what was opened, which an address may name much later."""
    return Kept(MAX_PATHS, kept_for=None)


def name_path(path: str) -> str:
    """The short name of a path that this server has opened; from now on addresses with it lead there."""
    if Path(path).parent == STREETS:
        return PREFIX + Path(path).name
    name = content_hash(path.encode(errors="surrogateescape"))[:NAME_LENGTH]
    _paths_by_name().put(name, path)
    return name


def find_path(name: str) -> str | None:
    """The path of a short name, or None when this server has not opened it since it was started."""
    if name in BUILT_IN_NAMES:
        return str(find_streets(name))
    return _paths_by_name().get(name)


def read_pixel(address: Mapping[str, str]) -> tuple[Domain, int] | None:
    """``pixel=source-123`` as side and index; None for anything else."""
    side, _, index = address.get("pixel", "").partition("-")
    is_number = index.isdecimal() and len(index) < 10  # Python refuses to read thousands of digits
    return (side, int(index)) if side in ("source", "target") and is_number else None


def read_config(address: Mapping[str, str]) -> AssociationConfig:
    """Switches from an address; whatever cannot be read is left at its default."""
    config = AssociationConfig()
    for name, read in SWITCHES.items():
        try:
            config = replace(config, **{name: read(address[name])})
        except (KeyError, ValueError):
            continue
    return config


def describe_config(config: AssociationConfig) -> dict[str, str]:
    """The switches that are not at their default, for :func:`read_config`."""
    default = AssociationConfig()
    return {name: str(getattr(config, name)) for name in SWITCHES if getattr(config, name) != getattr(default, name)}
