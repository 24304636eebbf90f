"""Two tiny domains that a net can tell apart by colour, and a small net for them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pca_core.adaptation import AdaptationConfig, AssociationTerms
from pca_core.data import FolderDataset, encode_png
from pca_core.models import Checkpoint, build_model
from pca_core.training import Augmentation

SIZE = (32, 48)
PLAIN = Augmentation(1.0, 1.0, 0.0, 0.0, 0.0, 0.0)
TINY = AdaptationConfig(
    steps=4,
    batch_size=2,
    evaluate_every=2,
    association=AssociationTerms(stride=2),
    augmentation=replace(PLAIN, flip=0.5),
    target_augmentation=replace(PLAIN, flip=0.5, brightness=0.1),
)


def make_domains(root: Path, num_source: int = 6, num_target: int = 4) -> tuple[Path, Path]:
    """Folders of labelled images: three bands in three colours, the target's darker and bluish."""
    rng = np.random.default_rng(0)
    spaces = {"name": "bands", "class_names": ["top", "middle", "bottom"], "ignore_index": 255}
    for folder, count, shade in (("source", num_source, (0, 0, 0)), ("target", num_target, (-60, -50, 20))):
        for part in ("images", "labels"):
            (root / folder / part).mkdir(parents=True)
        (root / folder / "classes.json").write_text(json.dumps(spaces))
        for number in range(count):
            edges = sorted(rng.integers(6, 26, 2))
            label = np.zeros(SIZE, np.uint8)
            label[edges[0] :], label[edges[1] :] = 1, 2
            colours = (
                np.array([(120, 160, 220), (140, 130, 120), (90, 100, 80)])[label] + shade + rng.integers(-25, 25, (*SIZE, 3))
            )
            name = f"{number:03d}.png"
            (root / folder / "images" / name).write_bytes(encode_png(np.clip(colours, 0, 255).astype(np.uint8)))
            Image.fromarray(label).save(root / folder / "labels" / name)
    return root / "source", root / "target"


def open_domains(root: Path, **counts: int) -> tuple[FolderDataset, FolderDataset]:
    source, target = make_domains(root, **counts)
    return FolderDataset(source), FolderDataset(target, domain="target")


def make_checkpoint(dataset: FolderDataset, seed: int = 0) -> Checkpoint:
    """A net with random weights and 16 feature channels."""
    torch.manual_seed(seed)
    options = {"feature_channels": 16}
    model = build_model("compact", num_classes=dataset.label_space.num_classes, **options).eval()
    return Checkpoint(model, "compact", dataset.label_space, options, short_side=SIZE[0])
