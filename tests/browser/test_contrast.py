"""Words on both themes are dark or bright enough to be read: 4.5 : 1, as WCAG AA asks of small text."""

from __future__ import annotations

import re
import time

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.browser
MAIN = ROOT / "app/main.py"
CHOSEN = {  # the page it is on, and its words
    "segmented control": ("", "button[data-variant=segmented_control][data-selected=true] p"),
    "tab": ("", "[data-testid=stTab][aria-selected=true] p"),
    "slider": ("", "[data-testid=stSliderThumbValue] p"),
    "layer": ("", ".li-choice button[aria-pressed=true]"),
    "pill": ("losses", "button[data-variant=pills][data-selected=true] p"),
    "button": ("losses", ".st-key-tour_start button[kind=primary] p"),
}
COLOURS = """element => {
    const grounds = [];
    let at = element.closest("[data-testid=stSlider]") ?? element; // its number is a child of the knob, but stands above it
    for (; at; at = at.parentElement ?? at.getRootNode().host ?? null) grounds.push(getComputedStyle(at).backgroundColor);
    return [getComputedStyle(element).color, ...grounds];
}"""


def read_colour(text: str) -> tuple[list[float], float]:
    """RGB 0-1 and opacity of a computed colour."""
    numbers = [float(number) for number in re.findall(r"[\d.]+", text)]
    scale = 1 if text.startswith("color(") else 255
    return [number / scale for number in numbers[:3]], (numbers[3] if len(numbers) > 3 else 1.0)


def luminance(colour: list[float]) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(words) -> float:
    """WCAG contrast of the words with what they stand on; translucent grounds are laid over each other."""
    ink, *grounds = words.evaluate(COLOURS)
    ground = [1.0, 1.0, 1.0]
    for colour, opacity in map(read_colour, reversed(grounds)):
        ground = [opacity * part + (1 - opacity) * below for part, below in zip(colour, ground, strict=True)]
    low, high = sorted([luminance(read_colour(ink)[0]), luminance(ground)])
    return (high + 0.05) / (low + 0.05)


def settled_contrast(words, seconds: float = 5) -> float:
    """Contrast once the page's own style is there: on a busy machine Streamlit paints an element in its own colours first."""
    deadline = time.monotonic() + seconds
    while (found := contrast(words)) < 4.5 and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_chosen_can_be_read(new_page, serve, scheme):
    page, address, opened = new_page(color_scheme=scheme), serve(MAIN), None
    for path, selector in CHOSEN.values():
        if path != opened:
            page.goto(f"{address}/{path}")
            opened = path
        words = page.locator(selector).first
        words.wait_for(timeout=60_000)
        assert settled_contrast(words) >= 4.5, selector
