"""Where the time of a click goes on the server, on the built-in pair; benchmarks/app.py has the whole way to the screen.

    python benchmarks/one_click.py
    python benchmarks/one_click.py --clicks 40

Each click pins another source pixel and runs the Trace page as Streamlit does, without a browser (all of it; in the app a click
reruns the story alone). Times are medians over the clicks, each of what a part takes without the parts told below it.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
ROOT = Path(__file__).resolve().parents[1]
# (indent, module, function, what it is)
PARTS = (
    (0, "app.views.trace", "render", "the page, all the rest of it"),
    (1, "app.state.probes", "explain_pixel", "the exact answer: rows there and back, rivals"),
    (2, "pca_core.association.explain", "_ladder", "stage ladder, a row there and back each"),
    (2, "pca_core.association.explain", "_aggregation_map", "aggregation row"),
    (1, "app.state.probes", "get_soft_cycle", "soft cycle, looked up"),
    (1, "app.views.trace", "trace_layers", "maps of the answer as layers"),
    (1, "app.views.trace", "pair_layers", "layers of the pair"),
    (1, "app.components.linked_images", "pack_overlay", "packing layers for the browser"),
    (1, "app.views.trace", "_source_tables", "tables"),
)


class Stopwatch:
    """Times of functions, each without those timed inside it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner = [0.0]

    def wrap(self, module: str, name: str) -> None:
        """Time a function where its module keeps it."""
        place = importlib.import_module(module)
        setattr(place, name, self.time(f"{module}.{name}", getattr(place, name)))

    def time(self, key: str, work: Callable) -> Callable:
        """The same function, timed."""

        def timed(*args: object, **kwargs: object) -> object:
            self._inner.append(0.0)
            started = time.perf_counter()
            try:
                return work(*args, **kwargs)
            finally:
                taken = time.perf_counter() - started
                self.seconds[key] += taken - self._inner.pop()
                self._inner[-1] += taken

        return timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clicks", type=int, default=20)
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as state:
        os.environ["CYCLELENS_STATE"] = state
        click_through(arguments.clicks)


def click_through(clicks: int) -> None:
    """Click and print."""
    from streamlit.testing.v1 import AppTest

    from pca_core.device import describe_machine

    watch = Stopwatch()
    for _, module, name, _ in PARTS:
        watch.wrap(module, name)
    app = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=300).run()
    pixels = app.session_state["pixel"], *[("source", 397 * number % 8192) for number in range(1, clicks + 2)]
    seen, whole = defaultdict(list), []
    for pixel in pixels[1:]:
        watch.seconds.clear()
        app.session_state["pixel"] = pixel
        started = time.perf_counter()
        app.run()
        if app.exception:
            raise SystemExit(f"The page failed: {app.exception[0].message}")
        whole.append(time.perf_counter() - started)
        for _, module, name, _ in PARTS:
            seen[module, name].append(watch.seconds[f"{module}.{name}"])
    print(f"{describe_machine()}\nA click on the Trace page, median of {clicks}")
    print(f"  {'the whole run of the script':52} {1e3 * statistics.median(whole[1:]):8.1f} ms")
    for indent, module, name, words in PARTS:
        print(f"  {'  ' * (indent + 1) + words:52} {1e3 * statistics.median(seen[module, name][1:]):8.1f} ms")


if __name__ == "__main__":
    main()
