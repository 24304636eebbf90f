"""A tiny labelled data set and short runs on it, for tests of training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pca_core import InputError
from pca_core.data import encode_png
from pca_core.training import TrainConfig, train

COLOURS = np.array([(200, 60, 40), (30, 90, 220), (60, 200, 70)], np.uint8)
TINY = TrainConfig(steps=8, batch_size=2, short_side=32, warmup_steps=2)


def make_data(root: Path, count: int = 3, labelled: int | None = None, size=(48, 64), names=("road", "sky", "tree")) -> Path:
    """Images of three coloured blocks with a little noise; the colour is the class, a strip at the bottom has no label."""
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    (root / "classes.json").write_text(json.dumps({"name": "blocks", "class_names": list(names)}))
    rng = np.random.default_rng(0)
    for number in range(count):
        label = np.zeros(size, np.uint8)
        label[:, size[1] // 3 + 4 * number :] = 1
        label[size[0] // 2 :, size[1] // 2 :] = 2
        noise = rng.integers(-12, 13, (*size, 3))
        image = (COLOURS[label].astype(int) + noise).clip(0, 255).astype(np.uint8)
        label[-3:] = 255
        (root / "images" / f"{number}.png").write_bytes(encode_png(image))
        if labelled is None or number < labelled:
            (root / "labels" / f"{number}.png").write_bytes(encode_png(label))
    return root


def run(data, out, config=TINY, **options):
    return [record.losses for record in train(data, out, config, **options)]


def refuse(code: str, data, out, config=TINY, **options) -> str:
    with pytest.raises(InputError) as caught:
        next(train(data, out, config, **options))
    assert caught.value.code == code
    return str(caught.value)


def assert_equal_weights(a: Path, b: Path) -> None:
    first, second = load_file(a), load_file(b)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def note_products(model: torch.nn.Module) -> set[torch.dtype]:
    """What the convolutions of a net give from now on; the set fills as it runs."""
    kinds = set()
    for layer in model.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda _, __, result: kinds.add(result.dtype))
    return kinds
