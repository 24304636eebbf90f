"""What every visit runs: page config, navigation, the chosen page. Served by ``server.py``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # Streamlit puts app/ on the path, not the checkout
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402
from streamlit.navigation.page import StreamlitPage  # noqa: E402

from app import entrance, warmup  # noqa: E402
from app.places import ASSETS  # noqa: E402
from app.views.warming import wait_for_warm_up  # noqa: E402

st.set_page_config(page_title="CycleLens", page_icon=str(ASSETS / "icon.svg"), layout="wide")
st.html(ROOT / "app" / "page.css")
st.logo(str(ASSETS / "logo.svg"), size="large")
entrance.check_script()
wait_for_warm_up()

# What is heavy is loaded by now.
from app.state import session, tour  # noqa: E402
from app.views import parts, topbar  # noqa: E402


def load(name: str) -> Callable[[], None]:
    """The ``render`` of a page, whose module is loaded when it is first opened: nobody waits for nine pages to see one."""

    @parts.tell_trouble
    def render() -> None:
        import_module(f"app.views.{name}").render()

    return render


def make_page(name: str) -> StreamlitPage:
    """The page of a module of ``views``; Trace is the first one, at ``/``."""
    place = {"default": True} if name == "trace" else {"url_path": name}
    return st.Page(load(name), title=name.capitalize(), **place)


PAGES = {name: make_page(name) for name in warmup.PAGES}


def go_to_trace() -> None:
    """``/trace`` is the first page too, whose own address is ``/``."""
    st.switch_page(PAGES["trace"], query_params=st.query_params.to_dict())


session.start(PAGES)
also_trace = st.Page(go_to_trace, title="Trace", url_path="trace", visibility="hidden")
page = st.navigation([*PAGES.values(), also_trace], position="top")
name = next((name for name, other in PAGES.items() if other is page), "trace")
jump = tour.pop_jump()
if jump not in (None, name):
    st.switch_page(PAGES[jump])
session.write_address()
topbar.show(name)
page.run()
