"""Back and Forward go from page to page: what is pinned or switched on a page is no step of its own."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.browser.test_copy_link import READY, told
from tests.browser.test_first_visit import SERVER
from tests.browser.test_trace_page import click_pixel, open_trace, verdict

pytestmark = pytest.mark.browser
PATIENCE_MS = 60_000


def count_entries(page) -> int:
    return page.evaluate("history.length")


def settle(page, path: str, pin: str) -> None:
    """Wait for a page with a pin, and see that it stays for a while."""
    for pause in (0, 1500):
        page.wait_for_timeout(pause)
        page.wait_for_function(
            "([path, pin]) => location.pathname === path && location.search.includes(`pixel=${pin}`)",
            arg=[path, pin],
            timeout=PATIENCE_MS,
        )
        page.wait_for_function("() => !document.querySelector('[data-stale=true]')", timeout=PATIENCE_MS)
    page.wait_for_selector(READY, timeout=PATIENCE_MS)


@pytest.fixture
def opened(page, serve, analysis):
    """Trace after three pins, and how many entries the history had before them."""
    open_trace(page, serve(SERVER))
    page.wait_for_function("location.search.includes('source=')", timeout=PATIENCE_MS)
    before = count_entries(page)
    for index in (900, 3000, 4100):
        click_pixel(page, "source", index, analysis.pair.source_size)
    return page, before


def test_pins_and_switches_add_no_entries_and_back_leaves_the_app_at_once(opened):
    page, before = opened
    page.locator(".st-key-mutual label").click()
    page.wait_for_function("location.search.includes('mutual=True')", timeout=PATIENCE_MS)
    assert count_entries(page) == before
    page.go_back()
    assert page.url == "about:blank"
    page.go_forward()  # a new session, which begins as the address says
    settle(page, "/", "source-4100")
    assert told(page.url)["mutual"] == "True"


def test_back_and_forward_go_from_page_to_page_with_the_present_pin(opened, analysis):
    page, before = opened
    for number, name in enumerate(("Segmentation", "Aggregation"), 1):
        page.get_by_role("link", name=name, exact=True).click()
        settle(page, f"/{name.lower()}", "source-4100")
        assert count_entries(page) == before + number
    click_pixel(page, "target", 2000, analysis.pair.target_size)
    assert count_entries(page) == before + 2
    page.go_back()
    settle(page, "/segmentation", "target-2000")
    page.get_by_text("Inference", exact=True).first.wait_for(timeout=PATIENCE_MS)
    page.go_back()
    settle(page, "/", "target-2000")
    assert "target pixel" in verdict(page).lower()
    page.go_forward()
    settle(page, "/segmentation", "target-2000")
    page.get_by_text("Inference", exact=True).first.wait_for(timeout=PATIENCE_MS)
    page.go_forward()
    settle(page, "/aggregation", "target-2000")
    assert count_entries(page) == before + 2
    page.reload()
    settle(page, "/aggregation", "target-2000")
    page.go_back()
    settle(page, "/segmentation", "target-2000")


def test_the_other_name_of_trace_is_no_trap_for_back(page, serve):
    page.goto(f"{serve(SERVER)}/trace?pixel=source-4000")
    settle(page, "/", "source-4000")
    page.go_back()
    assert urlsplit(page.url).scheme == "about"
