"""A small world under the names that the docs use: ``DIR``, ``day``, ``net.safetensors``, ``a.jpg``, ``recipe.json`` …"""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from pca_core import PairAnalysis, load_checkpoint
from pca_core.data import FolderDataset
from pca_core.data.streets import BUILT_IN_NET, STREETS
from pca_core.export.bundle import make_bundle
from pca_core.export.recipe import make_recipe
from pca_core.figures.view import View
from pca_core.inference import make_pair, segment
from pca_core.models import save_checkpoint

SIZE = (128, 64)
FRAMES = 3
FOREIGN = ("net.pt", "gtav.pt")


def make_world(root: Path) -> None:
    """Write everything that a command of the docs may name."""
    streets = root / "assets/streets"
    for name in ("noon", "noon-heldout", "dusk-rain", "dusk-rain-heldout"):
        _shrink(STREETS / name, streets / name)
    shutil.copy(STREETS / "classes.json", streets)
    net = replace(load_checkpoint(BUILT_IN_NET), short_side=SIZE[1])  # it would look at them at 512 × 256 pixels
    for file in ("assets/compact_noon.safetensors", "net.safetensors"):
        save_checkpoint(root / file, net)
    for name, origin in {"DIR": "noon", "day": "noon", "dusk": "dusk-rain", "mine": "dusk-rain"}.items():
        shutil.copytree(streets / origin, root / name)
        shutil.copy(STREETS / "classes.json", root / name)
    noon, dusk = streets / "noon", streets / "dusk-rain"
    for name, file in {
        "a.jpg": noon / "images/noon_0001.jpg",
        "a.png": noon / "labels/noon_0001.png",
        "b.jpg": dusk / "images/dusk_rain_0001.jpg",
    }.items():
        shutil.copy(file, root / name)
    (root / "list.csv").write_text("source,source_label,target\na.jpg,a.png,b.jpg\n")
    for name in FOREIGN:
        torch.save(net.model.state_dict(), root / name)
    _write_bundle(root, net)


def _shrink(origin: Path, place: Path) -> None:
    for part, resample in (("images", Image.Resampling.BILINEAR), ("labels", Image.Resampling.NEAREST)):
        (place / part).mkdir(parents=True)
        for file in sorted((origin / part).iterdir())[:FRAMES]:
            Image.open(file).resize(SIZE, resample).save(place / part / file.name)


def _write_bundle(root: Path, net) -> None:
    source = FolderDataset(root / "day")[0]
    target = replace(FolderDataset(root / "dusk")[0], domain="target")
    pair = make_pair(segment(net, source.image), source.label, segment(net, target.image), target.label)
    view = View(PairAnalysis(pair), source, target, net, ("source", 5))
    file = root / "noon_0001_dusk_rain_0001_bundle.zip"
    file.write_bytes(
        make_bundle(view, make_recipe(view, root / "net.safetensors", ("histograms",), ("png",), 1), root / "net.safetensors")
    )
    with zipfile.ZipFile(file) as bundle:
        bundle.extractall(root)
