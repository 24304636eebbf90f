"""The card of the guided tour, and the button that begins it."""

from __future__ import annotations

import streamlit as st

from app.state import tour

STYLE = """<style>
.st-key-tour {position: fixed; left: 50%; bottom: 1rem; transform: translateX(-50%); z-index: 999980;
  width: min(860px, calc(100vw - 2rem)); padding: 0.9rem 1.1rem; border-radius: 10px;
  background: light-dark(#ffffff, #182026); border: 2px solid var(--primary-color, #0f766e);
  box-shadow: 0 6px 28px rgb(0 0 0 / 28%);}
.st-key-tour p {font-size: 0.95rem; line-height: 1.45; margin: 0;}
</style>"""


def show_button(page: str) -> None:
    """Take the tour, from any page; it stands out for somebody who is new."""
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


def show_card() -> None:
    """The step that is shown, over the lower edge of the window: the page does not move."""
    place, step = tour.get_place(), tour.get_step()
    if step is None:
        return
    st.html(STYLE)
    is_last = place == len(tour.STEPS) - 1
    with st.container(key="tour", gap="small"):
        st.markdown(f"**{place + 1} of {len(tour.STEPS)} · {step.title}**  \n{step.text}")
        with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
            st.button("Leave", type="tertiary", on_click=tour.leave, key="tour_leave", help="All is as it was before the tour.")
            st.button("Back", on_click=tour.go_to, args=(place - 1,), disabled=place == 0, key="tour_back")
            st.button("Done" if is_last else "Next", type="primary", on_click=tour.go_to, args=(place + 1,), key="tour_next")
