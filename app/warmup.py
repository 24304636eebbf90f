"""Warm-up: what the first visitor would wait for is loaded while the server starts, and told in words meanwhile.

Imports nothing heavy itself: it is there before the libraries are.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import threading
import time
from collections.abc import Callable

PAGES = ("images", "trace", "associations", "aggregation", "segmentation", "features", "losses", "adapt", "compare")
SECONDS_ALONE = 3
LOWEST_PRIORITY = 19
FILL = "CYCLELENS_FILL"  # 0: pages compute what they show of the first pair when they are opened; for many servers side by side


class WarmUp:
    """Steps in a thread of their own, one after the other.

    A step that fails ends it: the page then meets the same trouble itself and says so in a sentence. What comes ``afterwards``
    is nobody's first picture: nobody waits for it, and it leaves the first visitor some seconds to themselves.
    """

    def __init__(self, steps: dict[str, Callable[[], object]], afterwards: Callable[[], object] | None = None) -> None:
        self._steps = steps
        self._afterwards = afterwards
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.num_done = 0
        self.seconds: dict[str, float] = {}

    def start(self) -> None:
        """Begin, once."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="warm-up", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        # Caches may be filled outside a session; Streamlit would say so in the log each time.
        logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context").setLevel(logging.ERROR)
        try:
            for words, step in self._steps.items():
                since = time.perf_counter()
                step()
                self.seconds[words] = time.perf_counter() - since
                self.num_done += 1
        except Exception:
            logging.getLogger(__name__).info("Warm-up ended early", exc_info=True)
        finally:
            self._is_over.set()
        if self._afterwards is not None:
            time.sleep(SECONDS_ALONE)
            try:
                self._afterwards()
            except Exception:
                logging.getLogger(__name__).info("What comes after the warm-up ended early", exc_info=True)

    def wait(self, seconds: float) -> bool:
        """Whether it is over, after waiting for at most so long."""
        return self._is_over.wait(seconds)

    @property
    def share(self) -> float:
        """How much is done, 0-1."""
        return self.num_done / len(self._steps)

    @property
    def words(self) -> str:
        """What is going on."""
        return list(self._steps)[min(self.num_done, len(self._steps) - 1)]


def _load_rest() -> None:
    """The other pages, what Features measures with, and what the pages show of the first pair. Then all is loaded that stays.

    At the lowest priority: whoever is there already does not wait for it.
    """
    from app.state import cache, runs, warming

    _step_back()
    for name in PAGES:
        importlib.import_module(f"app.views.{name}")
    importlib.import_module("sklearn.model_selection")
    runs.get_supervisor()  # removes what was left behind
    cache.freeze_garbage_collector()
    if os.environ.get(FILL, "1") != "0":
        warming.fill_pages(warming.open_default_pair())


def _step_back() -> None:
    """Give this thread, and those that it starts, the lowest priority; Linux keeps one for each thread."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)


def _load_numerics() -> None:
    importlib.import_module("pca_core.inference")


def _load_first_page() -> None:
    importlib.import_module("app.views.trace")


def _load_net() -> None:
    from app.state import cache
    from app.state.defaults import read_defaults

    cache.get_checkpoint(read_defaults()["net"])


def _open_pair() -> None:
    from app.state import warming

    warming.open_default_pair()


WARM_UP = WarmUp(
    {
        "Loading the numerical libraries …": _load_numerics,
        "Loading the pages …": _load_first_page,
        "Loading the net …": _load_net,
        "Running the net on both images and associating every pixel …": _open_pair,
    },
    afterwards=_load_rest,
)
