"""Images: choose the source, the target and the checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app.state import cache, session, uploads
from app.state.session import UPLOADS, Choice
from app.text import escape
from pca_core.checks import InputError
from pca_core.types import Domain

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

PER_PAGE = 6
COLUMNS = 3
SIDES: dict[Domain, str] = {"source": "Source · labelled", "target": "Target · labels optional"}


def render() -> None:
    """The page."""
    for sentence in session.pop_start_errors():
        st.warning(escape(sentence))
    session.write_address()
    _checkpoint()
    for column, (side, title) in zip(st.columns(2, gap="large"), SIDES.items(), strict=True):
        with column:
            st.subheader(title, anchor=False)
            _side(side)
    st.divider()
    source, target = session.get_choice("source"), session.get_choice("target")
    left, right = st.columns([4, 1], vertical_alignment="center")
    left.text(f"{source.name}  →  {target.name}")
    if right.button("Trace this pair", type="primary", key="open_trace", width="stretch"):
        st.switch_page(session.page("trace"))


def _checkpoint() -> None:
    current, paths = session.get_checkpoint_path(), session.get_checkpoint_paths()
    with st.container(border=True):
        left, middle, right = st.columns([3, 3, 3], vertical_alignment="bottom")
        picked = left.selectbox(
            "Checkpoint",
            paths,
            index=paths.index(current),
            format_func=session.name_checkpoint,
            key=f"checkpoint_pick {current}",  # a widget of its own, so that it never brings an earlier choice back
            help="The net whose features are compared. It must know the classes of the labels.",
        )
        with middle.form("checkpoint_form", border=False, clear_on_submit=True):
            field, button = st.columns([3, 1], vertical_alignment="bottom")
            added = field.text_input("Another file", key="checkpoint_field", placeholder="/path/to/net.safetensors")
            if button.form_submit_button("Load", key="checkpoint_load", width="stretch") and added:
                picked = added
        if picked != current and _attempt(lambda: session.set_checkpoint_path(picked)):
            st.rerun()
        with right:
            _describe_checkpoint()


def _describe_checkpoint() -> None:
    try:
        checkpoint = cache.get_checkpoint(session.get_checkpoint_path())
    except InputError as error:
        st.error(escape(str(error)))
        return
    space = checkpoint.label_space
    st.text(f"{checkpoint.architecture}, {space.num_classes} classes of {space.name}, short side {checkpoint.short_side} pixels")


def _side(side: Domain) -> None:
    choices = {"folder": "Folder", UPLOADS: "My uploads"}
    where = st.segmented_control(
        "From",
        list(choices),
        format_func=choices.get,
        default=session.get_tab(side),
        required=True,
        key=f"{side}_from",
        label_visibility="collapsed",
    )
    if where == UPLOADS:
        _uploads(side)
    else:
        _folder(side)


def _folder(side: Domain) -> None:
    with st.form(f"{side}_folder_form", border=False):
        field, button = st.columns([4, 1], vertical_alignment="bottom")
        wanted = field.text_input(
            "Folder",
            session.get_folder(side),
            key=f"{side}_folder_field",
            help="Holds images/ and, for labels, labels/ and classes.json; or a data set as downloaded, such as GTAV or "
            "Cityscapes, with its part after a colon (DIR:val); or streets:noon, streets:dusk-rain.",
        )
        if button.form_submit_button("Open", key=f"{side}_open", width="stretch"):
            _attempt(lambda: session.set_folder(side, wanted))
    folder = session.get_folder(side)
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    search = left.text_input("Search", key=f"{side}_search", placeholder="Part of a name")
    try:
        names = [name for name in cache.get_dataset(folder, side).names if search.lower() in name.lower()]
    except InputError as error:  # the folder went away since it was opened
        st.error(escape(str(error)))
        return
    if not names:
        st.info("No image name contains that. Clear the search to see all.")
        return
    pages = -(-len(names) // PER_PAGE)
    number = right.number_input(f"Page, 1 to {pages} ({len(names)} images)", 1, pages, key=f"{side}_page", disabled=pages == 1)
    _gallery(side, folder, names[(number - 1) * PER_PAGE : number * PER_PAGE])


def _gallery(side: Domain, folder: str, names: list[str]) -> None:
    chosen = session.get_choice(side)
    for start in range(0, len(names), COLUMNS):
        for column, name in zip(st.columns(COLUMNS), names[start : start + COLUMNS], strict=False):
            is_chosen = chosen == Choice(folder, name)
            with column:
                try:
                    st.image(cache.get_thumbnail(folder, side, name), width="stretch", output_format="JPEG")
                except InputError as error:
                    st.warning(escape(str(error)))
                    continue
                st.button(
                    escape(name),
                    key=f"{side}_use_{name}",
                    icon=":material/check:" if is_chosen else None,
                    type="primary" if is_chosen else "secondary",
                    width="stretch",
                    on_click=session.choose,
                    args=(side, folder, name),
                )


def _uploads(side: Domain) -> None:
    needs_label = side == "source"
    # A number in the keys empties the fields after a success, and only then.
    number = len(uploads.get_uploads(side))
    with st.form(f"{side}_upload_form", border=False):
        image = st.file_uploader("Image", ["png", "jpg", "jpeg", "tif", "tiff", "webp"], key=f"{side}_upload_image {number}")
        label = st.file_uploader(
            "Label map (PNG or TIFF with class ids)" + ("" if needs_label else ", optional"),
            ["png", "tif", "tiff"],
            key=f"{side}_upload_label {number}",
        )
        is_lenient = st.checkbox("Treat unknown label ids as unlabelled", key=f"{side}_upload_lenient")
        if st.form_submit_button("Add", key=f"{side}_add", width="stretch"):
            if image is None:
                st.warning("Choose an image file first.")
            elif _attempt(lambda: _add(side, image, label, is_lenient)):
                st.rerun()
    st.caption("Uploads live with this session: a reload of the page forgets them.")
    for name in uploads.get_uploads(side):
        is_chosen = session.get_choice(side) == Choice(UPLOADS, name)
        st.button(
            escape(name),
            key=f"{side}_use_upload_{name}",
            icon=":material/check:" if is_chosen else None,
            type="primary" if is_chosen else "secondary",
            on_click=session.choose,
            args=(side, UPLOADS, name),
        )


def _add(side: Domain, image: UploadedFile, label: UploadedFile | None, is_lenient: bool) -> None:
    files = [None if file is None else (Path(file.name).name, file.getvalue()) for file in (image, label)]
    uploads.add_upload(side, *files, unknown="ignore" if is_lenient else "error")


def _attempt(action: Callable[[], None]) -> bool:
    """Do it, or say in one sentence why not; what was chosen before stays. Returns whether it was done."""
    try:
        action()
    except InputError as error:
        st.error(escape(str(error)))
        return False
    return True
