"""Take the screenshots that README and docs show, from the real app in a real Chromium.

    python -m scripts.take_screenshots [--out docs/pictures] [--check DIR] [--runs-only] [--adapt-steps N]

Adapt and Compare show the newest finished ``plca`` run of this machine's store (``CYCLELENS_STATE``); where there is none, one is
made with its controls, ``--adapt-steps`` steps each (140 take about ten minutes on two cores). ``--check DIR`` writes every page
at 1440×900 and 1024×768, light and dark, to look at before a release. docs/gallery.md lists the pictures that are expected.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from pca_core.cli.doctor import find_chromium
from pca_core.runs import Run, RunStore
from scripts.example_run import find_finished, make_example
from scripts.served import find_free_port, wait_until_healthy

ROOT = Path(__file__).resolve().parents[1]
SIZES = ((1440, 900), (1024, 768))
READY = ".li-root[data-ready=true]"
PAGES = {
    "images": ("/images", "img"),
    "trace": ("/", READY),
    "associations": ("/associations", READY),
    "aggregation": ("/aggregation", READY),
    "segmentation": ("/segmentation", READY),
    "features": ("/features", READY),
    "losses": ("/losses", READY),
    "adapt": ("/adapt", "text=New run"),
    "compare": ("/compare", "text=Compare"),
}
PAIR = "source=noon_0001&target=dusk_rain_0001"  # with the pixel that the app opens on
SHOWN = {  # what the docs show: the address, and the height of the picture
    "images": ("/images", 1150),
    "trace": ("/", 900),
    "associations": (f"/associations?{PAIR}&pairs_lines=1000", 1250),
    "aggregation": (f"/aggregation?{PAIR}", 1100),
    "segmentation": (f"/segmentation?{PAIR}", 1350),
    "features": (f"/features?{PAIR}", 1400),
    "losses": (f"/losses?{PAIR}", 1250),
}


@contextmanager
def serve() -> Iterator[str]:
    """The app on a free port of this machine."""
    port = find_free_port()
    command = [sys.executable, "-m", "pca_core.cli", "app", "--port", str(port), "--headless"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(url, server)
        yield url
    finally:
        subprocess.run(["pkill", "-g", str(server.pid)], check=False)


def take(page: Page, file: Path) -> None:
    """One picture, of a page that has not failed.

    Raises:
        RuntimeError: An error is on the page.
    """
    if page.locator("[data-testid=stException]").count():
        raise RuntimeError(f"{page.url} shows an error instead of {file.stem}.")
    page.screenshot(path=file, **({"type": "jpeg", "quality": 84} if file.suffix == ".jpg" else {}))


def shoot(browser: Browser, url: str, file: Path, wait_for: str, size: tuple[int, int], scheme: str, scale: float = 1) -> None:
    """One page in one size and colour scheme, once it has come to rest."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, device_scale_factor=scale)
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector(wait_for, timeout=90_000)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=90_000)
    page.wait_for_timeout(2500)
    take(page, file)
    context.close()


def shoot_runs(browser: Browser, url: str, out: Path, run: Run) -> None:
    """Adapt and Compare with a finished PLCA run."""
    context = browser.new_context(viewport={"width": 1440, "height": 1180}, color_scheme="light")
    page = context.new_page()
    page.goto(f"{url}/adapt?run={run.id}")
    page.get_by_text("Done,").wait_for(timeout=90_000)
    page.wait_for_timeout(4000)
    take(page, out / "adapt.png")
    page.goto(f"{url}/compare")
    page.locator(".ba-root[data-ready=true]").wait_for(timeout=90_000)
    page.get_by_role("button", name="Score").click()
    page.get_by_text("Metrics (CSV)").wait_for(timeout=600_000)
    page.wait_for_timeout(2500)
    take(page, out / "compare.png")
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/pictures")
    parser.add_argument("--check", type=Path, metavar="DIR")
    parser.add_argument("--runs-only", action="store_true", help="only Adapt and Compare")
    parser.add_argument("--adapt-steps", type=int, default=140, metavar="N", help="of the run that is made where there is none")
    arguments = parser.parse_args()
    if not arguments.check:
        arguments.out.mkdir(parents=True, exist_ok=True)
        run = find_finished(RunStore()) or make_example(RunStore(), arguments.adapt_steps)
    with serve() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        if arguments.check:
            arguments.check.mkdir(parents=True, exist_ok=True)
            for name, (path, selector) in PAGES.items():
                for size in SIZES:
                    for scheme in ("light", "dark"):
                        file = arguments.check / f"{name}_{size[0]}_{scheme}.png"
                        shoot(browser, url + path, file, selector, size, scheme)
        else:
            for name, (path, height) in () if arguments.runs_only else SHOWN.items():
                shoot(browser, url + path, arguments.out / f"{name}.jpg", PAGES[name][1], (1440, height), "light")
            shoot_runs(browser, url, arguments.out, run)
        browser.close()


if __name__ == "__main__":
    main()
