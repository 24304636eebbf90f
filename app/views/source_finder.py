"""The source finder: which sources support the chosen target, what each adds, and what none supports."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from app.controls import LEVELS, choice
from app.state import session, support
from app.state.collections import Shown
from app.state.session import Choice
from app.state.support import Findings, Question
from app.text import escape
from app.views.gallery import thumbnail
from pca_core.analysis.coverage_gap import Coverage
from pca_core.analysis.support import SupportSearch
from pca_core.association import AssociationConfig
from pca_core.checks import InputError
from pca_core.types import LabelSpace

COUNTS = {"10": "10", "20": "20", "40": "40"}
DROPS = {"0.25": "Strict", "0.1": "Usual", "0.01": "Lenient"}
ORDERS = {"support": "By support", "adds": "By what each adds"}
VIEWS = {"gap": "Gap", "similarity": "Best similarity", "image": "Image"}
RANKED = 12
HELP = (
    "A source supports a target pixel when the source pixel that resembles it most is cycle-consistent in this pair (i → j* → i* "
    "ends on the class of i) and their similarity is at least τ. Support is the share of target pixels for which both hold."
)


def source_finder(shown: Shown | None, space: LabelSpace) -> None:
    """The section below the galleries."""
    st.divider()
    st.subheader("Source finder", anchor=False, help=HELP)
    st.markdown(
        "Which source images have trustworthy counterparts for the chosen target, and which of its regions has none? "
        "The sources are those in sight above, evenly spread."
    )
    if shown is None:
        st.info("There are no sources in sight above. Open a folder or add uploads first.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = int(
            choice(
                "Sources to look at",
                "images_count",
                COUNTS,
                "40",
                help="At most so many, evenly spread; each takes a fraction of a second.",
            )
        )
        drop = float(choice(
            "A match counts", "images_drop", DROPS, "0.1",
            help="τ is told by the source images among themselves: their pixels find matches of at least τ in another source "
            "image, all but the lowest 25 % (strict), 10 % (usual) or 1 % (lenient).",
        ))  # fmt: skip
        start = st.button("Find sources for this target", key="finder_start", type="primary", icon=":material/travel_explore:")
        # Always there, so that nothing moves when it fills.
        running = st.container(horizontal=True, vertical_alignment="center", key="finder_running")
    try:
        question = support.ask(shown, count)
        search = support.get_search(question)
        if start and (search is None or search.num_seen < search.num_asked):
            with running:
                search = _look(question)
    except (InputError, ValueError) as error:
        st.error(escape(str(error)))
        if getattr(error, "code", "") in ("LABEL_UNKNOWN_IDS", "SOURCES_UNREADABLE"):
            st.button("Treat unknown ids as unlabelled", on_click=session.ignore_unknown_labels, key="finder_ignore_unknown")
        return
    if search is not None:
        _show(question, search, support.get_findings(question, search, drop), space)


def _look(question: Question) -> SupportSearch | None:
    """Search with progress; the button, like any click, stops it, and what was found stays."""
    bar, stop = st.progress(0.0, "Reading the target …", width="stretch"), st.empty()
    stop.button("Stop", key="finder_stop", icon=":material/stop_circle:")
    for search in support.look(question):
        bar.progress(search.num_seen / search.num_asked, f"{search.num_seen} of {search.num_asked} sources looked at")
    stop.empty()
    bar.empty()
    return support.get_search(question)


def _show(question: Question, search: SupportSearch, found: Findings, space: LabelSpace) -> None:
    if search.num_seen < search.num_asked:
        st.info(f"Stopped after {search.num_seen} of {search.num_asked} sources; these are ranked. Find again to go on.")
    for sentence in search.skipped[:3]:
        st.warning(escape(f"Left out: {sentence}"))
    _numbers(found.coverage, question.config.level)
    st.caption(_describe_switches(question.config))
    left, right = st.columns(2, gap="large")
    with left:
        _ranking(question, found.coverage)
    with right:
        _gap(found, space)


def _numbers(coverage: Coverage, level: str) -> None:
    best = coverage.ranked[0]
    is_known = math.isfinite(coverage.threshold)
    unit = "cosine" if level == "feature" else "−KL, nats"
    for column, (label, value, words) in zip(
        st.columns(4),
        (
            ("Best source", f"{best.support:.1%}", f"Support of {escape(best.name)}: {HELP}"),
            ("All together", f"{coverage.covered:.1%}", "Share of target pixels that at least one of these sources supports."),
            ("Gap", f"{1 - coverage.covered:.1%}", "Share of target pixels that none of these sources supports."),
            (f"Least similarity τ ({unit})", f"{coverage.threshold:.3f}" if is_known else "none",
             "What a match must reach. With a single source nothing tells it, and every cycle-consistent match counts."),
        ),
        strict=True,
    ):  # fmt: skip
        column.metric(label, value.replace("-", "−"), help=words)


def _describe_switches(config: AssociationConfig) -> str:
    """Under what the search ran: the switches of the other pages."""
    parts = [f"by {LEVELS[config.level].lower()}", f"aggregation α = {config.alpha:g}"]
    parts += [f"{config.top_k} candidates"] if config.top_k > 1 else []
    parts += ["mutual only"] if config.mutual else []
    return f"Compared {', '.join(parts)}, as the switches of the other pages say."


def _ranking(question: Question, coverage: Coverage) -> None:
    order = choice("Order", "images_order", ORDERS, "support", label_visibility="collapsed")
    if order == "support":
        rows = [(source.name, f"**{source.support:.1%}**") for source in coverage.ranked]
        words = "Share of the target that each source supports by itself."
    else:
        rows = [(step.name, f"**+{step.adds:.1%}**") for step in coverage.steps]
        words = "Each next source is the one that adds most to those before it: take the first few to cover the target."
    st.caption(words + " A click makes it the source.")
    with st.container(key="grid_found"):
        for place, (name, number) in enumerate(rows[:RANKED]):
            thumbnail("source", Choice(question.folder, name), f"found_{place}", label=number, key=f"finder_use_{name}")
    if len(rows) > RANKED:
        with st.expander(f"All {len(rows)}"):
            st.dataframe(_rank_table(coverage), hide_index=True, width="stretch", height=300)


def _rank_table(coverage: Coverage) -> pd.DataFrame:
    adds = {step.name: step.adds for step in coverage.steps}
    return pd.DataFrame(
        {
            "Source": [source.name for source in coverage.ranked],
            "Support": [f"{source.support:.1%}" for source in coverage.ranked],
            "Adds": [f"{adds.get(source.name, 0):.1%}" for source in coverage.ranked],
            "Reached": [f"{source.reached:.1%}" for source in coverage.ranked],
            "Mean similarity": [round(source.similarity, 3) for source in coverage.ranked],
            "Judged by": ["labels" if source.is_labelled else "predictions" for source in coverage.ranked],
        }
    )


def _gap(found: Findings, space: LabelSpace) -> None:
    coverage = found.coverage
    view = choice("View", "images_view", VIEWS, "gap", label_visibility="collapsed")
    low, high = coverage.best_similarity.min(), coverage.best_similarity.max()
    st.caption(
        {
            "gap": "Orange: target pixels that none of these sources supports.",
            "similarity": f"Similarity of the best match over all sources: dark is {low:.2f}, bright is {high:.2f}.".replace(
                "-", "−"
            ),
            "image": "The target as it is.",
        }[view]
    )
    st.image(found.pictures[view], width="stretch")
    st.markdown(_describe_gap(coverage, space))
    if found.judged is None:
        st.caption("Labels of the target would tell how often the best match has the right class.")
    elif not any(map(math.isnan, found.judged)):
        st.caption(
            f"By the target's labels, which played no part: the best match has the right class in {found.judged[0]:.0%} of the "
            f"supported pixels and in {found.judged[1]:.0%} of the gap."
        )
    rows = [row for row in coverage.classes if row.num_unsupported]
    if rows:
        st.dataframe(
            pd.DataFrame(
                {
                    "Predicted as": [space.class_names[row.class_index] for row in rows],
                    "Of target": [f"{row.num_unsupported / coverage.is_gap.size:.1%}" for row in rows],
                    "Of class": [f"{row.share:.0%}" for row in rows],
                    "Regions": [row.num_regions for row in rows],
                    "Similarity": [round(row.similarity, 3) for row in rows],
                }
            ),
            hide_index=True,
            width="stretch",
            height=213,
        )


def _describe_gap(coverage: Coverage, space: LabelSpace) -> str:
    """The gap in words."""
    if not coverage.is_gap.any():
        return "**No gap**: every target pixel is supported by at least one of these sources."
    largest = [row for row in coverage.classes if row.num_unsupported][:2]
    parts = [
        f"{escape(space.class_names[row.class_index])} ({row.num_unsupported / coverage.is_gap.size:.1%} of the target, "
        f"{row.share:.0%} of all that is predicted so)"
        for row in largest
    ]
    return f"**{1 - coverage.covered:.1%} of the target finds no support**, most of it predicted as {' and '.join(parts)}."
