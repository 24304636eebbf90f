"""Copy link: what is copied brings back, in a browser that was never here, what was shown."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.browser.test_trace_page import MAIN

pytestmark = pytest.mark.browser
READY = ".li-root[data-ready=true]"
# Every switch of the pages of a pair at another than its default, by the page that shows it.
SWITCHES = {
    "associations": {
        "pairs_class": "car,road",
        "pairs_verdict": "consistent",
        "pairs_truth": "right",
        "pairs_lines": "200",
        "pairs_colour": "class",
        "pairs_clear": "40",
        "pairs_with": "level",
        "pairs_flow": "cycle",
        "pairs_tab": "0",
    },
    "aggregation": {"aggregation_map": "entropy"},
    "segmentation": {"segmentation_inference": "aggregated", "segmentation_bars": "share", "segmentation_chart": "reliability"},
    "features": {
        "feature_length": "full",
        "feature_aggregated": "True",
        "feature_method": "spectral",
        "feature_colour": "domain",
    },
}
SHARED = {"alpha": "0.3", "top_k": "2", "mutual": "True", "pixel": "target-3000", "probes": "s4000.left wheel~t77"}


def told(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def ask(**values: str) -> str:
    return "&".join(f"{name}={value}" for name, value in values.items())


def copy(page) -> str:
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("Link copied.").wait_for(timeout=20_000)
    return page.evaluate("navigator.clipboard.readText()")


def state(page) -> list[str]:
    """What a person sees of the switches: pressed and checked ones, fields and sliders."""
    page.wait_for_selector(READY, timeout=60_000)
    page.locator(".stSpinner").wait_for(state="detached", timeout=60_000)
    page.wait_for_timeout(700)
    return page.evaluate(
        """() => [...document.querySelectorAll(
            '[data-testid=stMain] [aria-checked=true], [data-testid=stMain] [aria-pressed=true], [role=tab][aria-selected=true], '
            + '[data-testid=stMain] input, [data-testid=stMain] [role=slider], [data-testid=stMain] [data-baseweb=tag]')]
            .map(node => node.value || node.getAttribute('aria-valuenow') || node.innerText)"""
    )


def test_what_was_set_by_hand_comes_back_elsewhere(new_page, serve):
    page = new_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"{serve(MAIN)}/associations?{ask(**SHARED)}")
    page.wait_for_selector(READY, timeout=60_000)
    before = state(page)
    page.locator(".st-key-pairs_verdict").get_by_text("Consistent", exact=True).click()
    page.wait_for_function("location.search.includes('pairs_verdict=consistent')", timeout=20_000)
    page.get_by_role("tab", name="Class by class").click()
    page.wait_for_function("location.search.includes('pairs_tab=2')", timeout=20_000)
    link = copy(page)
    here = state(page)
    assert here != before
    other = new_page()
    other.goto(link)
    assert state(other) == here
    assert other.locator(".st-key-pairs_said").inner_text() == page.locator(".st-key-pairs_said").inner_text()
    assert told(other.url) == told(link)
    assert SHARED.items() <= told(link).items()


def test_a_link_keeps_the_switches_of_every_page_while_one_walks_through_them(page, serve):
    wanted = {
        name: value for switches in SWITCHES.values() for name, value in switches.items() if (name, value) != ("pairs_tab", "0")
    }
    page.goto(f"{serve(MAIN)}/?{ask(**SHARED, **wanted)}")
    page.wait_for_selector(READY, timeout=60_000)
    for name in ("Trace", "Associations", "Aggregation", "Segmentation", "Features", "Images", "Trace"):
        page.get_by_role("link", name=name, exact=True).click()
        page.wait_for_function("() => !document.querySelector('[data-stale=true]')", timeout=60_000)
        page.wait_for_function("location.search.includes('feature_colour')", timeout=60_000)
        if name != "Images":
            state(page)
        assert {**SHARED, **wanted}.items() <= told(page.url).items(), name


def test_a_browser_that_copies_nothing_shows_the_link(new_page, serve):
    page = new_page()
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.goto(f"{serve(MAIN)}/?pixel=source-4000")
    page.wait_for_selector(READY, timeout=60_000)
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("press Ctrl + C").wait_for(timeout=20_000)
    assert page.get_by_label("Link to this view").input_value() == page.url


def look(page) -> dict[str, list[str]]:
    """What a person sees of layers, opacity and zoom."""
    page.wait_for_selector(READY, timeout=60_000)
    return {
        "layers": page.locator(".li-choice button[aria-pressed=true]").all_inner_texts(),
        "numbers": page.locator(".li-bar output").all_inner_texts(),
    }


def test_a_link_brings_back_layers_opacity_and_zoom(new_page, serve):
    page, address = new_page(permissions=["clipboard-read", "clipboard-write"]), serve(MAIN)
    page.goto(f"{address}/segmentation")
    before = look(page)
    page.locator("canvas[data-side=source]").press("2")
    page.locator(".li-choice").nth(1).get_by_role("button", name="None").click()
    page.locator("canvas[data-side=source]").press("+")
    page.locator(".li-opacity input").fill("85")
    wanted = look(page)
    assert all(
        was != now for was, now in zip(before["layers"] + before["numbers"], wanted["layers"] + wanted["numbers"], strict=True)
    )
    other = new_page()
    other.goto(copy(page))
    assert look(other) == wanted
    assert "look" not in told(other.url)  # it told how to begin; a reload begins as it stands in the address
    page.locator(".li-zoom [data-do=reset]").click()
    assert "look" in told(copy(page))


@pytest.mark.parametrize(
    "nonsense",
    [
        "segmentation~<script>~-~x~1,2",
        "segmentation~error~error~NaN~NaN,1,2",
        "segmentation~nowhere~nowhere~~9,9,Infinity",
        "~~~~~~~~",
        "other~-~-~5~0,0,4",
    ],
)
def test_a_look_that_is_none_changes_nothing_else(new_page, serve, nonsense):
    page, address = new_page(), serve(MAIN)
    page.goto(f"{address}/segmentation?{urlencode({'look': nonsense})}")
    found = look(page)
    assert found["numbers"] == ["60 %", "1.0×"]
    assert len(found["layers"]) == 2


def test_layers_opacity_and_zoom_outlive_other_pages_and_a_reload(page, serve):
    page.goto(f"{serve(MAIN)}/segmentation")
    look(page)
    page.locator("canvas[data-side=source]").press("3")
    page.locator("canvas[data-side=source]").press("+")
    page.locator(".li-opacity input").fill("85")
    wanted = look(page)
    page.get_by_role("link", name="Losses", exact=True).click()
    page.get_by_text("Weighted loss").first.wait_for(timeout=60_000)
    elsewhere = look(page)
    assert elsewhere["numbers"][1] == wanted["numbers"][1]  # the same part of the same images
    assert elsewhere["numbers"][0] != wanted["numbers"][0]  # but each page has layers and an opacity of its own
    page.get_by_role("link", name="Segmentation", exact=True).click()
    page.get_by_text("Inference", exact=True).first.wait_for(timeout=60_000)
    assert look(page) == wanted
    page.reload()
    assert look(page) == wanted
    page.goto(page.url)  # an address is not a reload: it begins as it says
    assert look(page)["numbers"] == ["60 %", "1.0×"]
