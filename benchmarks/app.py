"""How the app feels, measured in a real Chromium on the built-in pair, beside what it has promised.

    python benchmarks/app.py                  # about two minutes on two idle cores
    python benchmarks/app.py --rounds 5 --json

Every round starts a server of its own, as a person would. What is timed:

first picture   from the first request, once the server answers, to the linked images with their traced pixel
hover           from the pointer's event in the page to the end of the frame that shows the heat map of the pixel under it;
                Chromium hands events over when a frame begins, and that wait (up to 17 ms) is told apart
click           from the release of the button to the frame that shows the exact answer of Python
page switch     from the click on a page's name to its images painted; each page was opened once before ("first time" apart)
pan             frames a second while 5,000 lines are dragged about

Without a GPU Chromium draws in software, on the same cores as the server: these are the slow case.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("Associations", "Aggregation", "Segmentation", "Features", "Losses", "Trace")
HOVERS, CLICKS, PAN_SECONDS = 120, 24, 3.0
# name -> (what is compared, goal, unit, whether larger is better)
GOALS = {
    "hover median": (16.0, "ms", False),
    "click median": (250.0, "ms", False),
    "click p95": (500.0, "ms", False),
    "page switch median": (1.0, "s", False),
    "page switch slowest": (1.0, "s", False),
    "first picture": (5.0, "s", False),
    "pan of 5,000 lines": (30.0, "frames/s", True),
}
READY = ".li-root[data-ready=true]"
# A message posted from within a frame is handled once that frame is done.
CLOCK = """
(root) => {
  window.times = { shown: [], serial: [] };
  const after = (name) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => window.times[name].push(performance.now());
    channel.port2.postMessage(0);
  };
  new MutationObserver((changes) => changes.forEach((change) => {
    if (change.attributeName === "data-shown" && root.dataset.shown) after("shown");
    if (change.attributeName === "data-serial") after("serial");
  })).observe(root, { attributes: true, attributeFilter: ["data-shown", "data-serial"] });
  for (const type of ["pointermove", "pointerup"])
    window.addEventListener(type, (event) => {
      window.times[type] = event.timeStamp;
      window.times[`${type} seen`] = performance.now();
    }, true);
}
"""
FRAMES = """
() => {
  window.frames_ = [];
  const tick = (now) => { window.frames_.push(now); window.ticking = requestAnimationFrame(tick); };
  window.ticking = requestAnimationFrame(tick);
}
"""


@contextmanager
def serve(port: int):
    """A server on the built-in pair; its state is its own."""
    with tempfile.TemporaryDirectory() as state:
        command = [sys.executable, "-m", "pca_core.cli", "app", "--port", str(port), "--headless"]
        environment = {**os.environ, "CYCLELENS_STATE": state}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}"
            while not _answers(f"{url}/_stcore/health"):
                if process.poll() is not None:
                    raise SystemExit(f"The server ended with code {process.returncode}. Is port {port} free?")
                time.sleep(0.02)
            yield url
        finally:
            process.terminate()
            process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except (urllib.error.URLError, OSError):
        return False


def wait_ready(page) -> None:
    page.wait_for_selector(READY, timeout=120_000)


def settle(page) -> None:
    """Until nothing runs any more."""
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=120_000)
    page.wait_for_timeout(300)


def time_first_picture(page, url: str) -> float:
    start = time.perf_counter()
    page.goto(url)
    wait_ready(page)
    page.wait_for_selector(".st-key-verdict", timeout=120_000)
    return time.perf_counter() - start


def time_hovers(page) -> tuple[list[float], list[float]]:
    """Milliseconds in the page, and with the wait of the event for its frame; a new feature pixel each time."""
    page.wait_for_selector(".li-root[data-live=true]", timeout=60_000)
    page.locator(READY).evaluate(CLOCK)
    box = page.locator("canvas[data-side=source]").bounding_box()
    in_page, with_wait = [], []
    for step in range(HOVERS):
        x, y = (step * 0.137) % 1, (step * 0.311) % 1
        before = page.evaluate("window.times.shown.length")
        page.mouse.move(box["x"] + (0.02 + 0.96 * x) * box["width"], box["y"] + (0.02 + 0.96 * y) * box["height"])
        page.wait_for_function("before => window.times.shown.length > before", arg=before, timeout=5000)
        in_page.append(page.evaluate("window.times.shown.at(-1) - window.times['pointermove seen']"))
        with_wait.append(page.evaluate("window.times.shown.at(-1) - window.times.pointermove"))
    return in_page, with_wait


def time_clicks(page) -> list[float]:
    """Milliseconds from release to painted answer."""
    page.locator(READY).evaluate(CLOCK)
    box = page.locator("canvas[data-side=source]").bounding_box()
    times = []
    for step in range(CLICKS):
        x, y = (0.11 + step * 0.237) % 1, (0.07 + step * 0.417) % 1
        before = page.evaluate("window.times.serial.length")
        page.mouse.click(box["x"] + (0.02 + 0.96 * x) * box["width"], box["y"] + (0.02 + 0.96 * y) * box["height"])
        page.wait_for_function("before => window.times.serial.length > before", arg=before, timeout=20_000)
        times.append(page.evaluate("window.times.serial.at(-1) - window.times.pointerup"))
        settle(page)
    return times


def time_switches(page) -> list[float]:
    """Seconds from a page's name to its painted images, over all pages once."""
    times = []
    for name in PAGES:
        link = page.get_by_role("link", name=name, exact=True).first
        if not link.count():
            continue
        page.locator(READY).evaluate("(root) => { root.dataset.old = 'true'; }")
        start = time.perf_counter()
        link.click()
        page.wait_for_selector(".li-root[data-ready=true]:not([data-old])", timeout=120_000)
        times.append(time.perf_counter() - start)
        settle(page)
    return times


def time_pan(page, url: str) -> float:
    """Frames a second while 5,000 lines move."""
    page.goto(f"{url}/associations?pairs_lines=5000")
    wait_ready(page)
    settle(page)
    page.wait_for_selector(".li-root[data-lines='5000']", timeout=60_000)
    box = page.locator("canvas[data-side=source]").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    for _ in range(4):  # something to pan
        page.mouse.wheel(0, -240)
        page.wait_for_timeout(150)
    page.mouse.down()
    page.evaluate(FRAMES)
    start, step = time.perf_counter(), 0
    while time.perf_counter() - start < PAN_SECONDS:
        step += 1
        page.mouse.move(x + 60 * ((step % 40) / 20 - 1), y + 40 * ((step % 28) / 14 - 1))
    moments = page.evaluate("cancelAnimationFrame(window.ticking), window.frames_")
    page.mouse.up()
    return 1000 / statistics.median(after - before for before, after in itertools.pairwise(moments))


def run_round(browser, port: int) -> dict[str, float]:
    with serve(port) as url:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        result = {"first picture": time_first_picture(page, url)}
        settle(page)
        time_hovers(page)  # the first ones compile
        (hovers, waited), clicks = time_hovers(page), time_clicks(page)
        first = time_switches(page)
        again = time_switches(page)
        result |= {
            "hover median": statistics.median(hovers),
            "hover p95": _quantile(hovers, 0.95),
            "hover, with the wait for a frame": statistics.median(waited),
            "click median": statistics.median(clicks),
            "click p95": _quantile(clicks, 0.95),
            "page switch median": statistics.median(again),
            "page switch slowest": max(again),
            "first time, slowest page": max(first),
            "pan of 5,000 lines": time_pan(page, url),
        }
        context.close()
        return result


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, round(share * (len(values) - 1)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=8599)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from playwright.sync_api import sync_playwright

    from pca_core.cli.doctor import find_chromium
    from pca_core.device import describe_machine

    with sync_playwright() as playwright:
        path = os.environ.get("CYCLELENS_CHROMIUM") or find_chromium() or playwright.chromium.executable_path
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        rounds = [run_round(browser, arguments.port) for _ in range(arguments.rounds)]
        browser.close()
    medians = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    if arguments.json:
        print(json.dumps({"rounds": rounds, "medians": medians, "load": os.getloadavg()}, indent=1))
        return
    print(f"{'':34}{'median':>10}{'range over rounds':>22}{'goal':>10}")
    for name, value in medians.items():
        goal, unit, is_more = GOALS.get(name, (None, "ms" if name.startswith(("hover", "click")) else "s", False))
        spread = f"{min(one[name] for one in rounds):.3g} to {max(one[name] for one in rounds):.3g}"
        told = "" if goal is None else f"{'≥' if is_more else '≤'} {goal:g}"
        verdict = "" if goal is None else ("  reached" if (value >= goal if is_more else value <= goal) else "  NOT reached")
        print(f"{name:34}{value:>10.3g}{spread:>22}{told:>10} {unit}{verdict}")
    print(f"{describe_machine()}, load {os.getloadavg()[0]:.1f} at the end, {arguments.rounds} rounds")


if __name__ == "__main__":
    main()
