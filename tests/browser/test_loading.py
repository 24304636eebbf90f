"""What a person sees while a pair is computed that nobody has opened before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from app.state.cache import OPENING
from pca_core.data import encode_png
from tests.browser.test_copy_link import READY
from tests.browser.test_trace_page import MAIN

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.browser
RECORD = """
window.spinners = [];
new MutationObserver(() => {
  for (const spinner of document.querySelectorAll(".stSpinner")) {
    if (spinner.innerText && !window.spinners.includes(spinner.innerText)) window.spinners.push(spinner.innerText);
  }
}).observe(document, { childList: true, subtree: true, characterData: true });
"""


@pytest.fixture
def target(tmp_path: Path) -> str:
    """A folder whose first image is small, and the second one seconds of work."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 600, 3), np.uint8)
    (tmp_path / "images").mkdir()
    for name, image in {"small": noise[:, :80], "wide": noise}.items():
        (tmp_path / f"images/{name}.png").write_bytes(encode_png(image))
    return str(tmp_path)


def wait_for_story(page, target: str) -> None:
    page.locator(".li-title[data-side=target]", has_text=target).wait_for(timeout=120_000)
    page.get_by_text("Soft cycle", exact=True).wait_for(timeout=60_000)
    page.locator(".stSpinner").wait_for(state="detached", timeout=60_000)


def test_a_cold_pair_says_what_is_going_on_and_a_warm_one_says_nothing(page, new_page, serve, target):
    url = serve(MAIN, "--target", target)
    page.goto(url)  # the server warms up on the small one
    page.wait_for_selector(READY, timeout=60_000)
    page.add_init_script(RECORD)
    page.goto(f"{url}/?target=wide")
    page.locator(".stSpinner", has_text=OPENING).wait_for(timeout=20_000)
    assert page.locator(READY).count() == 0  # there is nothing else to look at yet
    wait_for_story(page, "wide")
    assert OPENING in page.evaluate("window.spinners")

    other = new_page()
    other.add_init_script(RECORD)
    other.goto(f"{url}/?target=wide")
    wait_for_story(other, "wide")
    other.get_by_role("link", name="Images", exact=True).click()
    other.get_by_text("Target · labels optional").wait_for(timeout=60_000)
    other.get_by_role("link", name="Trace", exact=True).click()
    wait_for_story(other, "wide")
    assert other.evaluate("window.spinners") == []
