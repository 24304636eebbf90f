"""The Triton kernels say what plain torch says, under Triton's interpreter on the CPU; and they compile for real cards.

No GPU is needed. Without triton these tests are skipped; with ``CI=true`` that is a failure.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest
import torch

from pca_core.association import dispatch
from pca_core.association.similarity import make_directions
from tests.conftest import ROOT, stop_without

SCANS = ("odd", "bands", "one", "one row", "one column", "most candidates", "wide", "tf32", "bf16", "predictions")
KIB = 2**10


def run_module(name: str, **environment: str) -> dict:
    """The JSON that a module of tests prints when it is run."""
    if importlib.util.find_spec("triton") is None:
        stop_without("triton is not installed: pip install -r requirements-dev.txt")
    done = subprocess.run(
        [sys.executable, "-m", name],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def interpreted() -> dict:
    return run_module("tests.unit.interpreted", TRITON_INTERPRET="1")


@pytest.mark.parametrize("case", SCANS)
def test_scan(interpreted, case):
    """Both ways in one pass: choices the same, scores and normalisers but for rounding."""
    found = interpreted[case]
    assert found["same"]
    assert found["score"] < 2e-7
    assert found["normaliser"] < 1


def test_of_equal_scores_the_first_wins(interpreted):
    assert interpreted["ties"] == {"there": True, "back": True}


def test_weights_and_weighted_sums(interpreted):
    assert max(interpreted["weights"].values()) < 2e-6


@pytest.mark.parametrize(
    ("case", "out", "grad"),
    [
        ("attend", 2e-6, 5e-6),
        ("attend wide", 2e-6, 5e-6),  # 2,048 channels
        ("attend tf32", 1e-3, 1e-3),  # values lose 13 bits
        ("attend bf16", 8e-3, 3e-2),  # values lose 16 bits
    ],
)
def test_attention_and_its_gradient(interpreted, case, out, grad):
    found = interpreted[case]
    assert found["out"] < out
    assert found["grad"] < grad


def test_fast_is_not_exact(interpreted):
    """Or the roundings of the cases above would not be there at all."""
    assert interpreted["attend"]["out"] < 1e-5 < interpreted["attend tf32"]["out"] < interpreted["attend bf16"]["out"]


def test_a_sum_that_overflows_is_repaired(interpreted):
    assert interpreted["overflow"]["values"] < 1e-5


@pytest.mark.parametrize("level", ["features", "predictions"])
def test_loss_gradients_and_associations(interpreted, level):
    """The public entry with unlabelled pixels and two candidates, with the kernels and without."""
    found = interpreted[f"loss of {level}"]
    assert found["same"]
    assert found["consistent"] > 20
    assert found["value"] < 2e-6
    assert found["grad"] < 1e-5


def test_kernels_that_fail_or_are_wrong_are_not_used(interpreted):
    assert interpreted["trusted"]["answers"] == [[True, 0], [False, 1], [False, 1], [False, 1]]


@pytest.mark.skipif(sys.platform != "linux", reason="triton is for Linux")
def test_kernels_compile_and_fit_real_cards():
    """Consumer cards give a block 99 KiB of shared memory, Turing 64; Hopper 227. Nothing may spill out of the registers."""
    found = run_module("tests.unit.compiled")
    room = {"90": 227 * KIB, "86": 99 * KIB, "75": 64 * KIB}
    for name, taken in found.items():
        assert taken["shared"] <= room[name.split()[1]], name
        assert taken["spilt"] == 0, name


def test_without_triton_plain_torch_is_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    for name in [name for name in sys.modules if name.startswith("pca_core.association.gpu")]:
        monkeypatch.delitem(sys.modules, name)
    assert dispatch._load("pca_core.association.gpu") is None


def test_nothing_on_the_cpu_asks_for_the_kernels():
    directions = make_directions(torch.randn(2048, 4), torch.randn(2048, 4), "feature")
    assert dispatch.find_gpu(directions[0]) is None
