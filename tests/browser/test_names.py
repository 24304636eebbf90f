"""Promise 3 in a browser: a script in every name that a person can fill runs nothing and asks nobody else for anything."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from app.warmup import PAGES
from pca_core.data import FolderDataset, encode_png
from pca_core.models import save_checkpoint
from pca_core.runs import DataChoice, RunRequest, RunStore
from tests.conftest import ROOT
from tests.unit.adaptation_data import SIZE, TINY, make_checkpoint

pytestmark = pytest.mark.browser
MAIN = ROOT / "app/main.py"
RAN = "window.ran=(window.ran||0)+1"
# Browsers read a backslash in an address as a slash, and file names may hold one; every way of loading or running in one name.
PAYLOAD = f"\"'><img src=http:\\\\192.0.2.1\\x onerror={RAN}><svg onload={RAN}>![a](http:\\\\192.0.2.1\\y)$\\alpha$`:red[b]"
FILE = PAYLOAD.replace("\\", "")  # a stem in the app ends where a folder seems to
FULL = f"{PAYLOAD}<script>{RAN}</script><iframe src='javascript:parent.{RAN}'></iframe>![b](http://192.0.2.1/z.png)"


QUIET = (None, [])


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> tuple[Path, Path]:
    """A folder and a net with such names everywhere: of files, classes, the label space."""
    root = tmp_path_factory.mktemp("names") / f"set {FILE[:60]}"
    rng = np.random.default_rng(0)
    for part in ("images", "labels"):
        (root / part).mkdir(parents=True)
    for number in range(2):
        (root / "images" / f"{number} {FILE}.png").write_bytes(encode_png(rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)))
        (root / "labels" / f"{number} {FILE}.png").write_bytes(encode_png(rng.integers(0, 3, SIZE, dtype=np.uint8)))
    names = [f"{number} {FULL}" for number in range(3)]
    (root / "classes.json").write_text(json.dumps({"name": FULL, "class_names": names}))
    net = root / f"net {FILE}.safetensors"
    save_checkpoint(net, make_checkpoint(FolderDataset(root)))
    return root, net


@pytest.fixture(scope="module")
def run_id(world) -> str:
    """A run of such a name, on such folders."""
    root, net = world
    data = DataChoice(str(root)), DataChoice(str(root))
    request = RunRequest(str(net), *data, replace(TINY), device="cpu", name=FULL, group=FULL[:40])
    return RunStore(os.environ["CYCLELENS_STATE"]).create(request).id


class Watch:
    """What a page asks whom for, and whether anything ran in it."""

    def __init__(self, page) -> None:
        self.page, self._asked, self._dialogs = page, [], []
        page.on("request", lambda request: self._asked.append(request.url))
        page.on("dialog", lambda dialog: (self._dialogs.append(dialog.message), dialog.dismiss()))

    def look(self) -> tuple[int | None, list[str]]:
        """What ran, and addresses of others that were asked."""
        self.page.wait_for_timeout(300)  # what fails to load must have had the time to say so
        parts = map(urlsplit, self._asked)
        foreign = [part.geturl() for part in parts if part.scheme in ("http", "https", "ws") and part.hostname != "127.0.0.1"]
        return self.page.evaluate("window.ran"), foreign + self._dialogs


@pytest.fixture
def watch(page) -> Watch:
    return Watch(page)


@pytest.fixture
def address(serve, world) -> str:
    root, net = world
    return serve(MAIN, "--source", str(root), "--target", str(root), "--checkpoint", str(net))


def wait_until_drawn(page) -> None:
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=60_000)


def test_no_page_runs_a_name(watch, address, run_id, tell):
    page = watch.page
    seen = ""
    for name in PAGES:
        page.goto(f"{address}/{name}?run={run_id}&pixel=source-9&probes=s3.{FULL[:12]}")
        page.locator("[data-testid=stMainBlockContainer] :is(p, h2, h3, label)").first.wait_for(timeout=60_000)
        wait_until_drawn(page)
        assert watch.look() == QUIET
        seen += page.locator("body").inner_text()
    assert "onerror" in seen  # the names were there, as text
    assert "1 \"'><img" in seen
    ran, foreign = watch.look()
    tell(3, f"scripts in every name on {len(PAGES)} pages: {ran or 0} ran, {len(foreign)} requests to another place")


def test_a_name_that_is_typed_is_text(watch, address):
    page = watch.page
    page.goto(f"{address}/?pixel=source-9")
    field = page.locator(".st-key-probe_name_source_9 input")
    field.wait_for(timeout=60_000)
    field.fill(FULL)
    page.get_by_role("button", name="Keep this pixel as a probe").click()
    page.locator(".st-key-probe_0").wait_for(timeout=20_000)
    assert "<img" in page.locator(".st-key-probe_0 .probe").inner_text()
    assert watch.look() == QUIET
    page.goto(page.url)  # the name comes back by the address
    page.locator(".st-key-probe_0").wait_for(timeout=60_000)
    assert watch.look() == QUIET


def test_wrong_paths_and_uploads_are_named_as_text(watch, address):
    page = watch.page
    page.goto(f"{address}/images")
    page.get_by_role("textbox", name="Another file").wait_for(timeout=60_000)
    page.get_by_role("textbox", name="Another file").fill(f"/nowhere/{FULL}.safetensors")
    page.get_by_role("button", name="Load", exact=True).click()
    page.get_by_text("There is no checkpoint file").first.wait_for(timeout=20_000)
    assert watch.look() == QUIET
    page.locator(".st-key-source_from").get_by_text("My uploads").click()
    page.locator("input[type=file]").nth(1).wait_for(state="attached", timeout=20_000)
    image = encode_png(np.random.default_rng(1).integers(0, 256, (*SIZE, 3), dtype=np.uint8))
    label = encode_png(np.zeros(SIZE, np.uint8))
    for place, files in enumerate(({f"good {FILE}.png": image, f"bad {FILE}.png": b"nothing"}, {f"good {FILE}.png": label})):
        page.locator("input[type=file]").nth(place).set_input_files(
            [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files.items()]
        )
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text("1 of 2 images were added").wait_for(timeout=30_000)
    assert watch.look() == QUIET
    assert "<img" in page.locator(".st-key-grid_source").inner_text()


def test_the_watch_sees_what_such_a_name_would_do(watch, address):
    """The same names where nobody escapes them."""
    watch.page.goto(f"{address}/images")
    watch.page.evaluate("name => document.body.insertAdjacentHTML('beforeend', name)", PAYLOAD)
    ran, foreign = watch.look()
    assert ran >= 1
    assert any("192.0.2.1" in url for url in foreign)
