"""Compare: two nets on the same images, before and after, with the controls beside them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.components.before_after import before_after
from app.figures.bars import class_bars, share_bars
from app.figures.matrices import flow_change
from app.figures.style import PLAIN
from app.state import cache, comparison, exporting, folders, pins, session
from app.text import escape
from app.views.exporting import figure_button
from app.views.parts import part
from pca_core.association import AssociationConfig, describe_trace
from pca_core.checks import InputError
from pca_core.comparison import OUTCOMES, NetScore, Report, compare_trace, overlay_outcome, pack_net, to_csv, write_report
from pca_core.data.streets import HELD_OUT
from pca_core.render import overlay_classes
from pca_core.runs.summary import SCORED_ON_LABELS
from pca_core.types import Sample

BEFORE_AFTER = {"before_after": "Before and after"}
NET_SCORES = {"classes": "Class by class"}
VIEWS = ("Segmentation", "Changed pixels", "Image")
FLIPS = {
    "now right": ("Turned right", "green"),
    "now wrong": ("Turned wrong", "orange"),
    "still right": ("Still right", "blue"),
    "still wrong": ("Still wrong", "gray"),
    "not judged": ("Not judged", "gray"),
}


def render() -> None:
    """The page."""
    nets = comparison.list_nets()
    before, after = _choose_nets(nets)
    if before is None:
        return
    try:
        sample, folder = _choose_image(before, after)
        _one_image(before, after, sample, folder)
        _all_images(nets, before, after, folder, sample)
        _one_pair(before, after)
    except InputError as error:
        st.error(escape(str(error)))


def _choose_nets(nets: dict[str, str]) -> tuple[str | None, str | None]:
    if len(nets) < 2:
        st.subheader("Nothing to compare yet", anchor=False)
        st.markdown(
            "There is one net only. Adapt it to your images, or load another checkpoint on the Images page; both nets are then "
            "laid over the same image with a divider between them: changed pixels, classes beside the controls, and the same "
            "pixel's trace under either net."
        )
        st.page_link(session.page("adapt"), label="Adapt the net", icon=":material/arrow_forward:")
        return None, None
    names = list(nets)
    runs = [name for name in names if "·" in name]
    left, right = st.columns(2)
    current = list(nets.values()).index(session.get_checkpoint_path())
    before = left.selectbox("Before", names, index=current, key="compare_before")
    newest = names.index(runs[0]) if runs else (current + 1) % len(names)
    after = right.selectbox("After", names, index=newest, key="compare_after")
    if before == after:
        st.info("Choose two different nets.")
        return None, None
    return nets[before], nets[after]


def _usual_images(after: str) -> str:
    """What the run of the net was scored on, or adapted to; for a net of no run the target that is looked at."""
    run = comparison.find_run(after)
    if run is not None:
        usual = (run.request.scored_target or run.request.target).where
    else:
        folder = session.get_choice("target").folder
        usual = "streets:dusk-rain" if folder == session.UPLOADS else folders.show_folder(folder)
    # The settings of `quick` were chosen with labels of the frames that are not held out.
    return usual + HELD_OUT if usual == "streets:dusk-rain" else usual


def _choose_image(before: str, after: str) -> tuple[Sample, str]:
    space = cache.get_checkpoint(before).label_space
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    folder = left.text_input(
        "Images",
        _usual_images(after),
        key=f"compare_folder {after}",  # another net brings its own images
        help="Any data set; labels beside the images are scored on.",
    )
    dataset = cache.get_dataset(folder.strip(), "target", "error", space)
    chosen = session.get_choice("target").name
    index = dataset.names.index(chosen) if chosen in dataset.names else 0
    name = right.selectbox("Image", dataset.names, index=index, key=f"compare_image {folder}")
    return cache.read_sample(folder.strip(), "target", name, "error", space), folder.strip()


@part
def _one_image(before: str, after: str, sample: Sample, folder: str) -> None:
    found = comparison.get_image_comparison(before, after, sample, folder)
    space = cache.get_checkpoint(before).label_space
    left, right = st.columns([3, 2], gap="large")
    with left:
        view = st.segmented_control(
            "View", VIEWS, default=VIEWS[0], required=True, key="compare_view", label_visibility="collapsed"
        )
        if view == "Segmentation":
            pictures = [overlay_classes(sample.image, classes, space, 0.65) for classes in (found.before, found.after)]
            before_after(*pictures, key="compare_slider")
        elif view == "Changed pixels":
            before_after(sample.image, overlay_outcome(found), names=("Image", "Changed pixels"), key="compare_changed")
        else:
            before_after(
                sample.image,
                overlay_classes(sample.image, found.after, space, 0.65),
                names=("Image", "After"),
                key="compare_plain",
            )
    with right:
        st.metric(
            "Changed pixels", f"{found.changed_share:.1%}", help="Pixels of this image that another class is predicted for."
        )
        shares = found.shares()
        st.plotly_chart(
            share_bars({name: shares.get(name, 0.0) for name, _ in OUTCOMES.values() if name in shares}, dict(OUTCOMES.values())),
            key="compare_outcomes",
            config=PLAIN,
        )
        figure_button("compare_image", BEFORE_AFTER, lambda _: exporting.draw("before_after", found, space), sample.name)


def _all_images(nets: dict[str, str], before: str, after: str, folder: str, sample: Sample) -> None:
    names = {path: name for name, path in nets.items()}
    chosen = {names[before]: before, names[after]: after} | comparison.find_controls(after)
    st.subheader("Over all images", anchor=False)
    scores = comparison.find_scores(chosen, folder)
    if scores is None:
        count = len(cache.get_dataset(folder, "target", "error", cache.get_checkpoint(before).label_space))
        st.caption(f"{len(chosen)} nets over {count} images: the two above, and the controls and seeds that ran with them.")
        if not st.button(f"Score {len(chosen)} nets", key="compare_score", type="primary"):
            return
        bar = st.progress(0.0)
        comparison.compute_scores(chosen, folder, lambda share, name: bar.progress(min(share, 1.0), escape(name)))
        bar.empty()
        st.rerun()  # without the button
    _show_scores(scores, before, after, sample, folder)


def _show_scores(scores: list[NetScore], before: str, after: str, sample: Sample, folder: str) -> None:
    space = cache.get_checkpoint(before).label_space
    is_scored = scores[0].score is not None
    for column, one in zip(st.columns(len(scores)), scores, strict=True):
        label = escape(one.name)
        if is_scored:
            delta = None if one is scores[0] else f"{one.score.miou - scores[0].score.miou:+.1f}"
            column.metric(label, f"{one.score.miou:.1f}", delta, help="mIoU, %")
        else:
            delta = None if one is scores[0] else f"{one.entropy - scores[0].entropy:+.3f}"
            column.metric(label, f"{one.entropy:.3f}", delta, delta_color="off", help="Mean entropy of the predictions, 0 to 1.")
    st.caption(SCORED_ON_LABELS if is_scored else "No labels here: what is shown is label-free, and surer need not mean better.")
    st.plotly_chart(class_bars(scores, space), key="compare_classes", config=PLAIN)
    count = len(cache.get_dataset(folder, "target", "error", space))
    figure_button("compare_scores", NET_SCORES, lambda _: exporting.draw("net_scores", scores, space, count), Path(folder).name)
    one, two, three = st.columns(3)
    one.download_button(
        "Metrics (CSV)", data=lambda: to_csv(scores, space.class_names), file_name="comparison.csv", on_click="ignore",
        key="compare_csv", width="stretch",
    )  # fmt: skip
    two.download_button(
        "Report (HTML)", data=lambda: _report(scores, before, after, sample, folder), file_name="comparison.html",
        mime="text/html", on_click="ignore", key="compare_report", width="stretch",
    )  # fmt: skip
    three.download_button(
        "Net after, with its card (zip)", data=lambda: pack_net(Path(after), scores), file_name="adapted.zip", on_click="ignore",
        key="compare_net", width="stretch",
    )  # fmt: skip


def _report(scores: list[NetScore], before: str, after: str, sample: Sample, folder: str) -> str:
    run = comparison.find_run(after)
    space = cache.get_checkpoint(before).label_space
    dataset = cache.get_dataset(folder, "target", "error", space)
    shown = [sample, *(dataset[index] for index in range(0, len(dataset), max(1, len(dataset) // 3)))][:4]
    images = [comparison.get_image_comparison(before, after, one, folder) for one in shown]
    summary = f"{scores[0].name} before, {scores[1].name} after, on {len(dataset)} images of {Path(folder).name or folder}."
    settings = None if run is None else run.request.to_dict()["config"]
    return write_report(Report("Before and after adaptation", summary, space, scores, len(dataset), images, settings))


@part
def _one_pair(before: str, after: str) -> None:
    st.subheader("The same pair, the same pixel", anchor=False)
    st.caption("The pair and the pixel are those of the Trace page.")
    if not st.toggle("Associate the pair with both nets", key="compare_pair"):
        return
    pair = comparison.get_pair_comparison(before, after, AssociationConfig())
    names = cache.get_checkpoint(before).label_space.class_names
    one, two = pair.statistics_before, pair.statistics_after
    columns = st.columns(5)
    columns[0].metric("Cycle-consistent", f"{two.rate:.1%}", f"{100 * (two.rate - one.rate):+.1f}")
    columns[1].metric("Coverage", f"{two.coverage:.1%}", f"{100 * (two.coverage - one.coverage):+.1f}")
    if two.correct_rate is not None and one.correct_rate is not None:
        columns[2].metric("Correct", f"{two.correct_rate:.1%}", f"{100 * (two.correct_rate - one.correct_rate):+.1f}")
    columns[3].metric("Cycles that close now", pair.num_closed)
    columns[4].metric("Cycles that broke", pair.num_broken)
    if pin := pins.get_pixel():
        (side, index), grid = pin, session.get_grid(pin[0])
    else:
        side, index, grid = "source", len(pair.before.label_S) // 2, None
    try:
        trace = compare_trace(pair, index, side, grid)
    except ValueError as error:
        st.info(escape(str(error)))
    else:
        text, colour = FLIPS[trace.flip]
        st.badge(text, color=colour)
        left, right = st.columns(2)
        left.markdown(f"**Before.** {escape(describe_trace(trace.before, names))}")
        right.markdown(f"**After.** {escape(describe_trace(trace.after, names))}")
    way = "class of the match" if pair.is_flow_of_labels else "class after the cycle"
    st.plotly_chart(flow_change(pair.flow_change, names, f"Class flow, after minus before ({way})"), key="compare_flow")
