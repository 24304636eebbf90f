"""The linked images by keys, fingers and wheel on the built-in pair, and the thousands of lines over them."""

from __future__ import annotations

import numpy as np
import pytest

from pca_core.analysis.pairs import PairFilter, filter_pairs, list_pairs, thin_pairs
from tests.browser.test_linked_images import click_relative, count_pixels
from tests.browser.test_trace_page import MAIN, chosen_layers, click_pixel, open_trace

pytestmark = pytest.mark.browser
ROWS, COLUMNS = 64, 128


def wait_for_pin(page, side: str, index: int) -> None:
    page.wait_for_function("pixel => location.search.includes('pixel=' + pixel)", arg=f"{side}-{index}", timeout=20_000)
    page.locator(f".st-key-verdict:has-text('({index // COLUMNS}, {index % COLUMNS})')").first.wait_for(timeout=20_000)


def test_z_goes_back_pin_by_pin_and_escape_lets_go(page, serve, analysis):
    open_trace(page, serve(MAIN))
    pins = [1500, 4500, 7001]
    for index in pins:
        click_pixel(page, "source", index, (ROWS, COLUMNS))
        wait_for_pin(page, "source", index)
    canvas = page.locator("canvas[data-side=source]")
    for index in reversed(pins[:-1]):
        canvas.press("z")
        wait_for_pin(page, "source", index)
    canvas.press("z")
    page.wait_for_function("!location.search.includes('pixel=')", timeout=20_000)
    click_pixel(page, "source", pins[0], (ROWS, COLUMNS))
    canvas.press("Escape")
    page.wait_for_function("!location.search.includes('pixel=')", timeout=20_000)


def test_arrows_move_one_feature_pixel_and_enter_pins_it(page, serve):
    open_trace(page, serve(MAIN))
    start = 30 * COLUMNS + 60
    click_pixel(page, "source", start, (ROWS, COLUMNS))
    wait_for_pin(page, "source", start)
    canvas = page.locator("canvas[data-side=source]")
    page.mouse.move(5, 5)
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft", "Shift+ArrowUp"):
        canvas.press(key)
    index = start + 2 * COLUMNS - 8 * COLUMNS
    page.locator(f".li-root[data-shown=source-{index}]").wait_for(timeout=10_000)  # the live map follows the cursor
    canvas.press("Enter")
    wait_for_pin(page, "source", index)
    click_pixel(page, "source", start, (ROWS, COLUMNS))  # the keyboard goes on from what was clicked, answered or not
    for key in ("ArrowRight", "Enter"):
        canvas.press(key)
    wait_for_pin(page, "source", start + 1)


def test_digits_switch_layers_and_question_mark_lists_keys(page, serve):
    open_trace(page, serve(MAIN))
    page.locator("canvas[data-side=target]").focus()
    titles = page.locator(".li-layers[data-side=target] button:not([disabled])").all_inner_texts()
    every = page.locator(".li-layers[data-side=target] button").all_inner_texts()[1:]
    source = chosen_layers(page)[0]
    for digit, title in enumerate(every[:9], start=1):
        if title in titles and chosen_layers(page)[1] != title:
            page.keyboard.press(str(digit))
            assert chosen_layers(page) == [source, title]
    page.keyboard.press(str(every.index(chosen_layers(page)[1]) + 1))
    assert chosen_layers(page) == [source, "None"]
    page.keyboard.press("?")
    words = page.locator(".li-help").inner_text()
    assert all(key in words for key in ("Enter", "Esc", "Z", "1 – 9", "arrows", "L"))
    address = page.url
    page.keyboard.press("Escape")  # closes the list and clears nothing
    assert page.locator(".li-help").is_hidden()
    page.wait_for_timeout(300)
    assert page.url == address


def zoom(page) -> float:
    return float(page.locator(".li-zoom output").inner_text().rstrip("×"))


def test_the_wheel_zooms_both_images_about_the_cursor(page, serve):
    open_trace(page, serve(MAIN))
    box = page.locator("canvas[data-side=source]").bounding_box()
    x, y = (40 + 0.5) / COLUMNS, (20 + 0.5) / ROWS
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    for _ in range(4):
        page.mouse.wheel(0, -120)
    page.locator(".li-zoom [data-do=reset]:enabled").wait_for()
    assert zoom(page) > 2
    for side in ("target", "source"):  # the same place of both is still under the same point of the pane
        click_relative(page, side, x, y)
        wait_for_pin(page, side, 20 * COLUMNS + 40)
    page.locator("canvas[data-side=source]").press("0")
    page.locator(".li-zoom [data-do=reset]:disabled").wait_for()
    click_relative(page, "target", 100.5 / COLUMNS, 50.5 / ROWS)
    wait_for_pin(page, "target", 50 * COLUMNS + 100)


def test_a_tap_pins_and_two_fingers_zoom_both_images(new_page, serve):
    page = new_page(has_touch=True, viewport={"width": 1024, "height": 768})
    open_trace(page, serve(MAIN))
    box = page.locator("canvas[data-side=target]").bounding_box()

    def place(x: float, y: float) -> dict[str, float]:
        return {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}

    tap = place(80.5 / COLUMNS, 40.5 / ROWS)
    page.touchscreen.tap(tap["x"], tap["y"])
    wait_for_pin(page, "target", 40 * COLUMNS + 80)
    touch = page.context.new_cdp_session(page)

    def fingers(kind: str, *places: dict[str, float]) -> None:
        points = [{**at, "id": i} for i, at in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", place(0.4, 0.5))
    fingers("touchStart", place(0.4, 0.5), place(0.6, 0.5))
    for step in range(1, 6):
        fingers("touchMove", place(0.4 - 0.02 * step, 0.5), place(0.6 + 0.02 * step, 0.5))
    fingers("touchEnd")
    # By hand: from 0.2 to 0.4 of the width is twice as large about the middle, so that 0.258 of the pane shows 0.25 + 0.129 =
    # 0.379 of the image, column 48.5, and 0.266 shows 0.383, row 24.5.
    assert zoom(page) == pytest.approx(2, abs=0.05)
    box = page.locator("canvas[data-side=source]").bounding_box()
    tap = place(0.258, 0.266)
    page.touchscreen.tap(tap["x"], tap["y"])
    wait_for_pin(page, "source", 24 * COLUMNS + 48)


# --- thousands of lines ----------------------------------------------------------------------------------------------


def open_lines(page, url: str, query: str = "") -> None:
    page.goto(f"{url}/associations{query}")
    page.wait_for_selector(".li-root[data-ready=true]", timeout=60_000)
    page.mouse.move(5, 5)


def wait_for_lines(page, count: int) -> None:
    page.locator(f".li-root[data-lines='{count}']").wait_for(timeout=20_000)


def choose(page, key: str, text: str) -> None:
    page.locator(f".st-key-{key}").get_by_text(text, exact=True).click()


def test_as_many_lines_as_pass_the_filter_are_drawn(page, serve, analysis):
    open_lines(page, serve(MAIN))
    wait_for_lines(page, 1000)
    pairs = list_pairs(analysis)
    broken = filter_pairs(pairs, PairFilter(verdicts=("inconsistent",)))
    assert 200 < len(broken) < 1000
    choose(page, "pairs_verdict", "Breaks")
    wait_for_lines(page, len(broken))
    assert f"cycle breaks {len(broken)}" in page.locator(".li-key").inner_text()
    choose(page, "pairs_lines", "200")
    wait_for_lines(page, 200)
    choose(page, "pairs_verdict", "All")
    choose(page, "pairs_lines", "5,000")
    wait_for_lines(page, 5000)
    page.locator("canvas[data-side=source]").focus()
    inked = count_pixels(page, ".li-wires")
    choose(page, "pairs_lines", "None")
    page.get_by_text("; 0 drawn.").wait_for(timeout=20_000)
    page.wait_for_timeout(500)
    assert count_pixels(page, ".li-wires") < inked / 3  # the arrows of the telling pair stay


def test_zoomed_in_only_lines_between_visible_pixels_are_drawn(page, serve, analysis):
    open_lines(page, serve(MAIN))
    wait_for_lines(page, 1000)
    for _ in range(2):
        page.locator(".li-zoom [data-do=in]").click()
    drawn = thin_pairs(list_pairs(analysis), 1000)
    edge = 0.5 - 0.5 / 2.25

    def is_in(index: np.ndarray) -> np.ndarray:
        shares = [(place + 0.5) / size for place, size in zip(np.divmod(index, COLUMNS), (ROWS, COLUMNS), strict=True)]
        return np.logical_and.reduce([(edge <= share) & (share <= 1 - edge) for share in shares])

    expected = int((is_in(drawn.source_index) & is_in(drawn.target_index)).sum())
    assert 5 < expected < 500
    wait_for_lines(page, expected)
