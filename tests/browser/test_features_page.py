"""Features as a person meets them: draw round points and see their pixels, draw on an image and see its points."""

from __future__ import annotations

import numpy as np
import pytest

from pca_core.analysis.embedding import count_selected, embed, nearest_sampled, sample_pixels
from tests.browser.test_trace_page import MAIN, click_pixel

pytestmark = pytest.mark.browser
SAID = ".st-key-feature_selected_said"
SPACE = ("sky", "building", "pole", "road", "pavement", "tree", "sign symbol", "fence", "car", "pedestrian", "bicyclist")


def open_features(page, url: str) -> None:
    page.set_viewport_size({"width": 1440, "height": 1700})
    page.goto(f"{url}/features")
    page.wait_for_selector(".li-root[data-ready=true]", timeout=60_000)
    page.locator(".js-plotly-plot .scatterlayer").first.wait_for(timeout=30_000)
    page.wait_for_timeout(700)  # plotly listens a moment after it has drawn


def lasso(page, left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """Draw a rectangle with the lasso, in shares of the map; return the corners in the map's own coordinates."""
    box = page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()
    ranges = page.evaluate("(p => [p.xaxis.range, p.yaxis.range])(document.querySelector('.js-plotly-plot')._fullLayout)")
    (x0, x1), (y0, y1) = ranges
    return np.array([[x0 + left * (x1 - x0), x0 + right * (x1 - x0)], [y1 - bottom * (y1 - y0), y1 - top * (y1 - y0)]])


def sentence(sample, selected: np.ndarray) -> str:
    on_target = int((selected & sample.is_target).sum())
    number = int(selected.sum())
    classes = ", ".join(f"{count} {SPACE[one]}" for one, count in count_selected(sample, selected))
    return f"{number:,} of {len(sample):,} selected, {number - on_target:,} source and {on_target:,} target: {classes}."


def expect_said(page, words: str) -> None:
    page.locator(SAID).get_by_text(words, exact=True).wait_for(timeout=20_000)


def test_a_lasso_marks_the_points_inside_it_on_the_images(page, serve, analysis):
    open_features(page, serve(MAIN))
    sample = sample_pixels(analysis.pair)
    points = embed(sample)
    (left, right), (low, high) = lasso(page, 0.0, 0.5, 0.3, 0.8)
    inside = (points[:, 0] > left) & (points[:, 0] < right) & (points[:, 1] > low) & (points[:, 1] < high)
    assert 20 < inside.sum() < 400
    expect_said(page, sentence(sample, inside))
    page.get_by_role("button", name="Select none").click()
    page.locator(SAID).get_by_text("Lasso or box here").wait_for(timeout=20_000)


def test_a_rectangle_on_an_image_marks_its_points_until_the_map_is_used(page, serve, analysis):
    open_features(page, serve(MAIN))
    sample, (rows, columns) = sample_pixels(analysis.pair), analysis.pair.source_size
    page.locator("[data-do=help]").click()
    assert "Shift-drag" in page.locator(".li-help").inner_text()
    page.locator("[data-do=help]").click()
    box = page.locator("canvas[data-side=source]").bounding_box()
    first, last = (40, 50), (60, 110)
    start, end = (
        (box["x"] + (column + 0.5) * box["width"] / columns, box["y"] + (row + 0.5) * box["height"] / rows)
        for row, column in (first, last)
    )
    page.keyboard.down("Shift")
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=6)
    page.mouse.up()
    page.keyboard.up("Shift")
    row, column = np.divmod(sample.index, columns)
    inside = ~sample.is_target & (row >= 40) & (row <= 60) & (column >= 50) & (column <= 110)
    expect_said(page, sentence(sample, inside))
    page.wait_for_timeout(700)
    lasso(page, 0.0, 0.5, 0.3, 0.8)
    page.locator(SAID).get_by_text(sentence(sample, inside), exact=True).wait_for(state="detached", timeout=20_000)
    assert "selected," in page.locator(SAID).inner_text()


def test_the_pinned_pixel_has_its_ring_and_a_selection_outlives_other_pages(page, serve, analysis):
    open_features(page, serve(MAIN))
    sample = sample_pixels(analysis.pair)
    lasso(page, 0.0, 0.5, 0.3, 0.8)
    page.locator(SAID).get_by_text("selected,").wait_for(timeout=20_000)
    words = page.locator(SAID).inner_text()
    index = 5000
    click_pixel(page, "target", index, analysis.pair.target_size)
    expected = embed(sample)[nearest_sampled(sample, "target", index, analysis.pair.target_size)]
    page.wait_for_function(
        "([x, y]) => { const ring = document.querySelector('.js-plotly-plot')._fullData.find(one => one.name === 'pinned');"
        " return Math.abs(ring.x[0] - x) < 1e-4 && Math.abs(ring.y[0] - y) < 1e-4; }",
        arg=expected.tolist(),
        timeout=20_000,
    )
    page.get_by_role("link", name="Trace", exact=True).click()
    page.locator(".st-key-verdict").wait_for(timeout=20_000)
    page.get_by_role("link", name="Features", exact=True).click()
    expect_said(page, words)


def test_nothing_moves_when_numbers_get_their_changes_and_points_are_selected(page, serve):
    open_features(page, serve(MAIN))
    places = [".li-bar", ".js-plotly-plot", "[data-testid=stDataFrame]"]
    top = [page.locator(place).first.bounding_box()["y"] for place in places]
    page.get_by_text("Aggregated target").click()
    page.get_by_test_id("stMetricDelta").filter(has_text="plain").first.wait_for(state="detached", timeout=20_000)
    page.wait_for_timeout(1000)
    lasso(page, 0.1, 0.1, 0.9, 0.9)
    page.locator(SAID).get_by_text("selected,").wait_for(timeout=20_000)
    page.wait_for_timeout(700)
    assert [page.locator(place).first.bounding_box()["y"] for place in places] == pytest.approx(top, abs=1)
