"""Warm-up: steps in order, once, told in words; trouble ends it and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading

import pytest
from streamlit.testing.v1 import AppTest

from app import warmup
from app.state import aggregation, associations, features, losses, segmentation
from app.state import warming as warming_state
from app.state.defaults import BUILT_IN
from app.views import warming
from app.warmup import WarmUp
from tests.app.pages import open_page
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


def test_nobody_waits_for_what_comes_afterwards(monkeypatch):
    monkeypatch.setattr(warmup, "SECONDS_ALONE", 0.05)
    is_done = threading.Event()
    warm_up = WarmUp({"Only …": lambda: None}, afterwards=is_done.set)
    warm_up.start()
    assert warm_up.wait(10)
    assert not is_done.is_set()
    assert is_done.wait(10)


def test_words_are_there_before_anything_heavy():
    code = "import app.views.warming, sys; print([name for name in ('torch', 'pandas', 'numba', 'cv2') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


def test_a_net_is_opened_without_the_compiler_of_torch_and_sympy():
    """They would take a second and 1,200 modules, and nothing here compiles."""
    code = (
        "import sys; from pca_core.models import load_checkpoint; from pca_core.data.streets import BUILT_IN_NET; "
        "load_checkpoint(BUILT_IN_NET); print([name for name in ('torch._dynamo', 'sympy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


def test_the_images_shown_meanwhile_are_those_that_the_app_opens_on():
    assert [folder.parent for _, folder in warming.FOLDERS.values()] == [BUILT_IN["source"], BUILT_IN["target"]]


@pytest.mark.parametrize(
    ("told", "names"),
    [
        ({}, ["noon_0001", "dusk_rain_0001"]),
        ({"source": "noon_0003", "target": "<script>"}, ["noon_0003", "dusk_rain_0001"]),
        ({"target": "../noon_0001"}, ["noon_0001", "dusk_rain_0001"]),
        ({"source_from": "0123456789"}, []),
    ],
    ids=["nothing told", "another image, and no image", "a path", "another folder"],
)
def test_an_address_chooses_among_the_built_in_images_only(told, names):
    def page():
        import streamlit as st

        from app.views import warming

        st.html(warming._show_images())

    app = AppTest.from_function(page)
    app.query_params.update(told)
    body = app.run().get("html")[0].proto.body
    assert re.findall(r"<figcaption>\w+ · (.*?)</figcaption>", body) == names
    assert body.count("src='data:image/jpeg;base64,") == len(names)


def test_after_the_warm_up_no_page_computes_for_the_first_pair(monkeypatch):
    """It is looked at as a visitor does, under the switches that the pages begin with."""

    def fail(*_args, **_kwargs):
        raise AssertionError("computed anew")

    warming_state.fill_pages(warming_state.open_default_pair())
    dear = {
        losses: "write_ledger",
        aggregation: "alpha_effects",
        associations: "total_pairs",
        segmentation: "describe_segmentation",
        features: "measure_gap",
    }
    for module, name in dear.items():
        monkeypatch.setattr(module, name, fail)
    for page in ("losses", "aggregation", "associations", "segmentation", "features"):
        open_page(page)
    with pytest.raises(AssertionError):  # under another switch it computes, and this would be seen
        open_page("losses", alpha="0.25")


def test_what_comes_afterwards_steps_back():
    """The thread and those that it starts have the lowest priority; the one that asked keeps its own."""
    found = {}

    def look() -> None:
        warmup._step_back()
        found["own"] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        child = threading.Thread(target=lambda: found.update(child=os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))
        child.start()
        child.join()

    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == {"own": warmup.LOWEST_PRIORITY, "child": warmup.LOWEST_PRIORITY}
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
