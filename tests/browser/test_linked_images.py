"""The linked images in a real browser: what is clicked, what arrives, what is drawn."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

PAGE = Path(__file__).with_name("linked_images_page.py")
ROWS, COLUMNS = 16, 32  # as in linked_images_page.py
TIMEOUT_MS = 30_000
JPEG_START = b"\xff\xd8\xff"


@pytest.fixture
def address(serve: Callable[..., str]) -> str:
    return serve(PAGE)


def open_pair(page: Page, address: str) -> Page:
    page.goto(address)
    page.wait_for_selector(".li-root[data-ready=true]", timeout=TIMEOUT_MS)
    return page


def expect_text(page: Page, text: str) -> None:
    page.get_by_text(text, exact=True).wait_for(timeout=TIMEOUT_MS)


def read_counts(page: Page) -> str:
    return page.get_by_text(re.compile(r"^calls \d+")).inner_text()


def count_payloads(page: Page) -> int:
    return int(page.locator(".li-root").get_attribute("data-serial"))


def wait_for_payload(page: Page, before: int) -> None:
    page.locator(f".li-root:not([data-serial='{before}'])").wait_for(timeout=TIMEOUT_MS)


def click_relative(page: Page, side: str, x: float, y: float) -> None:
    """Click a point given from 0 to 1 along the sides of a pane, with whole and exact CSS pixels."""
    box = page.locator(f"canvas[data-side={side}]").bounding_box()
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def click_cell(page: Page, side: str, row: int, column: int) -> None:
    click_relative(page, side, (column + 0.5) / COLUMNS, (row + 0.5) / ROWS)


def count_pixels(page: Page, selector: str, near: tuple[int, int, int] | None = None) -> int:
    """Count pixels of a canvas that are opaque, or that are within 24 of an RGB colour."""
    return page.locator(selector).evaluate(
        """(canvas, near) => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let count = 0;
            for (let i = 0; i < data.length; i += 4) {
                if (data[i + 3] < 200) continue;
                if (!near || near.every((part, channel) => Math.abs(data[i + channel] - part) < 24)) count += 1;
            }
            return count;
        }""",
        near,
    )


def read_pixel(page: Page, side: str, x: float, y: float) -> list[int]:
    return page.locator(f"canvas[data-side={side}]").evaluate(
        """(canvas, [x, y]) => {
            const at = [Math.floor(x * canvas.width), Math.floor(y * canvas.height)];
            return [...canvas.getContext("2d").getImageData(...at, 1, 1).data];
        }""",
        [x, y],
    )


@pytest.mark.parametrize(
    ("scale", "side", "row", "column"),
    [
        (1, "source", 0, 0),  # first pixel, under the rounded corner
        (1.5, "source", 7, 19),
        (2, "target", ROWS - 1, COLUMNS - 1),  # last pixel
    ],
)
def test_click_arrives_as_exactly_this_index(new_page, address, scale, side, row, column) -> None:
    page = open_pair(new_page(device_scale_factor=scale), address)
    click_cell(page, side, row, column)
    expect_text(page, f"pixel {side} {row * COLUMNS + column}")
    expect_text(page, "calls 1 returned 1")


def test_an_upright_image_fits_the_window_and_is_clicked_exactly(page, address) -> None:
    open_pair(page, f"{address}/?upright=1")
    box = page.locator("canvas[data-side=target]").bounding_box()
    assert box["height"] <= 0.6 * page.viewport_size["height"] + 1
    assert box["width"] == pytest.approx(box["height"] / 2, abs=1)
    click_relative(page, "target", (9 + 0.5) / ROWS, (20 + 0.5) / COLUMNS)
    expect_text(page, f"pixel target {20 * ROWS + 9}")


def test_click_near_the_border_of_a_cell_hits_this_cell(page, address) -> None:
    open_pair(page, address)
    click_relative(page, "source", 11.03 / COLUMNS, 5.04 / ROWS)
    expect_text(page, f"pixel source {5 * COLUMNS + 11}")
    click_relative(page, "source", 14.97 / COLUMNS, 5.96 / ROWS)
    expect_text(page, f"pixel source {5 * COLUMNS + 14}")


def test_click_is_exact_when_zoomed_and_panned_at_two_device_pixels(new_page, address) -> None:
    page = open_pair(new_page(device_scale_factor=2), address)
    for _ in range(2):  # each step is 1.5 about the middle: the view is 1 / 2.25 of the image
        page.locator(".li-zoom [data-do=in]").click()
    assert page.locator(".li-zoom output").inner_text() == "2.3×"
    # By hand: the view spans 1 / 2.25 = 0.444 from (1 - 0.444) / 2 = 0.278. The point 0.25 of the pane shows
    # 0.278 + 0.25 * 0.444 = 0.389: column 12.4 of 32, row 6.2 of 16.
    click_relative(page, "target", 0.25, 0.25)
    expect_text(page, f"pixel target {6 * COLUMNS + 12}")
    # A drag by 0.09 of the pane to the left moves the view right by 0.09 * 0.444 = 0.04: column 13.7, and pins nothing.
    box = page.locator("canvas[data-side=target]").bounding_box()
    x, y = box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 0.09 * box["width"], y, steps=5)
    page.mouse.up()
    click_relative(page, "target", 0.25, 0.25)
    expect_text(page, f"pixel target {6 * COLUMNS + 13}")
    expect_text(page, "calls 2 returned 2")


def test_wheel_zooms_about_the_cursor(page, address) -> None:
    open_pair(page, address)
    box = page.locator("canvas[data-side=source]").bounding_box()
    x, y = 20.5 / COLUMNS, 4.5 / ROWS
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    for _ in range(3):
        page.mouse.wheel(0, -100)
    page.locator(".li-zoom [data-do=reset]:enabled").wait_for()
    click_relative(page, "source", x, y)
    expect_text(page, f"pixel source {4 * COLUMNS + 20}")


def test_keyboard_moves_and_pins_and_clears(page, address) -> None:
    open_pair(page, address)
    page.locator("canvas[data-side=target]").focus()
    for key in ["ArrowRight", "ArrowRight", "ArrowDown", "Shift+ArrowLeft"]:  # from the middle, (8, 16)
        page.keyboard.press(key)
    assert page.locator(".li-status[data-side=target]").inner_text().startswith("row 9, col 10 · ")
    page.keyboard.press("Enter")
    expect_text(page, f"pixel target {9 * COLUMNS + 10}")
    page.keyboard.press("Escape")
    expect_text(page, "pixel none none")


def test_hover_tells_row_column_and_class(page, address) -> None:
    open_pair(page, address)
    box = page.locator("canvas[data-side=target]").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 2.5 / COLUMNS, box["y"] + box["height"] * 0.5 / ROWS)
    assert page.locator(".li-status[data-side=target]").inner_text() == "row 0, col 2 · unlabelled"
    page.mouse.move(box["x"] + box["width"] * 16.5 / COLUMNS, box["y"] + box["height"] * 15.5 / ROWS)
    assert page.locator(".li-status[data-side=target]").inner_text() == "row 15, col 16 · road"


def test_layer_changes_the_pixels_of_its_pane_only(page, address) -> None:
    open_pair(page, address)
    before = {side: read_pixel(page, side, 0.99, 0.97) for side in ("source", "target")}
    page.locator(".li-choice").first.get_by_role("button", name="Similarity").click()
    page.wait_for_timeout(150)
    red, green, blue, _ = read_pixel(page, "source", 0.99, 0.97)  # value 255: viridis yellow (253, 231, 37) at 60 %
    for part, of_image, of_layer in zip((red, green, blue), before["source"], (253, 231, 37), strict=False):
        assert part == pytest.approx(0.4 * of_image + 0.6 * of_layer, abs=3)
    assert read_pixel(page, "target", 0.99, 0.97) == before["target"]
    page.locator("canvas[data-side=source]").focus()
    page.keyboard.press("1")  # the same layer again: off
    page.wait_for_timeout(150)
    assert read_pixel(page, "source", 0.99, 0.97) == before["source"]


def test_rerun_for_another_reason_does_not_repeat_the_click(page, address) -> None:
    open_pair(page, address)
    click_cell(page, "source", 3, 4)
    expect_text(page, "calls 1 returned 1")
    page.get_by_role("button", name="Again").click()
    page.wait_for_timeout(600)
    assert read_counts(page) == "calls 1 returned 1"
    click_cell(page, "source", 3, 4)  # the same pixel, but a new click
    expect_text(page, "calls 2 returned 2")


@pytest.mark.parametrize(
    ("column", "ink"),
    [
        (4, (56, 201, 224)),  # even index: consistent
        (5, (255, 139, 61)),  # odd index: inconsistent
    ],
)
def test_link_is_drawn_in_the_colour_of_its_outcome(page, address, column, ink) -> None:
    open_pair(page, address)
    assert count_pixels(page, ".li-wires") == 0
    before = count_payloads(page)
    click_cell(page, "source", 3, column)
    wait_for_payload(page, before)
    page.mouse.move(5, 5)
    assert count_pixels(page, ".li-wires", near=ink) > 1000
    gap = page.locator(".li-wires").evaluate(
        """(canvas) => {
            const column = canvas.getContext("2d").getImageData(Math.round(canvas.width / 2), 0, 1, canvas.height);
            return column.data.some((part) => part > 0);
        }"""
    )
    assert gap, "no arrow crosses the gap between the panes"


def test_title_from_outside_is_text(page, address) -> None:
    open_pair(page, address)
    assert page.locator(".li-name").nth(1).inner_text().startswith("Night <img src=x onerror=")
    assert page.locator(".li-root img").count() == 0
    assert page.title() != "broken"


def test_a_click_does_not_move_the_page_nor_resend_the_images(new_page, address) -> None:
    page = new_page()
    frames: list[bytes] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(frame)))  # noqa: PLW0108
    open_pair(page, address)
    assert any(JPEG_START in frame for frame in frames)
    frames.clear()
    box = page.locator(".li-root").bounding_box()
    before = count_payloads(page)
    click_cell(page, "source", 8, 8)
    wait_for_payload(page, before)
    assert page.locator(".li-root").bounding_box() == box
    assert frames
    assert not any(JPEG_START in frame for frame in frames)


def test_narrow_page_stacks_the_panes(new_page, address) -> None:
    page = open_pair(new_page(viewport={"width": 600, "height": 900}), address)
    source, target = (page.locator(f"canvas[data-side={side}]").bounding_box() for side in ("source", "target"))
    assert target["y"] > source["y"] + source["height"]
    click_cell(page, "target", 2, 30)
    expect_text(page, f"pixel target {2 * COLUMNS + 30}")
