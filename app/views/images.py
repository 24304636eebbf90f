"""Images: choose the source, the target and the checkpoint, and find the sources that support a target."""

from __future__ import annotations

import html

import streamlit as st

from app.state import cache, collections, session
from app.text import escape
from app.views.gallery import STYLE, attempt, gallery
from app.views.source_finder import source_finder
from pca_core.checks import InputError
from pca_core.models import Checkpoint
from pca_core.types import Domain, LabelSpace

SIDES: dict[Domain, str] = {"source": "Source · labelled", "target": "Target · labels optional"}


def render() -> None:
    """The page."""
    st.html(STYLE)
    for sentence in session.pop_start_errors():
        st.warning(escape(sentence))
    session.write_address()
    left, right = st.columns([1, 1], gap="large")
    pair_place = left.container(border=True, key="images_pair", height="stretch")
    with right.container(border=True, key="images_net", height="stretch"):
        checkpoint = _checkpoint()
    space = None if checkpoint is None else checkpoint.label_space
    shown = {}
    for column, (side, title) in zip(st.columns(2, gap="large"), SIDES.items(), strict=True):
        with column:
            st.subheader(title, anchor=False)
            shown[side] = gallery(side, space)
    with pair_place:
        _pair()
    if checkpoint is not None:
        source_finder(shown["source"], checkpoint.label_space)


def _pair() -> None:
    """What is chosen, and the way on."""
    for column, side in zip(st.columns(2), SIDES, strict=True):
        with column:
            try:
                st.image(collections.get_thumbnail(side, session.get_choice(side)), width="stretch")
                if side == "source" and collections.lacks_label(side):
                    st.warning("This source has no label map, and cycles are judged by source labels. Choose a labelled one.")
            except InputError as error:
                st.warning(escape(str(error)))
    source, target = session.get_choice("source"), session.get_choice("target")
    text, button = st.columns([3, 2], vertical_alignment="center")
    text.text(f"{source.name}  →  {target.name}")
    if button.button("Trace this pair", type="primary", key="open_trace", width="stretch"):
        st.switch_page(session.page("trace"))


def _checkpoint() -> Checkpoint | None:
    """Choose a net and see what it is; None where it cannot be loaded."""
    current, paths = session.get_checkpoint_path(), session.get_checkpoint_paths()
    left, right = st.columns([1, 1], vertical_alignment="bottom")
    picked = left.selectbox(
        "Checkpoint",
        paths,
        index=paths.index(current),
        format_func=session.name_checkpoint,
        key=f"checkpoint_pick {current}",  # a widget of its own, so that it never brings an earlier choice back
        help="The net whose features are compared. It must know the classes of the labels.",
    )
    with right.form("checkpoint_form", border=False, clear_on_submit=True):
        field, button = st.columns([5, 3], vertical_alignment="bottom")
        added = field.text_input(
            "Another file",
            key="checkpoint_field",
            placeholder="Its path",
            help="A .safetensors file on the machine that runs CycleLens, e.g. /path/to/net.safetensors.",
        )
        if button.form_submit_button("Load", key="checkpoint_load", width="stretch") and added:
            picked = added
    if picked != current and attempt(lambda: session.set_checkpoint_path(picked)):
        st.rerun()
    try:
        checkpoint = cache.get_checkpoint(session.get_checkpoint_path())
    except InputError as error:
        st.error(escape(str(error)))
        return None
    _describe(checkpoint)
    return checkpoint


def _describe(checkpoint: Checkpoint) -> None:
    space = checkpoint.label_space
    st.text(
        f"{checkpoint.architecture}, {space.num_classes} classes of {space.name}. "
        f"Images are scaled to a short side of {checkpoint.short_side} pixels."
    )
    st.html(_legend(space))


def _legend(space: LabelSpace) -> str:
    """Every class with its colour. Names are data: they are escaped."""
    chips = [
        f'<span style="display:inline-flex;align-items:center;margin:0 .9rem .3rem 0;white-space:nowrap">'
        f'<span style="width:.9em;height:.9em;border-radius:3px;border:1px solid rgb(128 128 128 / .6);margin-right:.4em;'
        f'background:rgb({red} {green} {blue})"></span>{html.escape(name)}</span>'
        for name, (red, green, blue) in zip(space.class_names, space.palette, strict=True)
    ]
    return f'<div style="font-size:.85rem;max-height:7rem;overflow-y:auto" aria-label="Classes">{"".join(chips)}</div>'
