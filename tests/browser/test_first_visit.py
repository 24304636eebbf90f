"""The first visit to a server that has just started, and the addresses of pages."""

from __future__ import annotations

import pytest

from app.warmup import PAGES
from tests.browser.test_trace_page import verdict
from tests.conftest import ROOT

pytestmark = pytest.mark.browser
SERVER = ROOT / "app/server.py"
READY = ".li-root[data-ready=true]"


PAINTED = """
const look = setInterval(() => {
  const hosts = [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")];
  if (!hosts.some((host) => host.shadowRoot?.querySelector(".li-root[data-ready=true]"))) return;
  clearInterval(look);
  window.painted = performance.now();
}, 20);
"""
FETCHED = (
    """() => performance.getEntriesByType("resource").find(({ name }) => name.includes("/static/js/PlotlyChart."))?.startTime"""
)


def test_the_first_visitor_is_told_what_is_going_on_and_then_has_the_picture(page, serve):
    page.add_init_script(PAINTED)
    url = serve(SERVER, "--source", "streets:noon")  # a server of its own: nobody was there before
    page.goto(url)
    page.wait_for_selector(f".st-key-warm_up, {READY}", timeout=30_000)
    page.wait_for_selector(READY, timeout=60_000)
    page.locator(".st-key-warm_up").wait_for(state="detached", timeout=20_000)
    assert "goes to target pixel" in verdict(page)
    page.wait_for_function(FETCHED, timeout=20_000)  # what other pages need is fetched once the picture is there
    assert page.evaluate(FETCHED) > page.evaluate("window.painted")


def test_a_server_that_cannot_open_its_folder_says_so(page, serve):
    page.goto(serve(SERVER, "--target", "/nowhere/at/all"))
    page.get_by_text("The built-in images are shown instead").wait_for(timeout=60_000)
    page.wait_for_selector(READY, timeout=60_000)


@pytest.mark.parametrize("name", ["trace", "associations"])
def test_an_address_of_a_page_asks_for_nothing_that_is_not_there(page, serve, name):
    troubles = []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("response", lambda answer: troubles.append(answer.url) if answer.status >= 400 else None)
    page.goto(f"{serve(SERVER, '--source', 'streets:noon')}/{name}?pixel=source-4000")
    page.wait_for_selector(READY, timeout=60_000)
    page.wait_for_function("location.search.includes('pixel=source-4000')", timeout=20_000)
    assert page.locator("text=does not exist").count() == 0
    assert troubles == []


def test_what_the_browser_has_decoded_it_keeps_from_page_to_page(page, serve):
    """The same pair on the next page: its pictures are there."""
    page.add_init_script(
        "window.decoded = 0; const make = createImageBitmap; "
        "window.createImageBitmap = (...given) => { if (given[0] instanceof Blob) window.decoded += 1; return make(...given); };"
    )
    page.goto(f"{serve(SERVER, '--source', 'streets:noon')}/trace")
    page.wait_for_selector(READY, timeout=60_000)
    pictures = page.evaluate("window.decoded")
    assert pictures >= 2
    for name in ("Segmentation", "Aggregation", "Trace"):
        page.locator(READY).evaluate("(root) => { root.dataset.old = 'true'; }")
        page.get_by_role("link", name=name, exact=True).first.click()
        page.wait_for_selector(f"{READY}:not([data-old])", timeout=60_000)
    assert page.evaluate("window.decoded") == pictures


def test_the_pages_that_are_warmed_are_those_of_the_app():
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=120).run()
    assert not app.exception
    assert tuple(app.session_state["pages"]) == PAGES
