"""Warm-up: steps in order, once, told in words; trouble ends it and nothing else."""

from __future__ import annotations

import subprocess
import sys
import threading

from app.warmup import WarmUp
from tests.conftest import ROOT


def test_steps_run_once_in_order_and_are_told():
    done, go_on = [], threading.Event()

    def second() -> None:
        done.append("second")
        go_on.wait(10)

    warm_up = WarmUp({"First …": lambda: done.append("first"), "Second …": second})
    assert not warm_up.wait(0)  # not begun
    warm_up.start()
    warm_up.start()
    assert not warm_up.wait(0.1)
    assert (warm_up.share, warm_up.words) == (0.5, "Second …")
    go_on.set()
    assert warm_up.wait(10)
    assert done == ["first", "second"]
    assert warm_up.share == 1
    assert list(warm_up.seconds) == ["First …", "Second …"]


def test_a_step_that_fails_ends_it_quietly():
    done = []
    warm_up = WarmUp({"Broken …": lambda: 1 / 0, "Never …": lambda: done.append(1)})
    warm_up.start()
    assert warm_up.wait(10)
    assert done == []
    assert warm_up.words == "Broken …"


def test_words_are_there_before_anything_heavy():
    code = "import app.views.warming, sys; print([name for name in ('torch', 'pandas', 'numba', 'cv2') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


def test_a_net_is_opened_without_the_compiler_of_torch():
    """It would take a second and 800 modules, and nothing here compiles."""
    code = (
        "import sys; from pca_core.models import load_checkpoint; from pca_core.data.streets import BUILT_IN_NET; "
        "load_checkpoint(BUILT_IN_NET); print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "False"
