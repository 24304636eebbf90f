"""Runs as the pages see them: the store of this server, the run that a session looks at, its uploads."""

from __future__ import annotations

import secrets
from dataclasses import replace

import numpy as np
import streamlit as st

from app.state import cache, folders, pins, session
from app.state.caching import Kept, cached
from pca_core.adaptation import CONTROLS
from pca_core.checks import InputError
from pca_core.runs import PinnedPixel, Run, RunRequest, RunStatus, RunStore, Supervisor
from pca_core.runs.digest import Digest, Follower
from pca_core.runs.intake import Intake, take_images
from pca_core.runs.leftovers import sweep
from pca_core.runs.preflight import Preflight, check_in_child
from pca_core.runs.previews import read_pictures

MAX_FOLLOWED = 32  # runs that somebody watches; some megabyte each


@st.cache_resource(show_spinner=False)
def get_supervisor() -> Supervisor:
    """The one of this server; what a worker hangs on to is its process. Made when the server starts, see ``app/warmup.py``."""
    store = RunStore()
    sweep(store.root)
    return Supervisor(store)


def list_runs() -> list[tuple[Run, RunStatus]]:
    return get_supervisor().reconcile_all()


def list_unreadable() -> list[tuple[Run, str]]:
    """Runs that are damaged or of another version, each with a sentence that says so."""
    return get_supervisor().store.list_unreadable()


def delete(run: Run) -> None:
    """Delete a run that is not at work.

    Raises:
        InputError: ``RUN_ACTIVE``, ``RUN_NOT_FOUND`` or ``FOLDER_READ_ONLY``.
    """
    get_supervisor().store.delete(run)
    select(None)


def get_digest(run: Run) -> Digest:
    """What a run reported up to now; all sessions that watch it share the reading."""
    return _followers().get_or_put(str(run.folder), lambda: Follower(run)).look()


@st.cache_resource(show_spinner=False)
def _followers() -> Kept[str, Follower]:
    return Kept(MAX_FOLLOWED)


def get_selected() -> Run | None:
    """The run that this session looks at, from the session or the address; it may be one that cannot be read."""
    run_id = st.session_state.get("run") or st.query_params.get("run")
    if not run_id:
        return None
    try:
        return get_supervisor().store.get(run_id)
    except InputError:
        return None


def select(run_id: str | None) -> None:
    st.session_state["run"] = run_id
    if run_id is None:
        st.query_params.pop("run", None)
    else:
        st.query_params["run"] = run_id


def take_uploads(files: list) -> Intake:
    """Keep uploaded target images; remembered for this session, so that the same files are not read at each rerun."""
    key = [file.file_id for file in files]
    if st.session_state.get("adapt_files_taken") != key or get_uploads() is None:
        intake = take_images(get_supervisor().store.root, [(file.name, file.getvalue()) for file in files])
        st.session_state["adapt_uploads"], st.session_state["adapt_files_taken"] = intake, key
    return get_uploads()


def get_uploads() -> Intake | None:
    return st.session_state.get("adapt_uploads")


def get_pinned_pixels(request: RunRequest) -> tuple[PinnedPixel, ...]:
    """The pixel pinned on the Trace page, where its pair belongs to the data sets of the run and a page has shown its place."""
    pixel = pins.get_pixel()
    source, target = session.get_choice("source"), session.get_choice("target")
    shown = folders.show_folder(source.folder), folders.show_folder(target.folder)
    if pixel is None or shown != (request.source.where, request.target.where) or (grid := session.get_grid(pixel[0])) is None:
        return ()
    return (PinnedPixel(source.name, target.name, *pixel, grid),)


def keep_preflight(request: RunRequest, found: Preflight | None) -> None:
    """From now on this request may be started; None where it was not tried, because its device is busy."""
    st.session_state["preflight"] = (request.digest, found, secrets.token_hex(8))


def may_start(request: RunRequest) -> bool:
    """Whether exactly this request was tried, or could not be because its device is busy."""
    kept = st.session_state.get("preflight")
    return bool(kept) and kept[0] == request.digest


def get_preflight(request: RunRequest) -> Preflight | None:
    """What the try of exactly this request found, if it was tried."""
    return st.session_state["preflight"][1] if may_start(request) else None


def run_preflight(request: RunRequest) -> Preflight:
    """Try a request in a child process.

    Raises:
        InputError: When it cannot be run.
    """
    found = check_in_child(request, get_supervisor().store)
    keep_preflight(request, found)
    return found


def start(request: RunRequest, num_seeds: int, with_controls: bool) -> Run:
    """Queue a run, its further seeds and its controls; a double click on the same try is one run.

    Raises:
        InputError: When the state folder cannot be written.
    """
    token = st.session_state["preflight"][2]
    request = replace(request, group=token, pinned_pixels=get_pinned_pixels(request))
    requests = [
        replace(request, config=replace(request.config, seed=request.config.seed + number)) for number in range(num_seeds)
    ]
    if with_controls:
        others = [method for method in CONTROLS if method != request.config.method]
        requests += [replace(request, config=replace(request.config, method=method)) for method in others]
    started = [get_supervisor().start(one, token=f"{token} {number}") for number, one in enumerate(requests)]
    select(started[0].id)
    return started[0]


def get_pictures(run: Run, step: int) -> list[np.ndarray]:
    """Pinned target images with what was predicted at a step."""
    path = run.previews().get(step)
    return [] if path is None else _read_pictures(str(path), cache.stamp_of(str(path)), step, run)


@cached(16)
def _read_pictures(path: str, stamp: int, _step: int, _run: Run) -> list[np.ndarray]:
    return read_pictures(_run, _step, cache.get_checkpoint(_run.request.checkpoint).label_space)


def has_just_ended(run: Run, status: RunStatus) -> bool:
    """Whether this session saw the run at work the last time it looked, and now it is not."""
    key = f"active {run.id}"
    was_active, st.session_state[key] = st.session_state.get(key, False), status.is_active
    return was_active and not status.is_active
