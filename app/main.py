"""What every visit runs: page config, navigation, the chosen page. Served by ``server.py``."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # Streamlit puts app/ on the path, not the checkout
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402

from app.views.warming import wait_for_warm_up  # noqa: E402

# The pictures are the page: less air above them than Streamlit leaves.
# What every page offers stands in the line of the navigation.
STYLE = """<style>
.stMainBlockContainer {padding-top: 3.2rem; padding-bottom: 2rem; max-width: 1680px;}
.st-key-topbar {position: fixed; top: 0.85rem; right: 1rem; width: auto; z-index: 999991;}
.st-key-topbar button {min-height: 32px; padding: 0 12px;}
@media (max-width: 1180px) {.st-key-tour_start [data-testid=stMarkdownContainer] {position: absolute; opacity: 0; pointer-events: none;}}
</style>"""

st.set_page_config(page_title="CycleLens", page_icon=str(ROOT / "assets" / "icon.svg"), layout="wide")
st.html(STYLE)
st.logo(str(ROOT / "assets" / "logo.svg"), size="large")
wait_for_warm_up()

from app.components.copy_link import copy_link  # noqa: E402 (what is heavy is loaded by now)
from app.state import session  # noqa: E402
from app.state import tour as tour_state  # noqa: E402
from app.views import adapt, aggregation, associations, compare, features, images, segmentation, tour, trace  # noqa: E402

PAGES = {
    "images": st.Page(images.render, title="Images", url_path="images"),
    "trace": st.Page(trace.render, title="Trace", default=True),
    "associations": st.Page(associations.render, title="Associations", url_path="associations"),
    "aggregation": st.Page(aggregation.render, title="Aggregation", url_path="aggregation"),
    "segmentation": st.Page(segmentation.render, title="Segmentation", url_path="segmentation"),
    "features": st.Page(features.render, title="Features", url_path="features"),
    "adapt": st.Page(adapt.render, title="Adapt", url_path="adapt"),
    "compare": st.Page(compare.render, title="Compare", url_path="compare"),
}


def go_to_trace() -> None:
    """``/trace`` is the first page too, whose own address is ``/``."""
    st.switch_page(PAGES["trace"], query_params=st.query_params.to_dict())


session.start(PAGES)
also_trace = st.Page(go_to_trace, title="Trace", url_path="trace", visibility="hidden")
page = st.navigation([*PAGES.values(), also_trace], position="top")
name = next((name for name, other in PAGES.items() if other is page), "trace")
jump = tour_state.pop_jump()
if jump not in (None, name):
    st.switch_page(PAGES[jump])
session.write_address()
with st.container(horizontal=True, vertical_alignment="center", gap="small", key="topbar"):
    tour.show_button(name)
    copy_link(key="copy_link", note=session.tell_missing_from_link())
tour.show_card()
page.run()
