"""Two processes under torchrun take the steps that one would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pca_core.adaptation import distributed
from pca_core.adaptation.distributed import CrossProcessBatchNorm
from pca_core.checks import InputError
from pca_core.data import FolderDataset
from pca_core.models import load_checkpoint, save_checkpoint
from pca_core.runs import Run
from tests.conftest import ROOT
from tests.unit.adaptation_data import make_checkpoint, make_domains

SCRIPT = "tests/unit/distributed_run.py"
TORCHRUN = [
    sys.executable,
    "-m",
    "torch.distributed.run",
    "--nproc-per-node=2",
    "--rdzv-backend=c10d",
    "--rdzv-endpoint=127.0.0.1:0",
]


def run(command: list[str], out: Path) -> dict:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-8000:]
    return json.loads(out.read_text())


def test_two_processes_equal_one(tmp_path):
    make_domains(tmp_path)
    alone = run([sys.executable, SCRIPT, str(tmp_path), str(tmp_path / "one.json")], tmp_path / "one.json")
    together = run([*TORCHRUN, SCRIPT, str(tmp_path), str(tmp_path / "two.json")], tmp_path / "two.json")
    assert len(alone["steps"]) == 3
    for one, two in zip(alone["steps"], together["steps"], strict=True):
        assert two["losses"] == pytest.approx(one["losses"], rel=2e-4)
        assert two["norm"] == pytest.approx(one["norm"], rel=2e-3)
        assert two["association"]["feature"]["rate"] == pytest.approx(one["association"]["feature"]["rate"], abs=0.02)
    assert together["weights"].keys() == alone["weights"].keys()
    assert together["weights"] == pytest.approx(alone["weights"], rel=1e-3, abs=1e-2)


def test_places_are_shared_out_part_by_part(monkeypatch):
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    shares = []
    for rank in range(2):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        shares.append(distributed.places(batch_size=4, accumulation=2))
    assert shares == [[0, 1, 4, 5], [2, 3, 6, 7]]
    with pytest.raises(InputError, match="multiple of 2"):
        distributed.places(batch_size=3, accumulation=1)


def test_alone_everything_is_as_without_processes():
    net = torch.nn.Sequential(torch.nn.BatchNorm2d(2))
    assert distributed.synchronise_batch_norm(net, torch.device("cpu"))[0].__class__ is torch.nn.BatchNorm2d
    assert distributed.wrap(net, torch.device("cpu")) is net
    assert distributed.places(4, 2) == list(range(8))
    made, plain = CrossProcessBatchNorm(2), torch.nn.BatchNorm2d(2)
    x = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(made(x), plain(x))
    assert torch.equal(made.eval()(x), plain.eval()(x))
    assert torch.equal(made.running_var, plain.running_var)


def test_the_command_under_torchrun(tmp_path):
    source, target = make_domains(tmp_path / "data")
    net = tmp_path / "net.safetensors"
    save_checkpoint(net, make_checkpoint(FolderDataset(source)))
    command = [*TORCHRUN, "-m", "pca_core.adaptation", "--source", str(source), "--target", str(target), "--checkpoint", str(net)]
    run([*command, "--steps", "3", "--save-every", "2", "--out", str(tmp_path / "run")], tmp_path / "run/run.json")
    found = Run(tmp_path / "run")
    assert found.read_status().state == "done"
    assert [record["step"] for record in found.read_metrics()] == [0, 1, 2, 3]
    layer = load_checkpoint(found.adapted_path).model.stem[1]
    assert type(layer) is torch.nn.BatchNorm2d, "the result is an ordinary net"
