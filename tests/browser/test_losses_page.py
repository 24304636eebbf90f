"""Losses as a person meets them: the ledger, a click that tells what a pixel pays, and the switch of aggregation."""

from __future__ import annotations

import pytest

from app.state.session import BUILT_IN_CHECKPOINT
from app.views.loss_words import PICK_NAMES
from pca_core import AssociationConfig, load_checkpoint
from pca_core.analysis.loss_ledger import LossLedger, write_ledger
from pca_core.analysis.loss_readings import PICKS, describe_pixel, measure_reach, read_ledger, top_pixels, weigh
from pca_core.losses import LossWeights
from tests.browser.test_trace_page import MAIN, analysis, click_pixel  # noqa: F401 (a fixture among them)

pytestmark = pytest.mark.browser
WEIGHTS = LossWeights()


@pytest.fixture(scope="module")
def ledgers(analysis) -> list[LossLedger]:  # noqa: F811
    """With aggregation and without, straight from the core."""
    classify = load_checkpoint(BUILT_IN_CHECKPOINT).model.classify
    return [write_ledger(analysis.pair, classify, AssociationConfig(alpha=alpha)) for alpha in (0.5, 0.0)]


def open_losses(page, url: str, query: str = "") -> None:
    page.goto(f"{url}/losses{query}")
    page.wait_for_selector(".li-root[data-ready=true]", timeout=60_000)
    page.locator(".st-key-loss_top canvas").first.wait_for(timeout=30_000)


def wait_for_metric(page, label: str, value: str) -> None:
    """Wait until the number with this label is this one."""
    page.wait_for_function(
        "([label, value]) => [...document.querySelectorAll('[data-testid=stMetric]')].some("
        "one => one.textContent.includes(label) && one.textContent.includes(value))",
        arg=[label, value],
        timeout=20_000,
    )


def reaches(ledgers: list[LossLedger], pick: str) -> list:
    readings = [read_ledger(ledger, WEIGHTS, PICKS[pick]) for ledger in ledgers]
    return [measure_reach(one.gradient["target"], readings[1].average("target")) for one in readings]


def test_numbers_are_those_of_the_core_with_aggregation_and_without(page, serve, ledgers):
    open_losses(page, serve(MAIN))
    for pick in ("all", "associations"):
        page.get_by_role("radio", name=PICK_NAMES[pick], exact=True).or_(
            page.get_by_role("button", name=PICK_NAMES[pick], exact=True)
        ).first.click()
        for ledger, reach in zip(ledgers, reaches(ledgers, pick), strict=True):
            wait_for_metric(page, "At or above mean", f"{reach.at_even:.1%}")
            wait_for_metric(page, "Weighted loss", f"{read_ledger(ledger, WEIGHTS, PICKS[pick]).total:.4g}")
            wait_for_metric(page, "Maximum", f"{reach.maximum:,.0f} ×")
            if ledger is ledgers[0]:
                page.locator(".st-key-loss_aggregation label").first.click()
        page.locator(".st-key-loss_aggregation label").first.click()
    assert "loss_term=associations" in page.url
    assert "loss_aggregation" not in page.url


def test_a_click_tells_what_a_pixel_pays(page, serve, analysis, ledgers):  # noqa: F811
    open_losses(page, serve(MAIN))
    index = 4500
    for side in ("source", "target"):
        grid = getattr(analysis.pair, f"{side}_size")
        click_pixel(page, side, index, grid)
        place = page.locator(f".st-key-loss_pixel_{side}")
        place.get_by_text(f"{side} row {index // grid[1]}, col {index % grid[1]}").wait_for(timeout=20_000)
        whole = describe_pixel(*ledgers, WEIGHTS, side, index)[-1]
        place.get_by_text(f"gradient {whole.gradient:.3g} × the mean").wait_for(timeout=20_000)
        place.get_by_text(f"pays {whole.paid:.2g} × an even share".replace("-", "−")).wait_for(timeout=20_000)


def test_a_weight_changes_the_objective_and_stays_in_the_address(page, new_page, serve, ledgers):
    open_losses(page, serve(MAIN))
    box = page.locator(".st-key-loss_weight_lovasz input")
    box.fill("2")
    box.press("Enter")
    total = sum(entry.weighted for entry in weigh(ledgers[0], LossWeights(lovasz=2.0)))
    wait_for_metric(page, "Weighted loss", f"{total:.4g}")
    page.wait_for_function("location.search.includes('loss_weight_lovasz=2.0')", timeout=20_000)
    other = new_page()
    other.goto(page.url)
    wait_for_metric(other, "Weighted loss", f"{total:.4g}")
    page.get_by_role("button", name="The paper's weights").click()
    wait_for_metric(page, "Weighted loss", f"{sum(entry.weighted for entry in weigh(ledgers[0], WEIGHTS)):.4g}")


def test_layers_open_and_the_row_of_a_pixel_pins_it(page, serve, ledgers):
    open_losses(page, serve(MAIN), "?loss_term=lovasz")
    targets = page.locator(".li-layers[data-side=target]")
    assert targets.get_by_role("button", name="Difference", exact=True).is_disabled()  # reaches the source only
    sources = page.locator(".li-layers[data-side=source]")
    for layer in ("Gradient with α", "Gradient without", "Difference", "Pays"):
        sources.get_by_role("button", name=layer, exact=True).click()
        assert sources.get_by_role("button", name=layer, exact=True).get_attribute("aria-pressed") == "true"
    (first, _), *_ = top_pixels(read_ledger(ledgers[0], WEIGHTS, ["lovasz"]).paid["source"], 1)
    table = page.locator(".st-key-loss_top canvas").first
    table.scroll_into_view_if_needed()
    table.click(position={"x": 18, "y": 55})  # the box of the first row
    page.wait_for_function("pixel => location.search.includes(pixel)", arg=f"pixel=source-{first}", timeout=20_000)
