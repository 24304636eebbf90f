"""Losses as a person meets them: the ledger, a click that tells what a pixel pays, and the switch of aggregation."""

from __future__ import annotations

import pytest

from app.state.session import BUILT_IN_CHECKPOINT
from app.views.loss_words import PICK_NAMES
from pca_core import AssociationConfig, load_checkpoint
from pca_core.analysis.loss_ledger import LossLedger, write_ledger
from pca_core.analysis.loss_readings import PICKS, describe_pixel, measure_reach, read_ledger, top_pixels, weigh
from pca_core.losses import LossWeights
from tests.browser.test_trace_page import MAIN, click_pixel

pytestmark = pytest.mark.browser
WEIGHTS = LossWeights()


@pytest.fixture(scope="module")
def ledgers(analysis) -> list[LossLedger]:
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


def check_numbers(page, ledgers: list[LossLedger], pick: str, *, is_on: bool) -> None:
    readings = [read_ledger(ledger, WEIGHTS, PICKS[pick]) for ledger in ledgers]
    now = readings[0 if is_on else 1]
    reach = measure_reach(now.gradient["target"], readings[1].average("target"))
    wait_for_metric(page, "At or above mean", f"{reach.at_even:.1%}")
    wait_for_metric(page, "Weighted loss", f"{now.total:.4g}")
    wait_for_metric(page, "Maximum", f"{reach.maximum:,.0f} ×")


def test_numbers_are_those_of_the_core_with_aggregation_and_without(page, serve, ledgers):
    open_losses(page, serve(MAIN))
    check_numbers(page, ledgers, "all", is_on=True)
    page.locator(".st-key-loss_aggregation label").first.click()
    check_numbers(page, ledgers, "all", is_on=False)
    page.locator(".st-key-loss_term").get_by_text(PICK_NAMES["associations"], exact=True).click()
    check_numbers(page, ledgers, "associations", is_on=False)
    page.locator(".st-key-loss_aggregation label").first.click()
    check_numbers(page, ledgers, "associations", is_on=True)
    page.wait_for_function("location.search.includes('loss_term=associations') && !location.search.includes('loss_aggregation')")


def test_a_click_tells_what_a_pixel_pays(page, serve, analysis, ledgers):
    open_losses(page, serve(MAIN))
    index = 4500
    for side in ("source", "target"):
        grid = getattr(analysis.pair, f"{side}_size")
        click_pixel(page, side, index, grid)
        place = page.locator(f".st-key-loss_pixel_{side}")
        place.get_by_text(f"{side} row {index // grid[1]}, col {index % grid[1]}").wait_for(timeout=20_000)
        whole = describe_pixel(*ledgers, WEIGHTS, side, index)[-1]
        place.get_by_text(f"gradient {whole.gradient:.3g} × the mean").wait_for(timeout=20_000)
        verb = "pays" if side == "source" else "lowers the objective by"  # smoothing is all that a target pixel pays
        place.get_by_text(f"{verb} {abs(whole.paid):.2g} × an even share").wait_for(timeout=20_000)


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
    table.click(position={"x": 18, "y": 55}, force=True)  # the box of the first row, below the table's own scroller
    page.wait_for_function("pixel => location.search.includes(pixel)", arg=f"pixel=source-{first}", timeout=20_000)
