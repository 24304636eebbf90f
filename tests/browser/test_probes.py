"""Probes as a person keeps them: click, keep, compare, leave and come back."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from app.views.tables import show_margin
from pca_core import explain_pixel
from tests.browser.test_trace_page import MAIN, click_pixel, open_trace, verdict

pytestmark = pytest.mark.browser


def keep(page, side: str, index: int, place: int, name: str = "") -> None:
    """Keep the pinned pixel and wait for its row; the click follows the typing at once."""
    page.locator(f".st-key-probe_name_{side}_{index} input").fill(name)
    page.get_by_role("button", name="Keep this pixel as a probe").click()
    page.locator(f".st-key-probe_{place}").wait_for(timeout=20_000)


def row(page, place: int) -> str:
    return page.locator(f".st-key-probe_{place} .probe").inner_text()


def test_probes_tell_what_the_core_tells_and_survive_a_page_and_a_link(page, new_page, serve, analysis):
    open_trace(page, serve(MAIN))
    pixels = [len(analysis.label_S) // 4 + 50, len(analysis.label_S) * 3 // 4]
    click_pixel(page, "source", pixels[0], analysis.pair.source_size)
    keep(page, "source", pixels[0], 0, "left ~ one")
    click_pixel(page, "source", pixels[1], analysis.pair.source_size)
    keep(page, "source", pixels[1], 1)
    page.wait_for_function(f"decodeURIComponent(location.search).includes('s{pixels[0]}.left+one~s{pixels[1]}')", timeout=20_000)
    for place, index in enumerate(pixels):
        trace = explain_pixel(analysis, index)
        told = row(page, place)
        assert f"({trace.match.row}, {trace.match.column})" in told
        assert f"({trace.way_back.row}, {trace.way_back.column})" in told
        assert show_margin(trace.margin) in told
        assert f"{trace.soft_cycle:.0%}" in told
    assert "left one" in row(page, 0)
    page.get_by_role("link", name="Associations").click()
    page.locator(".st-key-pairs_said").wait_for(timeout=30_000)
    page.wait_for_function("location.search.includes('probes=')", timeout=20_000)
    other = new_page()
    open_trace(other, page.url.replace("/associations", "/"))
    other.locator(".st-key-probe_1").wait_for(timeout=20_000)
    assert "left one" in row(other, 0)


def test_going_to_a_probe_can_be_undone(page, serve, analysis):
    open_trace(page, f"{serve(MAIN)}/?pixel=source-4000&probes=t3000")
    page.get_by_role("button", name="Go to").click()
    page.wait_for_function("location.search.includes('pixel=target-3000')", timeout=20_000)
    page.get_by_text("target pixel (23, 56)").first.wait_for(timeout=20_000)
    page.locator("canvas[data-side=source]").focus()
    page.keyboard.press("z")
    page.wait_for_function("location.search.includes('pixel=source-4000')", timeout=20_000)
    page.get_by_text("Source pixel (31, 32) goes to").wait_for(timeout=20_000)
    assert "probes=t3000" in page.url
    page.locator(".st-key-probe_remove_0 button").first.click()
    page.wait_for_function("!location.search.includes('probes=')", timeout=20_000)
    assert "(31, 32)" in verdict(page)


def test_a_probe_is_drawn_in_its_colour(page, serve):
    """Its label is a disc of the first colour (0, 114, 178) above the images."""
    open_trace(page, f"{serve(MAIN)}/?pixel=target-100&probes=s4000")
    wait_for(lambda: count_blue(page) > 60)
    page.locator(".st-key-probe_remove_0 button").first.click()
    wait_for(lambda: count_blue(page) == 0)


def count_blue(page) -> int:
    return page.locator(".li-wires").evaluate(
        """wires => {
            const { data } = wires.getContext("2d").getImageData(0, 0, wires.width, wires.height);
            let count = 0;
            for (let i = 0; i < data.length; i += 4) count += data[i] === 0 && data[i + 1] === 114 && data[i + 2] === 178;
            return count;
        }"""
    )


def wait_for(is_so: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.1)
