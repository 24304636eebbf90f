"""Associations as a person meets them: numbers, a cell of the flow, its pixel pairs, the way to Trace."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from app.views.pair_charts import MAX_ROWS
from pca_core import AssociationConfig, explain_pixel
from pca_core.analysis.pair_summary import total_pairs
from pca_core.analysis.pairs import PairFilter, clearest_pairs, list_pairs
from tests.browser.test_trace_page import MAIN, click_pixel

pytestmark = pytest.mark.browser
BUILDING, SKY = 1, 0
NUM_CLASSES = 11


def open_associations(page, url: str) -> None:
    page.goto(f"{url}/associations")
    page.wait_for_selector(".li-root[data-ready=true]", timeout=60_000)
    page.locator(".st-key-pairs_matrix .heatmaplayer").first.wait_for(timeout=30_000)
    page.wait_for_timeout(500)  # plotly listens a moment after it has drawn


def shown(page, label: str) -> str:
    return page.get_by_test_id("stMetric").filter(has=page.get_by_text(label, exact=True)).inner_text()


def click_cell(page, row: int, column: int) -> None:
    """Click a corner of a cell rather than its middle: all of it belongs to it."""
    matrix = page.locator(".st-key-pairs_matrix .heatmaplayer").first
    matrix.scroll_into_view_if_needed()
    box = matrix.bounding_box()
    x, y = box["x"] + (column + 0.8) * box["width"] / NUM_CLASSES, box["y"] + (row + 0.25) * box["height"] / NUM_CLASSES
    page.mouse.move(x, y)
    page.wait_for_timeout(200)
    page.mouse.click(x, y)


def choose_row(page, row: int, source_index: np.ndarray) -> None:
    """Click the box of a row of the table of these pairs, once it is that table and no longer another."""
    table = page.locator(f"[class*=st-key-pairs_table-{zlib.crc32(source_index.tobytes())}] canvas").first
    table.wait_for(timeout=60_000)
    page.wait_for_function("() => !document.querySelector('[data-stale=true]')", timeout=60_000)
    page.wait_for_timeout(500)  # the table paints itself
    box = table.bounding_box()
    page.mouse.click(box["x"] + 15, box["y"] + 35 + 30 * row + 15)


def test_a_cell_leads_to_its_pixel_pairs_and_on_to_trace(page, serve, analysis):
    open_associations(page, serve(MAIN))
    assert f"{total_pairs(analysis).count:,}" in shown(page, "Pairs")
    click_cell(page, BUILDING, SKY)
    pairs = list_pairs(analysis, PairFilter(flow="label", cell=(BUILDING, SKY)))
    page.get_by_text(f"{len(pairs):,} of 8,192 pairs pass, building → sky").wait_for(timeout=20_000)
    clearest = clearest_pairs(pairs, MAX_ROWS)
    choose_row(page, 1, clearest.source_index)
    index = int(clearest.source_index[1])
    page.wait_for_function("pixel => location.search.includes('pixel=' + pixel)", arg=f"source-{index}", timeout=20_000)
    trace = explain_pixel(analysis, index)
    place = f"Source pixel ({trace.row}, {trace.column}) goes to target pixel ({trace.match.row}, {trace.match.column})"
    page.locator(".st-key-pairs_pinned").get_by_text(place).wait_for(timeout=20_000)
    page.get_by_text("Open on Trace").click()
    page.locator(".st-key-verdict").get_by_text(place).wait_for(timeout=20_000)


def test_a_cell_is_let_go_by_a_second_click_and_by_the_button(page, serve):
    open_associations(page, serve(MAIN))
    for let_go in (lambda: click_cell(page, BUILDING, SKY), lambda: page.get_by_role("button", name="All cells").click()):
        click_cell(page, BUILDING, SKY)
        page.wait_for_function("location.search.includes('pairs_cell=1-0')", timeout=20_000)
        page.get_by_role("button", name="All cells").wait_for(timeout=20_000)
        page.wait_for_timeout(700)
        let_go()
        page.wait_for_function("!location.search.includes('pairs_cell')", timeout=20_000)
        page.get_by_text("8,192 of 8,192 pairs pass;").wait_for(timeout=20_000)
        page.wait_for_timeout(700)


def test_a_click_and_a_switch_keep_to_the_core(page, serve, analysis):
    open_associations(page, serve(MAIN))
    index = int(len(analysis.label_S) * 0.55)
    click_pixel(page, "source", index, analysis.pair.source_size)
    trace = explain_pixel(analysis, index)
    page.locator(".st-key-pairs_pinned").get_by_text(f"comes back to ({trace.way_back.row}, {trace.way_back.column})").wait_for(
        timeout=20_000
    )
    page.get_by_role("radio", name="Predictions", exact=True).first.click()
    now = total_pairs(analysis.with_config(AssociationConfig(level="prediction")))
    change = now.minus(total_pairs(analysis))["coverage"]
    page.get_by_text(f"{now.count:,}", exact=True).wait_for(timeout=20_000)
    page.wait_for_timeout(500)
    assert f"{now.coverage:.1%}" in shown(page, "Coverage")
    assert f"{100 * change:+.1f}" in shown(page, "Coverage")
    assert f"pixel=source-{index}" in page.url


def test_nothing_moves_when_a_cell_or_a_pixel_is_chosen(page, serve, analysis):
    open_associations(page, serve(MAIN))
    places = [".li-bar", ".st-key-pairs_matrix", "[class*=st-key-pairs_table]"]
    page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
    top = [page.locator(place).first.bounding_box()["y"] for place in places]
    click_pixel(page, "source", 3000, analysis.pair.source_size)
    click_cell(page, BUILDING, SKY)
    page.get_by_role("button", name="All cells").wait_for(timeout=20_000)
    page.wait_for_timeout(700)
    page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
    page.wait_for_timeout(200)
    assert [page.locator(place).first.bounding_box()["y"] for place in places] == pytest.approx(top, abs=1)
