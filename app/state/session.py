"""What one session remembers: the pair, the net, the config, its uploads. Names, paths and small bytes, never tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from app.state import address, cache, folders, pins, probes, switches
from app.state.defaults import BUILT_IN, BUILT_IN_CHECKPOINT, read_defaults
from pca_core.association import AssociationConfig
from pca_core.checks import InputError, shorten
from pca_core.types import Domain, Grid, LabelSpace, Sample

UPLOADS = "upload"  # the folder name that stands for this session's own uploads


@dataclass(frozen=True)
class Choice:
    """One side of the pair: a folder (or this session's uploads) and the name of an image in it."""

    folder: str
    name: str


def start(pages: Mapping[str, object]) -> None:
    """Prepare a session: defaults from the command line and the address, the pages to link to."""
    st.session_state["pages"] = pages
    if "choices" in st.session_state:
        return
    told = st.session_state["told"] = st.query_params.to_dict()
    st.session_state["start_errors"] = []
    st.session_state["uploads"] = {"source": {}, "target": {}}
    st.session_state["defaults"] = read_defaults()
    st.session_state["checkpoint"] = _start_path("net", told.get("net"), "a checkpoint")
    st.session_state["checkpoints"] = [st.session_state["checkpoint"]]
    st.session_state["choices"], st.session_state["conventions"], st.session_state["grids"] = {}, {}, {}
    for side in BUILT_IN:
        place = told.get(f"{side}_from")
        folder = _start_path(side, None if place == UPLOADS else place, f"a {side} folder")
        folders.set_convention(side, folder, told.get(f"{side}_ids", ""))
        _choose_first(side, folder, None if place == UPLOADS else told.get(side))
        if place == UPLOADS:
            _tell(
                f"The address names an uploaded {side} image, but uploads live with the session that they were made in. "
                f"{get_choice(side).name} is shown instead; upload yours again on the Images page."
            )


def _start_path(what: str, name: str | None, noun: str) -> str:
    """Where the address leads, or the default of this server."""
    default = st.session_state["defaults"][what]
    path = default if name is None else address.find_path(name)
    if path is None:
        _tell(
            f"The address names {noun} that this server has not opened since it was started. "
            "The usual one is shown instead; open yours on the Images page."
        )
    return path or default


def _tell(sentence: str) -> None:
    st.session_state["start_errors"].append(sentence)


def _choose_first(side: Domain, folder: str, wanted: str | None) -> None:
    """Begin with the wanted image of a folder; with the first one, or the built-in folder, where that cannot be."""
    try:
        names = folders.list_folder(side, folder).names
    except InputError as error:
        _tell(f"{error} The built-in images are shown instead.")
        folder, wanted = str(BUILT_IN[side]), None
        names = folders.list_folder(side, folder).names
    if wanted is not None and wanted not in names:
        _tell(f"There is no {side} image {shorten(wanted, 60)} in {folders.show_folder(folder)}. {names[0]} is shown instead.")
    st.session_state[f"{side}_folder"] = folder
    st.session_state["choices"][side] = Choice(folder, wanted if wanted in names else names[0])


def pop_start_errors() -> list[str]:
    """Sentences to show once: what the command line or the address named and could not be used."""
    return st.session_state.pop("start_errors", [])


def page(name: str) -> object:
    """A page of this app, for ``st.switch_page``."""
    return st.session_state["pages"][name]


def get_choice(side: Domain) -> Choice:
    return st.session_state["choices"][side]


def choose(side: Domain, folder: str, name: str) -> None:
    """Make an image the source or the target of the pair. The pin belongs to the pair and goes, probes to their own image."""
    st.session_state["choices"][side] = Choice(folder, name)
    st.session_state["grids"].pop(side, None)
    pins.forget()
    probes.forget(side)
    write_address()


def follow_grid(pair: cache.Pair) -> str | None:
    """Keep pins and probes at their places in the images when another net, or averaging, makes their pixels larger or smaller.

    An address counts every pixel: on an averaged map what it names is let go; the sentence to say then.
    """
    grids, let_go = st.session_state["grids"], False
    for side in BUILT_IN:
        old, new = grids.get(side), pair.grid(side)
        if old is None and pair.pooling > 1:
            let_go |= probes.forget(side) | pins.forget_side(side)
        elif old not in (None, new):
            pins.follow(side, old, new)
            probes.follow(side, old, new)
        grids[side] = new
    return "Pixels that the address names were let go." if let_go else None


def get_grid(side: Domain) -> Grid | None:
    """Rows and columns of the map that the pin of a side is of; None before a page has shown the pair."""
    return st.session_state["grids"].get(side)


def write_address() -> None:
    """Put the pair, the net, pin, probes and switches in the address, so that it leads back here.

    During the tour it stays that of before.
    """
    wanted = dict(st.session_state["tour"]["address"]) if "tour" in st.session_state else tell_address()
    if "run" in st.query_params:  # of the Adapt page, which writes it itself
        wanted["run"] = st.query_params["run"]
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)


def tell_address() -> dict[str, str]:
    """What leads back here, as parameters of the address."""
    defaults = st.session_state["defaults"]
    wanted = switches.describe() | address.describe_config(get_config()) | pins.describe() | probes.describe()
    for side, choice in st.session_state["choices"].items():
        wanted[side] = choice.name
        if choice.folder != defaults[side]:
            wanted[f"{side}_from"] = UPLOADS if choice.folder == UPLOADS else address.name_path(choice.folder)
        if convention := folders.get_convention(side, choice.folder):
            wanted[f"{side}_ids"] = convention
    if get_checkpoint_path() != defaults["net"]:
        wanted["net"] = address.name_path(get_checkpoint_path())
    return wanted


def get_checkpoint_path() -> str:
    return st.session_state["checkpoint"]


def get_checkpoint_paths() -> list[str]:
    """Checkpoints to pick from: the built-in one and those that this session has used."""
    return list(dict.fromkeys([str(BUILT_IN_CHECKPOINT), *st.session_state["checkpoints"]]))


def name_checkpoint(path: str) -> str:
    """A checkpoint as people name it; every run calls its result the same, so its folder is told too."""
    if path == str(BUILT_IN_CHECKPOINT):
        return "Built-in: compact, trained on noon"
    file = Path(path)
    return f"{file.parent.name}/{file.name}" if file.stem in ("adapted", "model") else file.name


def set_checkpoint_path(path: str) -> None:
    """Use another checkpoint.

    Raises:
        InputError: When it cannot be loaded; the old one stays.
    """
    path = folders.expand_path(path)
    cache.get_checkpoint(path)
    st.session_state["checkpoint"] = path
    st.session_state["checkpoints"].append(path)


def get_tab(side: Domain) -> str:
    """Where the chosen image of a side comes from: ``"folder"`` or uploads."""
    return UPLOADS if get_choice(side).folder == UPLOADS else "folder"


def get_sample(side: Domain, choice: Choice | None = None) -> Sample:
    """The chosen image (or another) with its label, in the checkpoint's classes.

    Raises:
        InputError: When it can no longer be read.
    """
    choice = choice or get_choice(side)
    space = cache.get_checkpoint(get_checkpoint_path()).label_space
    if choice.folder != UPLOADS:
        unknown, convention = st.session_state.get("unknown", "error"), folders.get_convention(side, choice.folder)
        sample = cache.read_sample(choice.folder, side, choice.name, unknown, space, convention)
    else:
        upload = st.session_state["uploads"][side].get(choice.name)
        if upload is None:
            raise InputError("UPLOAD_GONE", f"The upload {choice.name} is no longer kept in this session. Upload it again.")
        sample = cache.decode_upload(upload.name, side, upload.image, upload.label, upload.label_space)
    _check_classes(sample, space)
    return sample


def _check_classes(sample: Sample, space: LabelSpace) -> None:
    if sample.label_space is not None and sample.label_space.class_names != space.class_names:
        raise InputError(
            "CLASSES_DIFFER",
            f"The labels of {sample.name} are {sample.label_space.name}, but the checkpoint speaks {space.name}. "
            "Choose a checkpoint of the same classes on the Images page.",
        )


def ignore_unknown_labels() -> None:
    """From now on this session reads label ids outside the label space as unlabelled."""
    st.session_state["unknown"] = "ignore"


def get_pair(config: AssociationConfig) -> cache.Pair:
    """Run the net on both chosen images and associate them; cached by content.

    Raises:
        InputError: When an image, label or checkpoint cannot be used together.
    """
    source, target = get_sample("source"), get_sample("target")
    if source.label is None:
        raise InputError(
            "SOURCE_UNLABELLED",
            f"The source image {source.name} has no label map, and cycles are judged by source labels. "
            "Choose a labelled source on the Images page.",
        )
    return cache.get_pair(source, target, get_checkpoint_path(), config)


def get_config() -> AssociationConfig:
    """The switches of this session, at first those of the address."""
    if "config" not in st.session_state:
        st.session_state["config"] = address.read_config(st.session_state["told"])
    return st.session_state["config"]


def set_config(**changes: object) -> None:
    st.session_state["config"] = replace(get_config(), **changes)
