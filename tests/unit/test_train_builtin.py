"""The script that makes the built-in checkpoint, on a miniature of the streets: what it trains on, its figures."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from pca_core import load_checkpoint
from pca_core.data import FolderDataset, encode_png
from tests.conftest import ROOT

FOLDERS = ("noon", "noon-heldout", "dusk-rain", "dusk-rain-heldout")
VOID = 11


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script as a module, although ``scripts`` is no package."""
    spec = importlib.util.spec_from_file_location("train_builtin", ROOT / "scripts/train_builtin.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_miniature(root: Path) -> Path:
    """Two frames of 32×16 in each folder: left half class 0, right half class 3, with one pixel without a label."""
    root.mkdir()
    (root / "classes.json").write_bytes((ROOT / "assets/streets/classes.json").read_bytes())
    label = np.zeros((16, 32), np.uint8)
    label[:, 16:] = 3
    for folder in FOLDERS:
        for part in ("images", "labels"):
            (root / folder / part).mkdir(parents=True)
        for number in range(2):
            image = np.where(label[..., None] == 3, 60, 200) + 20 * number * np.ones(3, int)
            (root / folder / "images" / f"{number}.png").write_bytes(encode_png(image.astype(np.uint8)))
            marked = label.copy()
            marked[0, 0] = VOID
            Image.fromarray(marked).save(root / folder / "labels" / f"{number}.png")
    return root


def test_the_net_the_oracle_and_their_figures_in_one_command(script, tmp_path, capsys):
    streets = make_miniature(tmp_path / "streets")
    nets = ["--out", str(tmp_path / "noon.safetensors"), "--oracle", str(tmp_path / "oracle.safetensors")]
    options = ["--streets", str(streets), *nets, "--steps", "2", "--short-side", "16"]
    script.main(options)
    figures = json.loads(capsys.readouterr().out)
    assert figures["source_only"].keys() == {"noon-heldout", "dusk-rain-heldout"}
    assert figures["adabn"].keys() == figures["oracle"].keys() == {"dusk-rain-heldout"}
    source, oracle = (figures[net]["dusk-rain-heldout"]["plain"]["miou"] for net in ("source_only", "oracle"))
    assert figures["comparison"]["gap"] == pytest.approx(oracle - source)
    trained_on = {load_checkpoint(tmp_path / f"{name}.safetensors").notes["trained_on"] for name in ("noon", "oracle")}
    assert trained_on == {"noon", "dusk-rain"}
    weights = load_file(tmp_path / "noon.safetensors")
    assert all(tensor.dtype == torch.float16 for tensor in weights.values() if tensor.ndim > 1)
    script.main([*options, "--score-only"])
    again = json.loads(capsys.readouterr().out)
    assert {key: figures[key] for key in ("source_only", "adabn", "oracle")} == {
        key: again[key] for key in ("source_only", "adabn", "oracle")
    }


def test_an_interrupted_run_goes_on(script, tmp_path, capsys, monkeypatch):
    dataset, out = FolderDataset(make_miniature(tmp_path / "streets") / "noon"), tmp_path / "net.safetensors"
    config = script.replace(script.CONFIG, steps=3, short_side=16)
    steps = script.train(dataset, out, config)
    next(steps)
    with pytest.raises(KeyboardInterrupt):
        steps.throw(KeyboardInterrupt)
    seen = []
    monkeypatch.setattr(script, "tqdm", lambda steps, **options: (seen.append(step.step) or step for step in steps))
    script.train_on(dataset, out, config)
    assert seen == [2, 3]
    assert not list(tmp_path.glob("*.resume"))


@pytest.mark.parametrize(("adabn", "part"), [(35.0, 0.25), (20.0, -0.125), (65.0, 1.0)])
def test_the_part_of_the_gap_that_is_closed(script, adabn, part):
    miou = {"source_only": 25.0, "adabn": adabn, "oracle": 65.0}
    figures = {net: {"dusk-rain-heldout": {"plain": {"miou": value}}} for net, value in miou.items()}
    assert script.compare(figures) == {"gap": 40.0, "closed_by_adabn": part}
    figures["oracle"]["dusk-rain-heldout"]["plain"]["miou"] = 25.0
    assert script.compare(figures) == {"gap": 0.0, "closed_by_adabn": None}
