"""What every page offers beside the navigation: the guided tour and a link to this view."""

from __future__ import annotations

import streamlit as st

from app.components.copy_link import copy_link
from app.components.tour_view import tour_view
from app.state import tour, uploads


def show(page: str) -> None:
    """The buttons, and the card of the tour while it lasts. ``page`` is the name of the page below."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="topbar"):
        _button(page)
        copy_link(key="copy_link", note=uploads.tell_missing_from_link())
        _card()


def _button(page: str) -> None:
    """It stands out for somebody who is new."""
    st.button(
        "Take the tour",
        type="primary" if tour.is_offered() else "secondary",
        icon=":material/tour:",
        on_click=tour.start,
        args=(page,),
        disabled=tour.get_place() is not None,
        key="tour_start",
        help="Two minutes on the built-in pair. What you have here comes back afterwards.",
    )


def _card() -> None:
    """The step that is shown, over the lower edge of the window, and what it speaks of in sight."""
    place, step = tour.get_place(), tour.get_step()
    if step is None:
        return
    tour_view(place, step.in_sight, key="tour_view")
    is_last = place == len(tour.STEPS) - 1
    with st.container(horizontal=True, wrap=False, vertical_alignment="bottom", gap="medium", key="tour"):
        st.markdown(f"**{place + 1} of {len(tour.STEPS)} · {step.title}**  \n{step.text}")
        with st.container(horizontal=True, wrap=False, horizontal_alignment="right", gap="small", width=220):
            st.button("Leave", type="tertiary", on_click=tour.leave, key="tour_leave", help="All is as it was before the tour.")
            st.button("Back", on_click=tour.go_to, args=(place - 1,), disabled=place == 0, key="tour_back")
            st.button("Done" if is_last else "Next", type="primary", on_click=tour.go_to, args=(place + 1,), key="tour_next")
