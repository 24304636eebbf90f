"""Adapt: fine-tune the net on one's own target images, watch it, and know what it did."""

from __future__ import annotations

from functools import partial

import streamlit as st

from app.adaptation_controls import adaptation_controls
from app.state import folders, runs, session
from app.state.defaults import BUILT_IN
from app.text import escape
from app.views import run_live
from app.views.parts import part
from pca_core.adaptation import AdaptationConfig
from pca_core.checks import InputError
from pca_core.runs import DataChoice, Run, RunRequest
from pca_core.runs.preflight import Preflight
from pca_core.types import Domain

SHOWN_RUNS = 50  # of each kind
STATE_NAMES = {
    "queued": "waits",
    "starting": "starts",
    "running": "runs",
    "stopping": "stops",
    "done": "done",
    "cancelled": "cancelled",
    "paused": "paused",
    "failed": "failed",
    "interrupted": "interrupted",
}


def render() -> None:
    """The page: a new run on the left, the run that is looked at on the right."""
    left, right = st.columns([5, 8], gap="large")
    with left:
        _new_run()
        _all_runs()
    with right:
        run = runs.get_selected()
        if run is None:
            _explain()
        elif fault := run.fault:
            run_live.render_unreadable(run, fault)
        else:
            run_live.render(run)


def _explain() -> None:
    st.subheader("Adapt the net to images without labels", anchor=False)
    st.markdown(
        "Choose labelled **source** images, your own **target** images and a method; *Check* measures the pace and shows what "
        "the net will be fed; *Start* queues the run. It goes on in a process of its own: this page may be closed.\n\n"
        "Two controls run with it, because much of a naive gain comes from elsewhere: as many further steps on the **source "
        "alone**, and **batch-norm statistics** of the target alone. What a method gains beyond the better of them is its own."
    )


def _new_run() -> None:
    st.subheader("New run", anchor=False)
    paths = session.get_checkpoint_paths()
    checkpoint = st.selectbox(
        "Net to begin with",
        paths,
        index=paths.index(session.get_checkpoint_path()),
        format_func=session.name_checkpoint,
        key="adapt_checkpoint",
        help="Load other files on the Images page.",
    )
    source = st.text_input(
        "Source · labelled",
        _usual_folder("source"),
        key="adapt_source",
        help="Folder with images/, labels/ and classes.json, a data set as downloaded, or streets:noon.",
    )
    target = _target()
    try:
        config = adaptation_controls()
        request = _request(checkpoint, source, target, config)
    except (InputError, ValueError) as error:
        st.error(escape(str(error)))
        return
    if request is None:
        st.button("Check", key="adapt_check", width="stretch", disabled=True, help="Choose target images first.")
        return
    found = runs.get_preflight(request)
    if st.button("Check", key="adapt_check", width="stretch", type="secondary" if found else "primary"):
        try:
            with st.spinner("Taking three steps to measure the pace …"):
                found = runs.run_preflight(request)
        except InputError as error:
            st.error(escape(str(error)))
            if error.code == "DEVICE_BUSY" and found is None:
                runs.keep_preflight(request, None)
    if runs.may_start(request):
        if found is None:
            st.info("Not checked, but it can be queued: it begins when its device is free, and what is wrong is told then.")
        else:
            _show_try(found)
        _start(request)


def _usual_folder(side: Domain) -> str:
    """The folder of the pair that is looked at, or the built-in one."""
    folder = session.get_choice(side).folder
    return folders.show_folder(str(BUILT_IN[side]) if folder == session.UPLOADS else folder)


def _choose(side: Domain, folder: str) -> DataChoice:
    """A folder, its label ids read as on the Images page."""
    folder = folder.strip()
    return DataChoice(folder, convention=folders.get_convention(side, folders.expand_path(folder)) or None)


def _target() -> DataChoice | None:
    """Uploaded images, or a folder."""
    where = st.segmented_control("Target", ["Folder", "My images"], default="Folder", required=True, key="adapt_from")
    if where == "Folder":
        folder = st.text_input(
            "Target folder",
            _usual_folder("target"),
            key="adapt_target",
            help="Images to adapt to; labels beside them are not read.",
        )
        return _choose("target", folder) if folder.strip() else None
    files = st.file_uploader(
        "Images of your domain, thirty or more",
        ["png", "jpg", "jpeg", "tif", "tiff", "webp", "zip"],
        accept_multiple_files=True,
        key="adapt_files",
    )
    if not files:
        st.caption("They stay on this server, re-encoded and without metadata.")
        return None
    try:
        intake = runs.take_uploads(files)
    except InputError as error:
        st.error(escape(str(error)))
        return None
    for sentence in intake.refused[:5]:
        st.warning(escape(sentence))
    if intake.folder is None:
        return None
    st.caption(f"{intake.num_images} images taken.")
    return DataChoice(str(intake.folder))


def _request(checkpoint: str, source: str, target: DataChoice | None, config: AdaptationConfig) -> RunRequest | None:
    scored = st.text_input(
        "Labelled target images to score on, optional",
        "streets:dusk-rain-heldout" if target and target.where == "streets:dusk-rain" else "",
        key=f"adapt_scored {target.where if target else ''}",
        help="Only scored on: their labels are neither trained nor selected on. Leave empty to go without.",
    )
    if target is None:
        return None
    return RunRequest(
        checkpoint=checkpoint,
        source=_choose("source", source),
        target=target,
        config=config,
        scored_target=_choose("target", scored) if scored.strip() else None,
    )


def _show_try(found: Preflight) -> None:
    pace, memory, images = st.columns(3)
    pace.metric("Whole run", _duration(found.seconds_in_all), help=f"{found.seconds_per_step:.2f} s a step, measured just now.")
    memory.metric("Memory", f"{found.memory_mb / 1024:.1f} GiB")
    images.metric(
        "Images", f"{found.num_source} → {found.num_target}", help=f"{found.num_held_out} source images are kept aside."
    )
    for sentence in found.notices:
        st.info(escape(sentence))
    if found.source_views:
        st.caption("What the net is fed in its first step: source views above, target views below.")
        for views in (found.source_views, found.target_views):
            for column, view in zip(st.columns(len(views)), views, strict=True):
                column.image(view, width="stretch")


def _start(request: RunRequest) -> None:
    seeds, controls = st.columns(2, vertical_alignment="bottom")
    num_seeds = seeds.number_input("Seeds", 1, 5, 1, key="adapt_seeds", help="As many runs that differ by chance alone.")
    with_controls = controls.toggle("Controls too", True, key="adapt_controls", help="Source only and AdaBN, right after.")
    if st.button("Start", key="adapt_start", type="primary", width="stretch"):
        try:
            runs.start(request, int(num_seeds), with_controls)
        except InputError as error:
            st.error(escape(str(error)))
        else:
            st.rerun()


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@partial(part, run_every=3.0)
def _all_runs() -> None:
    found, unreadable = runs.list_runs(), runs.list_unreadable()
    if not found and not unreadable:
        return
    st.subheader("Runs", anchor=False)
    selected = runs.get_selected()
    with st.container(height=260, border=True):
        for run, status in found[:SHOWN_RUNS]:
            config = run.request.config
            place = runs.get_supervisor().queue_position(run)
            state = f"{place} before" if place else STATE_NAMES[status.state]
            _choice(run, f"{config.method} · seed {config.seed} · {state}", selected)
        for run, fault in unreadable[:SHOWN_RUNS]:
            _choice(run, "cannot be read", selected, fault)


def _choice(run: Run, text: str, selected: Run | None, tip: str | None = None) -> None:
    kind = "primary" if selected is not None and selected.id == run.id else "secondary"
    label, tip = escape(f"{run.id[4:13]} · {text}"), tip and escape(tip)
    if st.button(label, key=f"run {run.id}", width="stretch", type=kind, help=tip):
        runs.select(run.id)
        st.rerun()
