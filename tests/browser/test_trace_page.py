"""The whole thing, as a person meets it: open the app, click, read the verdict."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from app.state.session import BUILT_IN
from pca_core import explain_pixel
from pca_core.data import FolderDataset, encode_png
from tests.conftest import ROOT

pytestmark = pytest.mark.browser
MAIN = ROOT / "app/main.py"


def open_trace(page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector(".li-root[data-ready=true]", timeout=60_000)


def click_pixel(page, side: str, index: int, grid: tuple[int, int]) -> None:
    """Click the middle of a feature pixel and wait for its picture."""
    row, column = divmod(index, grid[1])
    canvas = page.locator(f"canvas[data-side={side}]")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.click(box["x"] + (column + 0.5) * box["width"] / grid[1], box["y"] + (row + 0.5) * box["height"] / grid[0])
    page.wait_for_function("pixel => location.search.includes('pixel=' + pixel)", arg=f"{side}-{index}", timeout=20_000)


def verdict(page) -> str:
    words = page.locator(".st-key-verdict")
    words.wait_for(timeout=20_000)
    return words.inner_text()


def test_opens_on_the_built_in_pair_with_a_story(page, serve):
    open_trace(page, serve(MAIN))
    assert f"Source · {FolderDataset(BUILT_IN['source']).names[0]}" in page.locator(".li-title[data-side=source]").inner_text()
    assert re.search(r"Source pixel \(\d+, \d+\) goes to target pixel \(\d+, \d+\)", verdict(page))
    page.get_by_text("Coverage", exact=True).wait_for(timeout=20_000)


@pytest.mark.parametrize("share", [0.2, 0.55, 0.9])
def test_a_clicked_source_pixel_is_traced_as_the_core_traces_it(page, serve, analysis, share):
    open_trace(page, serve(MAIN))
    index = int(len(analysis.label_S) * share)
    click_pixel(page, "source", index, analysis.pair.source_size)
    trace = explain_pixel(analysis, index)
    place = f"({trace.row}, {trace.column}) goes to target pixel ({trace.match.row}, {trace.match.column})"
    page.get_by_text(place).wait_for(timeout=20_000)
    assert f"comes back to ({trace.way_back.row}, {trace.way_back.column})" in verdict(page)
    words = {"consistent": "Cycle-consistent", "inconsistent": "The cycle breaks", "unlabelled": "Unlabelled"}
    assert words[trace.verdict] in verdict(page)


def test_a_clicked_target_pixel_tells_who_claims_it(page, serve, analysis):
    open_trace(page, serve(MAIN))
    index = int(analysis.association.hubness.argmax())
    click_pixel(page, "target", index, analysis.pair.target_size)
    trace = explain_pixel(analysis, index, "target")
    page.get_by_text(f"Claimed by {len(trace.claims):,}").first.wait_for(timeout=20_000)
    assert f"{trace.num_consistent:,} of these cycles close" in verdict(page)


def test_the_address_restores_the_pixel(page, new_page, serve, analysis):
    index = len(analysis.label_S) // 3
    open_trace(page, serve(MAIN))
    click_pixel(page, "source", index, analysis.pair.source_size)
    other = new_page()
    open_trace(other, page.url)
    trace = explain_pixel(analysis, index)
    assert f"Source pixel ({trace.row}, {trace.column}) goes to" in verdict(other)


def test_another_level_changes_the_numbers_not_the_pixel(page, serve, analysis):
    open_trace(page, serve(MAIN))
    index = len(analysis.label_S) // 2 + 11
    click_pixel(page, "source", index, analysis.pair.source_size)
    page.get_by_role("radio", name="Predictions").or_(page.get_by_role("button", name="Predictions")).first.click()
    page.get_by_text("−KL (nats)").or_(page.locator(".li-legends", has_text="−KL")).first.wait_for(timeout=30_000)
    row, column = divmod(index, analysis.pair.source_size[1])
    assert f"Source pixel ({row}, {column}) goes to" in verdict(page)


def choose_layer(page, side: str, title: str) -> None:
    page.locator(f".li-layers[data-side={side}]").get_by_role("button", name=title, exact=True).click()


def chosen_layers(page) -> list[str]:
    return [page.locator(f".li-layers[data-side={side}] [aria-pressed=true]").inner_text() for side in ("source", "target")]


def test_each_kind_of_trace_keeps_its_layers(page, serve, analysis):
    open_trace(page, serve(MAIN))
    choose_layer(page, "source", "Verdicts")
    choose_layer(page, "target", "p(j | i)")
    click_pixel(page, "target", 700, analysis.pair.target_size)
    page.get_by_text("claims target pixel").or_(page.get_by_text("claim target pixel")).first.wait_for(timeout=20_000)
    page.wait_for_timeout(300)
    assert chosen_layers(page) == ["Similarity to j", "None"]
    assert page.get_by_role("button", name="p(j | i)").is_disabled()
    choose_layer(page, "target", "Hubs")
    click_pixel(page, "source", 900, analysis.pair.source_size)
    page.get_by_text("goes to target pixel").wait_for(timeout=20_000)
    page.wait_for_timeout(300)
    assert chosen_layers(page) == ["Verdicts", "p(j | i)"]
    click_pixel(page, "target", 1400, analysis.pair.target_size)
    page.wait_for_timeout(1000)
    assert chosen_layers(page) == ["Similarity to j", "Hubs"]


@pytest.mark.parametrize("width", [1440, 1180, 1024])
def test_nothing_below_the_images_moves_from_a_source_to_a_target_trace(new_page, serve, analysis, width):
    page = new_page(viewport={"width": width, "height": 800})
    open_trace(page, serve(MAIN))
    bar = page.locator(".li-bar")
    page.get_by_text("Coverage", exact=True).wait_for(timeout=20_000)
    before = bar.bounding_box()
    for side in ("target", "source"):
        click_pixel(page, side, 1100, analysis.pair.source_size)
        page.get_by_text("claim" if side == "target" else "goes to target pixel").first.wait_for(timeout=20_000)
        page.wait_for_timeout(500)
        assert bar.bounding_box() == before


def test_a_reload_comes_back_to_a_folder_that_was_opened(page, serve, tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("first", "second"):
        (tmp_path / f"images/{name}.png").write_bytes(encode_png(np.full((64, 96, 3), 90, np.uint8)))
    page.goto(f"{serve(MAIN)}/images")
    page.locator(".st-key-target_folder_field input").fill(str(tmp_path))
    page.locator(".st-key-target_open button").click()
    page.get_by_role("button", name="second", exact=True).click()
    page.get_by_text("→  second").wait_for(timeout=20_000)
    page.get_by_role("button", name="Trace this pair").click()
    page.wait_for_selector(".li-root[data-ready=true]", timeout=60_000)
    page.wait_for_function("location.search.includes('target_from=')", timeout=20_000)
    assert str(tmp_path).split("/")[1] not in page.url.split("?")[1]
    page.reload()
    page.wait_for_selector(".li-root[data-ready=true]", timeout=60_000)
    assert "Target · second" in page.locator(".li-title[data-side=target]").inner_text()


def test_choosing_another_image_and_going_back(page, serve):
    url = serve(MAIN)
    source, target = FolderDataset(BUILT_IN["source"]).names[2], FolderDataset(BUILT_IN["target"]).names[1]
    page.goto(f"{url}/images")
    page.get_by_role("button", name=source).click()
    page.get_by_role("button", name=target).click()
    page.get_by_text(f"{source}  →  {target}").wait_for(timeout=20_000)
    page.get_by_role("button", name="Trace this pair").click()
    page.wait_for_selector(".li-root[data-ready=true]", timeout=60_000)
    assert source in page.locator(".li-title[data-side=source]").inner_text()
    assert target in page.locator(".li-title[data-side=target]").inner_text()


def test_names_and_messages_never_become_markup_or_requests(page, serve, tmp_path):
    """A picture in a class name would be fetched from anywhere if it were read as Markdown."""
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    (tmp_path / "images/*a* :smile: [x](http:).png").write_bytes(encode_png(np.zeros((8, 8, 3), np.uint8)))
    (tmp_path / "labels/*a* :smile: [x](http:).png").write_bytes(encode_png(np.zeros((8, 8), np.uint8)))
    picture = "![x](http://192.0.2.1/x.png)"
    (tmp_path / "classes.json").write_text(json.dumps({"name": "n", "class_names": [picture, picture], "ignore_index": 255}))
    url = serve(MAIN)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{url}/images")
    page.locator(".st-key-source_folder_field input").fill(str(tmp_path))
    page.locator(".st-key-source_open button").click()
    page.get_by_text(picture).first.wait_for(timeout=20_000)
    page.wait_for_timeout(500)
    assert not [address for address in asked if not address.startswith((url, url.replace("http", "ws"), "data:", "blob:"))]


def test_choosing_an_image_with_a_name_of_markup(page, serve, tmp_path):
    (tmp_path / "images").mkdir()
    name = "*a* _b_ :smile: `c`"
    (tmp_path / f"images/{name}.png").write_bytes(encode_png(np.zeros((64, 64, 3), np.uint8)))
    page.goto(f"{serve(MAIN)}/images")
    page.locator(".st-key-target_folder_field input").fill(str(tmp_path))
    page.locator(".st-key-target_open button").click()
    page.get_by_role("button", name=name, exact=True).wait_for(timeout=20_000)
