"""Adapt as a practitioner meets it: upload, check, start, watch, cancel, compare. Real workers train a tiny net."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pca_core.data import FolderDataset
from pca_core.models import save_checkpoint
from pca_core.runs import DataChoice, RunRequest, RunStore
from tests.conftest import ROOT
from tests.unit.adaptation_data import TINY, make_checkpoint, make_domains

pytestmark = [pytest.mark.browser, pytest.mark.timeout(280)]
MAIN = ROOT / "app/main.py"
POINTS = (
    "() => Math.max(0, ...[...document.querySelectorAll('.js-plotly-plot')].flatMap(p => p.data).map(t => (t.x || []).length))"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> tuple[Path, Path, Path]:
    """Source folder, target folder, net."""
    root = tmp_path_factory.mktemp("adapt")
    source, target = make_domains(root)
    net = root / "net.safetensors"
    save_checkpoint(net, make_checkpoint(FolderDataset(source)))
    return source, target, net


@pytest.fixture
def url(serve, world) -> str:
    source, target, net = world
    return serve(MAIN, "--source", str(source), "--target", str(target), "--checkpoint", str(net))


def open_adapt(page, url: str) -> None:
    page.goto(f"{url}/adapt")
    page.get_by_text("New run").wait_for(timeout=60_000)


def upload(page, world) -> None:
    page.get_by_text("My images").click()
    field = page.locator("input[type=file]")
    field.wait_for(state="attached", timeout=20_000)
    field.set_input_files([str(path) for path in sorted((world[1] / "images").iterdir())])
    page.get_by_text("4 images taken.").wait_for(timeout=30_000)


def set_steps(page, steps: int) -> None:
    field = page.get_by_label("Steps", exact=True)
    field.fill(str(steps))
    field.press("Enter")
    page.get_by_role("button", name="Start", exact=True).wait_for(state="detached", timeout=20_000)  # of what was checked before


def start(page) -> None:
    page.get_by_role("button", name="Check").click()
    page.get_by_text("Whole run").wait_for(timeout=90_000)
    page.get_by_text("Controls too").click()
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_text("seed 0", exact=False).first.wait_for(timeout=30_000)


def test_upload_run_cancel_compare(page, url, world):
    open_adapt(page, url)
    upload(page, world)
    set_steps(page, 10)
    start(page)
    lengths = []
    while not page.get_by_text("Done, 10 steps").is_visible():
        lengths.append(page.evaluate(POINTS))
        page.wait_for_timeout(200)
        assert len(lengths) < 600, "the run did not end"
    page.wait_for_function(f"({POINTS})() === 10", timeout=20_000)
    assert lengths == sorted(lengths)
    assert lengths[0] < 10
    page.get_by_text("at step 10 (below)").wait_for(timeout=20_000)
    page.get_by_role("button", name="Download net").wait_for(timeout=20_000)

    set_steps(page, 100_000)
    start(page)
    page.get_by_text("of 100000", exact=False).wait_for(timeout=90_000)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled after step", exact=False).wait_for(timeout=60_000)
    page.get_by_role("button", name="Resume").wait_for(timeout=20_000)

    page.get_by_role("link", name="Compare").click()
    page.locator(".ba-root[data-ready=true]").wait_for(timeout=60_000)
    assert "uploads" in page.get_by_role("textbox", name="Images").input_value(), "it opens on what the run adapted to"
    page.get_by_role("button", name="Score").click()
    page.get_by_text("Metrics (CSV)").wait_for(timeout=60_000)
    page.get_by_text("No labels here", exact=False).wait_for(timeout=20_000)
    field = page.get_by_role("textbox", name="Images")
    field.fill(str(world[1]))
    field.press("Enter")
    page.get_by_role("button", name="Score").click()
    page.get_by_text("Scored on labels that were not used").wait_for(timeout=60_000)


@pytest.fixture
def _finished_run(world) -> Iterator[None]:
    """A run in the store whose result is there."""
    source, target, net = world
    store = RunStore()
    run = store.create(RunRequest(str(net), DataChoice(str(source)), DataChoice(str(target)), TINY, device="cpu"))
    save_checkpoint(run.adapted_path, make_checkpoint(FolderDataset(source), seed=1))
    run.write_status(state="done", step=TINY.steps)
    yield
    store.delete(run)


@pytest.mark.usefixtures("_finished_run")
def test_the_divider_follows_pointer_and_keys(page, url):
    page.goto(f"{url}/compare")
    frame = page.locator(".ba-root[data-ready=true] .ba-frame")
    frame.wait_for(timeout=60_000)
    slider = page.get_by_role("slider", name="Divider between Before and After")

    def share() -> float:
        return float(frame.evaluate("frame => parseFloat(getComputedStyle(frame).getPropertyValue('--at'))"))

    def place(at: float) -> dict[str, float]:
        box = slider.bounding_box()
        return {"x": at * box["width"], "y": box["height"] / 2}

    # Each step finds the slider anew: what is drawn above it may move it meanwhile.
    assert share() == 50
    slider.click(position=place(0.25))
    assert share() == pytest.approx(25, abs=1)
    slider.hover(position=place(0.25))
    page.mouse.down()
    slider.hover(position=place(0.5))
    slider.hover(position=place(0.8))
    page.mouse.up()
    assert share() == pytest.approx(80, abs=1)
    slider.press("ArrowLeft")
    assert share() == pytest.approx(78, abs=1)
    assert "% Before" in slider.get_attribute("aria-valuetext")


@pytest.mark.parametrize(
    ("choose", "expected"),
    [
        ("zero steps", "steps must be at least 1, got 0"),
        ("source as target", "target images are source images too"),
        ("no such folder", "nowhere"),
    ],
)
def test_wrong_input_is_one_sentence(page, url, world, choose, expected):
    open_adapt(page, url)
    if choose == "zero steps":
        set_steps(page, 0)
    else:
        field = page.get_by_role("textbox", name="Target folder")
        field.fill(str(world[0]) if choose == "source as target" else "/nowhere")
        field.press("Enter")
        page.wait_for_timeout(500)
        page.get_by_role("button", name="Check").click()
    alert = page.get_by_role("alert").filter(has_text=expected)
    alert.wait_for(timeout=90_000)
    assert "Traceback" not in alert.inner_text()
