"""Aggregation as a person meets it: a click tells what a pixel borrows, α changes what follows, the maps are the core's."""

from __future__ import annotations

import re

import numpy as np
import pytest

from pca_core.analysis.spreading import alpha_effects, describe_loan, map_weights, measure_reach
from tests.browser.test_linked_images import click_relative
from tests.browser.test_live_hover import read_map
from tests.browser.test_trace_page import MAIN, click_pixel

pytestmark = pytest.mark.browser


def open_aggregation(page, url: str, query: str = "") -> None:
    page.goto(f"{url}/aggregation{query}")
    page.wait_for_selector(".li-root[data-ready=true]", timeout=60_000)
    page.locator("[class*=st-key-alpha_curves] .js-plotly-plot").wait_for(timeout=30_000)


def expect_number(page, label: str, value: str) -> None:
    metric = page.get_by_test_id("stMetric").filter(has=page.get_by_text(label, exact=True))
    metric.get_by_text(value, exact=True).wait_for(timeout=20_000)


def test_a_clicked_pixel_tells_the_weights_of_the_core(page, serve, analysis):
    open_aggregation(page, serve(MAIN))
    for index in (4500, 1234):
        click_pixel(page, "target", index, analysis.pair.target_size)
        loan = describe_loan(analysis, index)
        row, column = divmod(index, analysis.pair.target_size[1])
        expect_number(page, "Pinned target pixel", f"{row}, {column}")
        expect_number(page, "Borrows from", f"{loan.num_lenders:,.0f} pixels")
        expect_number(page, "Of its own class", f"{loan.own_class_share:.0%}")
        low, high = (f"{end:.3g}" for end in (loan.times_even.min(), loan.times_even.max()))
        words = f"{low}{high} × uniform (log scale)"
        shown = page.locator(".li-layers[data-side=target] .li-legend.is-shown").filter(has_text=words)
        shown.locator(".li-ramp").wait_for(timeout=20_000)


def test_the_slider_changes_the_numbers_to_those_of_the_core(page, serve, analysis):
    open_aggregation(page, serve(MAIN))
    effect, reach = alpha_effects(analysis, (0.5,))[0], measure_reach(analysis, 0.5)
    expect_number(page, "Flips", f"{effect.flips:.1%}")
    expect_number(page, "Spread", f"{reach.spread:.1%}")
    slider = page.locator(".st-key-alpha").get_by_role("slider")
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    effect, reach = alpha_effects(analysis, (0.3,))[0], measure_reach(analysis, 0.3)
    expect_number(page, "Flips", f"{effect.flips:.1%}")
    expect_number(page, "Coverage", f"{effect.coverage:.1%}")
    expect_number(page, "Spread", f"{reach.spread:.1%}")
    page.get_by_text(re.compile(r"pull on .* with α = 0.3")).wait_for(timeout=20_000)


def test_the_maps_are_those_of_the_core(page, serve, analysis):
    open_aggregation(page, serve(MAIN), "?aggregation_map=entropy")
    page.locator(".li-opacity input").fill("100")  # so that colours on the canvas are those of the map
    maps, without, reach = map_weights(analysis), measure_reach(analysis, 0.0), measure_reach(analysis, 0.5)
    for title, name, shares in (
        ("Entropy", "Entropy", spread(maps.entropy)),
        ("Lent", "Lent", spread(maps.lent)),
        ("Pull", "Pull with α", np.log1p(reach.pull / without.pull.mean()) / np.log1p(10)),
        ("Gradient", "Gradient with α", np.log1p(reach.gradient / without.gradient.mean()) / np.log1p(10)),
    ):
        page.locator(".st-key-aggregation_map").get_by_text(title, exact=True).click()
        button = page.locator(".li-layers[data-side=target]").get_by_role("button", name=name, exact=True)
        button.and_(page.locator("[aria-pressed=true]")).wait_for(timeout=20_000)
        page.mouse.move(5, 5)
        page.wait_for_timeout(300)
        painted = read_map(page, "target", analysis.pair.target_size)
        assert np.abs(painted - 255 * shares.clip(0, 1)).max() < 1.5, title  # some neighbours in viridis look the same
        assert np.ptp(painted) > 100


def spread(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / np.ptp(values)


def test_nothing_moves_from_map_to_map_and_pixel_to_pixel(new_page, serve):
    page = new_page(viewport={"width": 1024, "height": 900})
    open_aggregation(page, serve(MAIN))
    bar = page.locator(".li-bar")
    before = bar.bounding_box()
    for title in ("Pull", "Gradient", "Entropy"):
        page.locator(".st-key-aggregation_map").get_by_text(title, exact=True).click()
        page.wait_for_timeout(600)
        assert bar.bounding_box() == before
    click_relative(page, "target", 0.4, 0.7)
    page.wait_for_timeout(1000)
    assert bar.bounding_box() == before
