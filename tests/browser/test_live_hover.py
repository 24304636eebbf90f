"""What the browser finds under the cursor by itself, on the built-in pair: read off the canvas and held against the core."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from app.components.linked_images import VIRIDIS
from pca_core import PairAnalysis
from pca_core.analysis.live_features import compress_features
from tests.browser.test_trace_page import MAIN, open_trace

pytestmark = pytest.mark.browser
STEPS = {tuple(colour): step for step, colour in enumerate(VIRIDIS.tolist())}
OTHER = {"source": "target", "target": "source"}
WHOLE = (0.0, 0.0, 1.0)  # left, top and scale of the view, in shares of the image
TWICE = (0.5 - 0.5 / 2.25, 0.5 - 0.5 / 2.25, 2.25)  # after two steps of 1.5 about the middle


def open_live(page, url: str) -> None:
    """With the overlay opaque, so that colours on the canvas are those of the map."""
    open_trace(page, url)
    page.locator(".li-root[data-live=true]").wait_for(timeout=20_000)
    page.locator(".li-opacity input").fill("100")


def hover(page, side: str, index: int, grid: tuple[int, int], view=WHOLE) -> None:
    left, top, scale = view
    row, column = divmod(index, grid[1])
    box = page.locator(f"canvas[data-side={side}]").bounding_box()
    x, y = ((column + 0.5) / grid[1] - left) * scale, ((row + 0.5) / grid[0] - top) * scale
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.locator(f".li-root[data-shown={side}-{index}]").wait_for(timeout=10_000)


def read_map(page, side: str, grid: tuple[int, int], view=WHOLE) -> np.ndarray:
    """(h, w) steps of viridis in the middle of every feature pixel; −1 out of view."""
    colours = page.locator(f"canvas[data-side={side}]").evaluate(
        """(canvas, [rows, columns, left, top, scale]) => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const found = [];
            for (let row = 0; row < rows; row += 1)
                for (let column = 0; column < columns; column += 1) {
                    const x = Math.floor(((column + 0.5) / columns - left) * scale * canvas.width);
                    const y = Math.floor(((row + 0.5) / rows - top) * scale * canvas.height);
                    const isIn = x >= 0 && y >= 0 && x < canvas.width && y < canvas.height;
                    const at = 4 * (y * canvas.width + x);
                    found.push(isIn ? [data[at], data[at + 1], data[at + 2]] : null);
                }
            return found;
        }""",
        [*grid, *view],
    )
    return np.array([-1 if colour is None else STEPS[tuple(colour)] for colour in colours]).reshape(grid)


def read_legend(page, side: str) -> tuple[float, float]:
    """The two ends of the colour bar in sight; no other legend is."""
    shown = [text for text in page.locator(f".li-layers[data-side={side}] .li-legend:visible").all_inner_texts() if text]
    assert len(shown) == 1
    ends = re.findall(r"[−-]?\d+\.?\d*", shown[0])[:2]
    assert len({len(number.partition(".")[2]) for number in ends}) == 1  # as many decimals
    return tuple(float(number.replace("−", "-")) for number in ends)


def exact_row(analysis: PairAnalysis, side: str, index: int) -> np.ndarray:
    """(h, w) similarity of a pixel to every pixel of the other image."""
    direction = analysis.directions()[side == "target"]
    row = direction.key_ND @ direction.query_RD[index] + direction.offset_R[index]
    return row.reshape(analysis.pair.target_size if side == "source" else analysis.pair.source_size).numpy()


def check_map(page, analysis: PairAnalysis, side: str, index: int, view=WHOLE) -> None:
    """Every cell in view has the colour of its exact similarity, and the brightest is the core's first choice."""
    exact = exact_row(analysis, side, index)
    painted = read_map(page, OTHER[side], exact.shape, view)
    seen = painted >= 0
    expected = (exact - exact.min()) / np.ptp(exact) * 255
    assert np.abs(painted - expected)[seen].max() < 1.5
    best = np.unravel_index(exact.argmax(), exact.shape)
    assert seen[best]
    assert painted[best] == painted.max() == 255


@pytest.mark.parametrize("level", ["feature", "prediction"])
def test_the_map_under_the_cursor_is_the_exact_one(page, serve, analysis, level):
    one = analysis.with_config(replace(analysis.config, level=level))
    open_live(page, f"{serve(MAIN)}/?level={level}")
    for side, index in (("source", 4500), ("source", 1700), ("target", 7000), ("target", 3333)):
        grid = one.pair.source_size if side == "source" else one.pair.target_size
        hover(page, side, index, grid)
        check_map(page, one, side, index)
        exact = exact_row(one, side, index)
        row, column = np.unravel_index(exact.argmax(), exact.shape)
        told = page.locator(f".li-status[data-side={OTHER[side]}]").inner_text()
        assert told.startswith(f"most similar: row {row}, col {column} · ")
        assert float(re.search(r"−?[\d.]+$", told.replace("-", "−"))[0].replace("−", "-")) == pytest.approx(exact.max(), abs=2e-3)
        low, high = read_legend(page, OTHER[side])
        assert (low, high) == pytest.approx((exact.min(), exact.max()), rel=6e-3, abs=6e-3)


def test_the_cycle_under_the_cursor_is_judged_as_the_switch_says(page, serve, analysis):
    mutual = analysis.with_config(replace(analysis.config, mutual=True)).association
    only_not_mutual = int((analysis.association.is_consistent & ~mutual.is_consistent).nonzero()[0])
    broken = int((~analysis.association.is_consistent & analysis.association.is_labelled).nonzero()[0])
    grid = analysis.pair.source_size
    for address, verdict in (("/", "consistent"), ("/?mutual=True", "inconsistent")):
        open_live(page, serve(MAIN) + address)
        for index, expected in ((only_not_mutual, verdict), (broken, "inconsistent")):
            hover(page, "source", index, grid)
            assert page.locator(".li-root").get_attribute("data-verdict") == expected
    hover(page, "source", int(mutual.is_consistent.nonzero()[0]), grid)
    assert page.locator(".li-root").get_attribute("data-verdict") == "consistent"


def test_the_map_is_exact_when_zoomed_at_two_device_pixels(new_page, serve, analysis):
    page = new_page(device_scale_factor=2)
    open_live(page, serve(MAIN))
    grid, left, scale = analysis.pair.source_size, TWICE[0], TWICE[2]
    hover(page, "source", 4500, grid)
    check_map(page, analysis, "source", 4500)
    for _ in range(2):
        page.locator(".li-zoom [data-do=in]").click()

    def is_in(index: int) -> bool:
        return all(
            left < (place + 0.5) / size < left + 1 / scale for place, size in zip(divmod(index, grid[1]), grid, strict=True)
        )

    match = analysis.association.candidate_index[:, 0].tolist()
    seen = [index for index in range(len(match)) if is_in(index) and is_in(match[index])]
    for index in seen[:: max(len(seen) // 3, 1)][:3]:
        hover(page, "source", index, grid, TWICE)
        check_map(page, analysis, "source", index, TWICE)


def test_other_features_may_come_while_the_cursor_rests_on_an_image(page, serve, analysis):
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_live(page, serve(MAIN))
    grid = analysis.pair.source_size
    hover(page, "source", 4500, grid)
    serial = page.locator(".li-root").get_attribute("data-serial")
    page.locator(".st-key-alpha [role=slider], .st-key-alpha input[type=range]").first.focus()
    page.keyboard.press("ArrowLeft")
    page.locator(f".li-root:not([data-serial='{serial}'])").wait_for(timeout=20_000)
    page.locator(".li-root[data-live=true][data-shown=source-4500]").wait_for(timeout=20_000)
    assert not errors
    check_map(page, analysis.with_config(replace(analysis.config, alpha=0.45)), "source", 4500)


def test_leaving_shows_the_chosen_layer_again_and_l_turns_it_off(page, serve, analysis):
    open_live(page, serve(MAIN))
    grid = analysis.pair.source_size
    page.mouse.move(5, 5)
    page.locator(".li-root[data-shown='']").wait_for(timeout=10_000)
    at_rest, legend = read_map(page, "target", grid), read_legend(page, "target")
    hover(page, "source", 4500, grid)
    assert (read_map(page, "target", grid) != at_rest).any()
    page.locator("canvas[data-side=source]").press("l")
    page.locator(".li-root[data-shown='']").wait_for(timeout=10_000)
    assert (read_map(page, "target", grid) == at_rest).all()
    assert read_legend(page, "target") == legend
    assert page.locator("[data-do=live]").get_attribute("aria-pressed") == "false"
    page.locator("canvas[data-side=source]").press("l")
    page.locator(".li-root[data-shown=source-4500]").wait_for(timeout=10_000)


def test_the_page_states_the_fidelity_that_the_core_measures(page, serve, analysis):
    open_live(page, serve(MAIN))
    found = compress_features(analysis)
    assert found.agreement >= 0.95
    words = f"same match as the exact one for {found.agreement:.1%} of {found.num_judged:,} pixels"
    assert words in page.locator(".li-fidelity").inner_text()
