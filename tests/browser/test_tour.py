"""The guided tour: every step shows what it says, and leaving brings back what was there."""

from __future__ import annotations

import re

import pytest

from app.state.tour import STEPS
from pca_core import explain_pixel
from tests.browser.test_copy_link import told
from tests.browser.test_probes import wait_for
from tests.browser.test_trace_page import MAIN, verdict

pytestmark = pytest.mark.browser
READY = ".li-root[data-ready=true]"
MINE = {
    "alpha": "0.3",
    "pixel": "target-3000",
    "probes": "s4000.left wheel",
    "target": "dusk_rain_0002",
    "pairs_verdict": "consistent",
}


def press(page, name: str) -> None:
    page.locator(f".st-key-tour_{name} button").first.click()


def wait_for_step(page, place: int) -> None:
    page.locator(".st-key-tour").get_by_text(f"{place + 1} of {len(STEPS)} · {STEPS[place].title}").wait_for(timeout=30_000)
    page.wait_for_selector(READY, timeout=60_000)


def pressed(page, side: str, title: str) -> None:
    page.locator(f".li-layers[data-side={side}] [aria-pressed=true]", has_text=title).wait_for(timeout=30_000)


def wait_for_sight(page, what: str) -> None:
    """Wait until this lies whole between the navigation and the card."""

    def is_in_sight() -> bool:
        box, card, head = (page.locator(one).first.bounding_box() for one in (what, ".st-key-tour", "header"))
        return head["y"] + head["height"] <= box["y"] and box["y"] + box["height"] <= card["y"]

    wait_for(is_in_sight, 30)


def wait_for_value(field, value: str) -> None:
    wait_for(lambda: field.input_value() == value, 30)


def test_the_pixels_of_the_tour_are_what_it_says_of_them(analysis):
    closes, breaks, hub = (explain_pixel(analysis, STEPS[place].pixel[1], STEPS[place].pixel[0]) for place in (1, 2, 3))
    names = ("sky", "building", "pole", "road", "pavement", "tree", "sign symbol", "fence", "car", "pedestrian")
    assert closes.verdict == "consistent"
    assert names[closes.label] == names[closes.match.label] == names[closes.way_back.label] == "car"
    assert closes.way_back.index != closes.index
    assert breaks.verdict == "inconsistent"
    assert (names[breaks.label], names[breaks.way_back.label]) == ("pedestrian", "building")
    assert len(hub.claims) > 1000
    assert (analysis.association.hubness == 0).double().mean() > 0.5


def test_the_tour_goes_through_all_pages_and_gives_back_what_was_there(new_page, serve):
    page = new_page(viewport={"width": 1024, "height": 768})  # the card takes most of the room here
    mine = "&".join(f"{name}={value}" for name, value in MINE.items())
    page.goto(f"{serve(MAIN)}/associations?{mine}")
    page.wait_for_selector(READY, timeout=60_000)
    said = page.locator(".st-key-pairs_said").inner_text()
    press(page, "start")
    layers = ("Labels", "Similarity to j", "Verdicts", "Similarity to j", "None", "None", "Labels", "Error")
    for place, step in enumerate(STEPS):
        wait_for_step(page, place)
        assert re.search(r"/(\w*)", page.url.split("//")[1])[1] == ("" if step.page == "trace" else step.page)
        pressed(page, "source", layers[place])
        wait_for_sight(page, step.in_sight or ".li-layers[data-side=target]")
        if step.page == "trace":
            row, column = divmod(step.pixel[1], 128)
            page.locator(".st-key-verdict", has_text=f"pixel ({row}, {column})").wait_for(timeout=30_000)
        assert MINE.items() <= told(page.url).items()  # the address stays the person's own
        if place == 4:
            page.locator(".st-key-pairs_said", has_text="8,192 of 8,192").wait_for(timeout=30_000)  # none of their filters
        press(page, "next")
    page.locator(".st-key-tour").wait_for(state="detached", timeout=30_000)
    page.wait_for_function("location.pathname === '/associations'", timeout=30_000)
    page.locator(".li-title[data-side=target]", has_text="dusk_rain_0002").wait_for(timeout=30_000)
    page.locator(".st-key-pairs_said", has_text=said.split(" of ")[0]).wait_for(timeout=30_000)
    assert MINE.items() <= told(page.url).items()


def test_leaving_in_between_and_going_back(page, serve):
    page.goto(f"{serve(MAIN)}/?pixel=source-900")
    page.wait_for_selector(READY, timeout=60_000)
    field = page.locator(".st-key-top_k input")
    field.fill("3")
    field.press("Enter")
    page.wait_for_function("location.search.includes('top_k=3')", timeout=30_000)
    before = verdict(page)
    press(page, "start")
    wait_for_step(page, 0)
    wait_for_value(field, "1")  # on the very same page, where the widget would keep its value
    assert page.get_by_text("Session State API").count() == 0
    press(page, "next")
    wait_for_step(page, 1)
    press(page, "back")
    wait_for_step(page, 0)
    press(page, "leave")
    page.locator(".st-key-tour").wait_for(state="detached", timeout=30_000)
    wait_for_value(field, "3")
    page.locator(".st-key-verdict", has_text=before.split("\n")[-1][:60]).wait_for(timeout=30_000)
