"""A gallery of one side: collection, search, pages of thumbnails that are picked by one click on the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from app.state import collections, folders, session
from app.state.collections import Shown
from app.state.defaults import BUILT_IN_NAMES
from app.state.session import UPLOADS, Choice
from app.text import escape
from app.views.upload_form import READINGS, READINGS_HELP, upload_form
from pca_core.checks import InputError
from pca_core.data.streets import PREFIX
from pca_core.types import Domain, LabelSpace

FOLDER_READINGS = READINGS | {"": "What the folder says: its layout, or classes.json"}
STYLE = f"<style>{Path(__file__).with_suffix('.css').read_text(encoding='utf-8')}</style>"


def gallery(side: Domain, space: LabelSpace | None) -> Shown | None:
    """Show the collection of a side; returns what is in sight of it, or None where it cannot be read."""
    head = st.container(horizontal=True, vertical_alignment="bottom", key=f"{side}_head")
    where = head.segmented_control(
        "From",
        ["folder", UPLOADS],
        format_func={"folder": "Folder", UPLOADS: "My uploads"}.get,
        default=session.get_tab(side),
        required=True,
        key=f"{side}_from",
        label_visibility="collapsed",
    )
    search_place = st.container()
    if where == UPLOADS:
        upload_form(side)
        folder = UPLOADS
    else:
        with head:
            _choose_built_in(side)
        left, search_place = search_place.columns([3, 2], vertical_alignment="bottom")
        with left:
            _choose_folder(side)
        folder = folders.get_folder(side)
        _choose_ids(side, collections.find_nameless(side) or folder)
    try:
        if space is not None and (sentence := collections.find_mismatch(side, folder, space)):
            st.warning(escape(sentence))
        with search_place:
            search = _search(side, folder)
        return _images(side, folder, search)
    except InputError as error:  # the folder went away since it was opened
        st.error(escape(str(error)))
        return None


def _choose_built_in(side: Domain) -> None:
    st.pills(
        "Built-in streets",
        BUILT_IN_NAMES,
        format_func=lambda name: name.removeprefix(PREFIX),
        key=collections.prepare_pills(side),
        on_change=collections.open_built_in,
        args=(side,),
        label_visibility="collapsed",
        help="Rendered street scenes that come with CycleLens: at noon, and at dusk in the rain. Held-out frames were never "
        "trained on.",
    )


def _choose_folder(side: Domain) -> None:
    with st.form(f"{side}_folder_form", border=False):
        field, button = st.columns([5, 2], vertical_alignment="bottom")
        wanted = field.text_input(
            "Folder",
            key=collections.prepare_field(side),
            help="Holds images/ and, for labels, labels/ and classes.json; or a data set as downloaded, such as GTAV or "
            "Cityscapes, with its part after a colon (DIR:val); or streets:noon, streets:dusk-rain.",
        )
        if button.form_submit_button("Open", key=f"{side}_open", width="stretch") and attempt(
            lambda: collections.try_folder(side, wanted)
        ):
            st.rerun()  # what is above the form tells the folder too


def _choose_ids(side: Domain, folder: str) -> None:
    """What the ids in label files stand for, where a folder of one's own does not say it, or says it wrongly."""
    try:
        if folder == folders.get_folder(side) and not collections.has_own_labels(side, folder):
            return
    except InputError:  # the folder went away: the gallery says so
        return
    if folder == collections.find_nameless(side):
        st.warning(
            f"Nothing says what the label ids of {escape(Path(folder).name)} stand for: it has no classes.json. Choose it here, "
            "or put one there. Until then the images below stay."
        )
    picked = st.selectbox(
        f"Label ids of {escape(Path(folder).name)} are",
        list(FOLDER_READINGS),
        index=list(FOLDER_READINGS).index(folders.get_convention(side, folder)),
        format_func=FOLDER_READINGS.get,
        key=f"{side}_ids {folder}",
        help=READINGS_HELP,
    )
    if picked != folders.get_convention(side, folder) and attempt(lambda: collections.read_ids_as(side, folder, picked)):
        session.write_address()
        st.rerun()


def _search(side: Domain, folder: str) -> str:
    """What to look for; no field where everything is in sight anyway."""
    if collections.list_images(side, folder, "").num_images <= collections.PER_PAGE:
        return ""
    return st.text_input("Search", key=f"{side}_search", placeholder="Parts of a name", icon=":material/search:")


def _images(side: Domain, folder: str, search: str) -> Shown | None:
    shown = collections.list_images(side, folder, search)
    if not shown.num_images:
        return None
    if not shown.names:
        st.info("No image name contains that. Clear the search to see all.")
        return None
    page, pages = collections.get_page(side, shown)
    names = shown.names[page * collections.PER_PAGE : (page + 1) * collections.PER_PAGE]
    with st.container(key=f"{side}_in_use"):
        st.caption(_say_in_use(side, shown, names))
    with st.container(key=f"grid_{side}"):
        for place, name in enumerate(names):
            thumbnail(side, Choice(folder, name), f"{side}_{place}")
    _pages(side, shown, page, pages)
    return shown


def _say_in_use(side: Domain, shown: Shown, in_sight: Sequence[str]) -> str:
    """Which picture is the source or target now, or what to click; always a line, so that a click moves nothing."""
    choice = session.get_choice(side)
    if choice.folder != shown.folder:
        return f"None of these is the {side} yet: click one."
    elsewhere = "" if choice.name in in_sight else ", not in sight here"
    return f"The {side} is **{escape(choice.name)}**{elsewhere}."


def _pages(side: Domain, shown: Shown, page: int, pages: int) -> None:
    first = page * collections.PER_PAGE
    last = min(first + collections.PER_PAGE, len(shown.names))
    found = "" if len(shown.names) == shown.num_images else f" that fit{'s' * (len(shown.names) == 1)}, of {shown.num_images}"
    with st.container(horizontal=True, vertical_alignment="center", key=f"{side}_pages"):
        noun = "image" if len(shown.names) == 1 else "images"
        span = f"{first + 1}–{last} of " if len(shown.names) > 1 else ""
        st.caption(f"{span}{len(shown.names):,} {noun}{found}", width="stretch")
        if pages > 1:
            for name, icon, number in (("previous", "chevron_left", page - 1), ("next", "chevron_right", page + 1)):
                st.button(
                    name.capitalize(),
                    key=f"{side}_{name}",
                    icon=f":material/{icon}:",
                    icon_position="left" if name == "previous" else "right",
                    disabled=not 0 <= number < pages,
                    on_click=collections.turn_page,
                    args=(side, shown, number),
                )


def thumbnail(side: Domain, choice: Choice, place: str, *, label: str = "", key: str = "") -> None:
    """A picture that becomes the source or target by a click on it; the chosen one is framed and ticked.

    Args:
        side, choice: What the click chooses.
        place: Of the picture on the page, for its key.
        label: Before the name, e.g. a number.
        key: Of the button; that of the galleries when left out.
    """
    is_chosen = session.get_choice(side) == choice
    try:
        picture = collections.get_thumbnail(side, choice)
    except InputError as error:
        st.caption(f":material/broken_image: {escape(choice.name)} cannot be read", help=escape(str(error)))
        return
    use = f"{side}_use_upload_{choice.name}" if choice.folder == UPLOADS else f"{side}_use_{choice.name}"
    with st.container(key=f"thumb_{'picked_' * is_chosen}{place}"):
        st.image(picture, width="stretch")
        st.button(
            f"{label} {escape(choice.name)}".strip(),
            key=key or use,
            icon=":material/check_circle:" if is_chosen else None,
            width="stretch",
            on_click=None if is_chosen else session.choose,  # a choice made anew would drop the pins of its pair
            args=None if is_chosen else (side, choice.folder, choice.name),
        )


def attempt(action: Callable[[], None]) -> bool:
    """Do it, or say in one sentence why not; what was chosen before stays. Returns whether it was done."""
    try:
        action()
    except InputError as error:
        st.error(escape(str(error)))
        return False
    return True
