"""One run, live: progress, curves, what the net sees now, and what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.figures.curves import loss_curves, score_curves
from app.figures.style import PLAIN
from app.state import exporting, runs, session
from app.text import escape
from app.views.exporting import figure_button
from app.views.gallery import attempt
from app.views.parts import part, tell_trouble
from pca_core.adaptation import METHODS
from pca_core.runs import Run, RunStatus
from pca_core.runs.digest import Digest
from pca_core.runs.previews import read_traces
from pca_core.runs.summary import SCORED_ON_LABELS, RunSummary, seconds_left, summarise_run

RUN_FIGURES = {"curves": "Curves of the run"}
REFRESH_SECONDS = 2.0
WORDS = {
    "queued": "Waits for its turn",
    "starting": "Loads images and looks at the net before the first step",
    "running": "Step {step} of {num_steps}",
    "stopping": "Stops after this step",
    "done": "Done, {num_steps} steps",
    "cancelled": "Cancelled after step {step}",
    "paused": "Paused after step {step}",
    "failed": "Failed after step {step}",
    "interrupted": "Interrupted after step {step}",
}


def render(run: Run) -> None:
    """The run; it is drawn anew every two seconds until it ends."""
    status = runs.get_supervisor().reconcile(run)
    part(_live, REFRESH_SECONDS if status.is_active else None)(run)


def _live(run: Run) -> None:
    supervisor = runs.get_supervisor()
    status, config = supervisor.reconcile(run), run.request.config
    if not run.is_there:
        st.info("This run was deleted.")
        return
    st.subheader(f"{METHODS[config.method].title}, seed {config.seed}", anchor=False)
    with st.container(horizontal=True, key="run_buttons"):
        _buttons(run, status)
    digest = runs.get_digest(run)
    _progress(run, status, digest)
    records = digest.points
    if not records:
        st.caption("Curves appear with the first step.")
    else:
        _numbers(summarise_run(run, digest))
        _curves(records)
        if not status.is_active:  # a page that draws itself anew every two seconds would close what it opens
            title = f"{METHODS[config.method].title}, seed {config.seed}"
            figure_button("run", RUN_FIGURES, lambda _: exporting.draw("run", records, title), run.id)
        tell_trouble(_pictures)(run)
    if runs.has_just_ended(run, status):
        st.rerun()  # the whole page once more, so that it stops asking


def _buttons(run: Run, status: RunStatus) -> None:
    supervisor = runs.get_supervisor()
    if status.is_active:
        if st.button("Pause", key="run_pause", help="Frees the device."):
            attempt(lambda: supervisor.pause(run))
        if st.button("Cancel", key="run_cancel"):
            attempt(lambda: supervisor.cancel(run))
    elif status.is_resumable and st.button("Resume", key="run_resume", type="primary"):
        if attempt(lambda: supervisor.resume(run)):
            st.rerun(scope="app")
    elif status.state == "done":
        path = run.adapted_path
        st.download_button(
            "Download net", data=path.read_bytes, file_name=f"{run.id}.safetensors", on_click="ignore", key="run_download"
        )
        if st.button("Use this net", key="run_use", help="On every page of this session."):
            session.set_checkpoint_path(str(path))
            st.toast("The pages use the adapted net now.")


def _progress(run: Run, status: RunStatus, digest: Digest) -> None:
    words = WORDS[status.state].format(**vars(status))
    place = runs.get_supervisor().queue_position(run)
    if place:
        words += f", {place} before it"
    left = seconds_left(status, digest)
    if left is not None:
        words += f", about {left / 60:.0f} min left" if left > 90 else f", about {left:.0f} s left"
    st.progress(min(status.step / max(status.num_steps, 1), 1.0), words)
    if status.message:
        st.text(status.message) if status.state != "failed" else st.error(escape(status.message))
    if run.is_stalled:
        st.warning("The worker has been silent for a minute. It may hang: cancel it, or wait.")


def _numbers(summary: RunSummary) -> None:
    before, after = summary.health_before or {}, summary.health_after or {}
    kept = after.get("retention")
    with st.container(horizontal=True, gap="medium", key="run_numbers"):
        if summary.target_after is not None:
            _metric("Target mIoU", f"{summary.target_after:.1f}", _change(summary.gain, 1), SCORED_ON_LABELS)
        else:
            _metric("Target mIoU", "–", None, "There are no target labels to score on.")
        _metric("Source kept", "–" if kept is None else f"{kept:.0f} %", None, "Held-out source mIoU now over before.")
        for name, title, text in (
            ("rate", "Cycle-consistent", "Labelled source pixels whose cycle closes, on fixed pairs."),
            ("entropy", "Entropy", "Mean entropy of target predictions, 0 sure to 1 unsure."),
            ("snd", "Density", "Soft neighbourhood density of the target in nats; higher is denser."),
        ):
            value, start = after.get(name), before.get(name)
            if value is not None:
                _metric(title, f"{value:.2f}", _change(None if start is None else value - start, 2), text, "off")
    if after.get("suggestion"):
        st.info(escape(after["suggestion"]))


def _change(by: float | None, digits: int) -> str | None:
    return None if by is None else f"{by:+.{digits}f}"


def _metric(title: str, value: str, delta: str | None, text: str, colour: str = "normal") -> None:
    st.metric(title, value, delta, delta_color=colour, help=text, width="content")


def _curves(records: Sequence[dict]) -> None:
    one, two = st.columns(2)
    if any(record["losses"] for record in records):
        one.plotly_chart(loss_curves(records), key="run_losses", config=PLAIN)
    else:
        one.caption("This method takes no gradient steps, so there is no loss to show.")
    two.plotly_chart(score_curves(records), key="run_scores", config=PLAIN)


def _pictures(run: Run) -> None:
    steps = list(run.previews())
    if not steps:
        return
    newest = steps[-1]
    is_first = newest == steps[0]
    both = f"The same target images before (above) and at step {newest} (below)."
    st.caption("Target images as the net sees them before the first step." if is_first else both)
    for step in dict.fromkeys((steps[0], newest)):
        pictures = runs.get_pictures(run, step)
        for column, picture in zip(st.columns(max(len(pictures), 1)), pictures, strict=False):
            column.image(picture, width="stretch")
    for trace in read_traces(run, newest):
        st.text(f"Pinned pixel at step {newest}: {trace['text']}")


def render_unreadable(run: Run, fault: str) -> None:
    """A run that cannot be shown: why, and the way to be rid of it."""
    st.subheader(f"Run {run.id[4:13]} cannot be read", anchor=False)
    st.error(escape(fault))
    if run.is_alive:
        st.caption("A worker is at work on it.")
        if st.button("Cancel", key="run_cancel"):
            attempt(lambda: runs.get_supervisor().cancel(run))
        return
    with st.popover("Delete …"):
        st.markdown("Its folder goes with its checkpoints and its log.")
        if st.button("Delete this run", key="run_delete", type="primary") and attempt(lambda: runs.delete(run)):
            st.rerun()
