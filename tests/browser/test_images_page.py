"""The Images page in a browser: click pictures, drop in many of one's own, find their sources, stop a search."""

from __future__ import annotations

import re

import pytest

from app.state.session import BUILT_IN, BUILT_IN_CHECKPOINT
from pca_core.analysis.coverage_gap import find_threshold, measure_coverage
from pca_core.analysis.support import find_support
from pca_core.data import FolderDataset
from pca_core.data.streets import STREETS
from pca_core.models import load_checkpoint
from tests.conftest import ROOT

pytestmark = pytest.mark.browser
MAIN = ROOT / "app/main.py"
START = "Find sources for this target"


def open_images(page, url: str) -> None:
    page.goto(f"{url}/images")
    page.get_by_role("button", name=START).wait_for(timeout=60_000)


def result(page, place: int):
    """A picture of the ranking, with the button over it."""
    return page.locator(f".st-key-grid_found .st-key-thumb_found_{place}, .st-key-thumb_picked_found_{place}")


def test_a_click_on_a_picture_picks_it_and_marks_it(page, serve):
    names = FolderDataset(BUILT_IN["source"]).names
    open_images(page, serve(MAIN))
    picture = page.locator(".st-key-thumb_source_5 img")
    picture.wait_for(timeout=20_000)
    box = picture.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)  # on the picture, far from its name
    page.get_by_text(f"{names[5]}  →").wait_for(timeout=20_000)
    page.locator(".st-key-thumb_picked_source_5").wait_for(timeout=20_000)
    page.wait_for_function("document.querySelectorAll('[class*=st-key-thumb_picked_source]').length === 1", timeout=20_000)
    assert names[5] in page.locator(".st-key-thumb_picked_source_5").inner_text()
    assert f"source={names[5]}" in page.url
    page.locator(".st-key-source_next button").click()
    page.get_by_role("button", name=names[12], exact=True).wait_for(timeout=20_000)
    page.locator(".st-key-source_search").get_by_label("Search").fill(names[40][-4:])
    page.locator(".st-key-source_search").get_by_label("Search").press("Enter")
    page.get_by_role("button", name=names[40], exact=True).wait_for(timeout=20_000)
    page.wait_for_function("document.querySelectorAll('.st-key-grid_source img').length === 1", timeout=20_000)


def test_own_images_by_the_browser_then_their_ranking(page, serve):
    own = FolderDataset(STREETS / "noon-heldout")
    names, target = own.names[:4], FolderDataset(BUILT_IN["target"])[0]
    search = list(find_support(load_checkpoint(BUILT_IN_CHECKPOINT), target.image, own.subset(names)))[-1]
    found = measure_coverage(search, find_threshold(search.reference))
    open_images(page, serve(MAIN))
    page.locator(".st-key-source_from").get_by_text("My uploads").click()
    fields = page.locator("input[type=file]")
    fields.nth(1).wait_for(state="attached", timeout=20_000)
    fields.nth(0).set_input_files([str(own.image_path(name)) for name in names])
    fields.nth(1).set_input_files([str(own.listing.labels[name]) for name in names])
    page.get_by_text(f"{names[3]}.png").wait_for(timeout=20_000)
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text("1–4 of 4 images").wait_for(timeout=30_000)
    page.wait_for_function("document.querySelectorAll('.st-key-grid_source img').length === 4", timeout=20_000)
    page.get_by_text(re.compile(rf"^{names[0]} \w+  →  {target.name}$")).wait_for(timeout=20_000)

    page.get_by_role("button", name=START).click()
    result(page, 3).wait_for(timeout=60_000)
    for place, source in enumerate(found.ranked):
        assert re.search(rf"{source.support:.1%}.*{source.name} \w+", result(page, place).inner_text(), re.DOTALL)
    page.get_by_text(f"{1 - found.covered:.1%} of the target finds no support").wait_for(timeout=20_000)
    last = found.ranked[-1].name
    result(page, 3).locator("img").click(force=True)
    page.get_by_text(re.compile(rf"^{last} \w+  →  {target.name}$")).wait_for(timeout=20_000)
    page.locator(".st-key-thumb_picked_found_3").wait_for(timeout=20_000)  # the ranking is still there, the pick marked in it


def test_a_search_can_be_stopped_and_keeps_what_it_found(page, serve):
    open_images(page, serve(MAIN))
    page.get_by_role("button", name="dusk_rain_0003", exact=True).click()  # a target that no other test asks for
    page.get_by_text("→  dusk_rain_0003").wait_for(timeout=20_000)
    page.get_by_role("button", name=START).click()
    page.get_by_text(re.compile(r"^[1-9]\d? of 40 sources looked at")).wait_for(timeout=60_000)
    page.get_by_role("button", name="Stop").click()
    page.get_by_text(re.compile(r"Stopped after \d+ of 40 sources")).wait_for(timeout=20_000)
    result(page, 0).wait_for(timeout=20_000)
    page.get_by_text("finds no support").or_(page.get_by_text("No gap")).wait_for(timeout=20_000)


def test_the_address_leads_back_to_a_strictness(page, serve):
    open_images(page, serve(MAIN))
    page.get_by_text("Strict", exact=True).click()
    page.wait_for_function("location.search.includes('images_drop=0.25')", timeout=20_000)
    page.reload()
    page.get_by_role("button", name=START).wait_for(timeout=60_000)
    strict = page.locator(".st-key-images_drop").get_by_role("radio", name="Strict")
    assert strict.get_attribute("aria-checked") == "true"
