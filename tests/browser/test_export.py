"""Export in a real browser: downloads open and hold what they claim, and the command makes the same figures again."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile

import numpy as np
import pytest
from PIL import Image

from pca_core import explain_pixel
from pca_core.analysis.spreading import ALPHAS, map_weights, measure_reach
from pca_core.cli import main
from tests.conftest import ROOT

pytestmark = pytest.mark.browser
MAIN = ROOT / "app/main.py"
STEM = "noon_0001_dusk_rain_0001"
PIXEL = 40 * 128 + 20


@pytest.fixture
def trace(analysis):
    return explain_pixel(analysis, PIXEL)


NOTE_HEIGHTS = """() => {
  window.dialogHeights = new Set();
  const note = () => {
    const body = document.querySelector("[role=dialog] .st-key-export_all");
    if (body) window.dialogHeights.add(Math.round(body.getBoundingClientRect().height));
    requestAnimationFrame(note);
  };
  note();
}"""


def open_export(page, url: str):
    page.goto(url)
    page.wait_for_selector(".li-root[data-ready=true]", timeout=60_000)
    page.evaluate(NOTE_HEIGHTS)
    page.get_by_role("button", name="Export").first.click()
    dialog = page.get_by_role("dialog")
    dialog.locator(".st-key-export_preview img").wait_for(timeout=20_000)
    assert len(page.evaluate("[...window.dialogHeights]")) == 1  # nothing moved when the figure came
    return dialog


def download(page, dialog, button: str) -> tuple[str, bytes]:
    with page.expect_download(timeout=60_000) as caught:
        dialog.get_by_role("button", name=button).click()
    return caught.value.suggested_filename, caught.value.path().read_bytes()


def choose(dialog, option: str, file_name: str) -> None:
    """Choose a format or size; the new file is there once it is named."""
    dialog.get_by_role("radio", name=option, exact=True).click()
    dialog.get_by_text(file_name, exact=True).wait_for(timeout=20_000)


def test_figures_of_the_pinned_pixel_open_and_hold_what_they_claim(page, serve, trace):
    dialog = open_export(page, f"{serve(MAIN)}/?pixel=source-{PIXEL}")
    name, data = download(page, dialog, "Download figure")
    picture = Image.open(io.BytesIO(data))
    assert (name, picture.format) == (f"{STEM}_trace_2x.png", "PNG")
    choose(dialog, "4×", f"{STEM}_trace_4x.png")
    large = Image.open(io.BytesIO(download(page, dialog, "Download figure")[1]))
    assert abs(large.width - 2 * picture.width) <= 2
    choose(dialog, "SVG", f"{STEM}_trace.svg")
    name, data = download(page, dialog, "Download figure")
    text = " ".join(re.findall(r"<text[^>]*>([^<]*)", data.decode()))
    assert name.endswith("_trace.svg")
    assert f"goes to target pixel ({trace.match.row}, {trace.match.column})" in text
    choose(dialog, "PDF", f"{STEM}_trace.pdf")
    name, data = download(page, dialog, "Download figure")
    assert name.endswith("_trace.pdf")
    assert len(re.findall(rb"/Type /Page\b", data)) == 1


def test_a_bundle_of_the_associations_page_is_made_again_by_the_command(page, serve, trace, tmp_path):
    dialog = open_export(page, f"{serve(MAIN)}/associations?pixel=source-{PIXEL}&pairs_verdict=inconsistent&alpha=0.0")
    name, data = download(page, dialog, "Download bundle")
    assert name == f"{STEM}_bundle.zip"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(tmp_path)
    recipe = json.loads((tmp_path / "recipe.json").read_text())
    assert recipe["pixel"] == {"side": "source", "index": PIXEL}
    assert recipe["config"]["alpha"] == 0
    assert recipe["switches"]["keep"]["verdicts"] == ["inconsistent"]
    with np.load(tmp_path / "arrays/association.npz") as arrays:
        assert arrays["target_index"].shape == (64 * 128,)
        broken = int((arrays["is_labelled"] & ~arrays["is_consistent"]).sum())
    assert len((tmp_path / "tables/pairs.csv").read_text().splitlines()) == broken + 1
    assert main(["export", "--recipe", str(tmp_path / "recipe.json"), "--figure", "pairs", "--format", "png"]) == 0
    assert (tmp_path / "again/pairs.png").read_bytes() == (tmp_path / "figures/pairs.png").read_bytes()


def test_a_bundle_of_the_aggregation_page_holds_its_maps_and_the_sweep(page, serve, analysis, tmp_path):
    dialog = open_export(page, f"{serve(MAIN)}/aggregation?pixel=target-{PIXEL}&alpha=0.5")
    _, data = download(page, dialog, "Download bundle")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(tmp_path)
    with np.load(tmp_path / "arrays/aggregation.npz") as arrays:
        assert int(arrays["j"]) == PIXEL
        np.testing.assert_allclose(arrays["entropy"], map_weights(analysis).entropy, atol=1e-5)
        np.testing.assert_allclose(arrays["pull_without"], measure_reach(analysis, 0.0).pull, atol=1e-3)
    sweep = list(csv.DictReader((tmp_path / "tables/alpha.csv").open()))
    assert [float(row["alpha"]) for row in sweep] == list(ALPHAS)
    assert "arrays/aggregation.npz" in (tmp_path / "README.txt").read_text()
    assert main(["export", "--recipe", str(tmp_path / "recipe.json"), "--data", "--format", "png"]) == 0
    for name in ("figures/alpha.png", "tables/alpha.csv", "arrays/aggregation.npz"):
        assert (tmp_path / "again" / name.removeprefix("figures/")).read_bytes() == (tmp_path / name).read_bytes(), name


def test_escape_closes_the_dialog_after_a_download_too(page, serve):
    dialog = open_export(page, serve(ROOT / "app/server.py"))
    download(page, dialog, "Download figure")
    page.wait_for_function("() => document.activeElement === document.body", timeout=20_000)  # the download took the focus
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden", timeout=20_000)
    page.get_by_role("button", name="Export").first.click()  # and it can be opened again
    dialog.wait_for(timeout=20_000)
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden", timeout=20_000)
