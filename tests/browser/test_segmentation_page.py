"""Segmentation as a person meets it: numbers, a click that tells two pixels, layers and the switch between inferences."""

from __future__ import annotations

import pytest

from app.state.session import BUILT_IN, BUILT_IN_CHECKPOINT
from pca_core import load_checkpoint
from pca_core.analysis.segmentation import describe_pixel, describe_segmentation
from pca_core.data import FolderDataset
from pca_core.inference import aggregate_prediction
from tests.browser.test_trace_page import MAIN, click_pixel

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def probabilities(analysis) -> dict[str, dict]:
    """Inference -> side -> (K, h, w), straight from the core."""
    pair, checkpoint = analysis.pair, load_checkpoint(BUILT_IN_CHECKPOINT)
    features = {"source": pair.source_features, "target": pair.target_features}
    return {
        "plain": {"source": pair.source_probabilities, "target": pair.target_probabilities},
        "aggregated": {side: aggregate_prediction(checkpoint, one, 0.5) for side, one in features.items()},
    }


def open_segmentation(page, url: str, query: str = "") -> None:
    page.goto(f"{url}/segmentation{query}")
    page.wait_for_selector(".li-root[data-ready=true]", timeout=60_000)
    page.locator("[class*=st-key-segmentation_judgement] .js-plotly-plot").wait_for(timeout=30_000)


def wait_for_pixel(page, side: str, text: str) -> str:
    place = page.locator(f".st-key-segmentation_pixel_{side}")
    place.get_by_text(text).wait_for(timeout=20_000)
    return place.inner_text()


def wait_for_class(page, side: str, told, names) -> None:
    """Wait until the bars begin with the most probable class and its share."""
    (best, share), *_ = told.likely
    words = [names[best], f"{share:.1%}"]
    page.wait_for_function(
        "([side, words]) => { const text = document.querySelector(`.st-key-segmentation_pixel_${side}`).textContent;"
        " return words.every(word => text.includes(word)) }",
        arg=[side, words],
        timeout=20_000,
    )


def test_numbers_are_those_of_the_core(page, serve, probabilities):
    open_segmentation(page, serve(MAIN))
    for side in ("source", "target"):
        sample = FolderDataset(BUILT_IN[side])[0]
        plain, aggregated = (
            describe_segmentation(probabilities[name][side], sample.image.shape[:2], sample.label)
            for name in ("plain", "aggregated")
        )
        shown = page.locator(f".st-key-segmentation_numbers_{side}").inner_text()
        assert f"{plain.score.miou:.1f}" in shown
        assert f"{plain.score.miou - aggregated.score.miou:+.1f}" in shown
        assert f"{plain.mean_confidence:.1%}" in shown
        assert f"{plain.mean_entropy:.3f}" in shown
        page.get_by_text(f"calibration error {plain.reliability.error:.1%}").wait_for()


def test_a_click_tells_the_pixel_and_its_associated_pixel(page, serve, analysis, probabilities):
    open_segmentation(page, serve(MAIN))
    names = load_checkpoint(BUILT_IN_CHECKPOINT).label_space.class_names
    index, association = 4500, analysis.association
    for side, other, partner in (
        ("source", "target", association.target_index),
        ("target", "source", association.target_return_index),
    ):
        grid = {"source": association.source_size, "target": association.target_size}
        click_pixel(page, side, index, grid[side])
        for one, at in ((side, index), (other, int(partner[index]))):
            row, column = divmod(at, grid[one][1])
            text = wait_for_pixel(page, one, f"{one} row {row}, col {column}")
            assert ("Pinned pixel" if one == side else "Its associated pixel") in text
            wait_for_class(page, one, describe_pixel(probabilities["plain"][one], None, at), names)
    page.get_by_role("radio", name="With aggregation", exact=True).click()
    page.get_by_text("compared with plain inference").wait_for(timeout=20_000)
    wait_for_class(page, "target", describe_pixel(probabilities["aggregated"]["target"], None, index), names)
    assert f"pixel=target-{index}" in page.url


def test_a_link_restores_the_switches_and_every_layer_opens(page, serve):
    query = "?segmentation_inference=aggregated&segmentation_bars=change&segmentation_chart=reliability"
    open_segmentation(page, serve(MAIN), query)
    page.get_by_text("compared with plain inference").wait_for(timeout=20_000)
    page.get_by_text("Below the dotted line").wait_for(timeout=20_000)
    top = page.locator(".li-bar").first.bounding_box()["y"]
    for layer in ("Labels", "Error", "Confidence", "Entropy", "Margin", "Aggregation changes"):
        buttons = page.locator(".li-root").get_by_text(layer, exact=True)
        assert buttons.count() == 2
        buttons.nth(1).click()
        page.wait_for_timeout(150)
        assert page.locator(".li-bar").first.bounding_box()["y"] == pytest.approx(top, abs=1)
    legend = page.locator(".li-root").inner_text()
    assert "became wrong" in legend
