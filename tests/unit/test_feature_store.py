"""What a net saw is kept on disk: read back whole or not at all, bounded, shared by processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from pca_core import feature_store
from pca_core.data import content_hash
from pca_core.feature_store import FeatureStore, name_result, segment_once
from pca_core.inference import Segmentation, segment
from pca_core.models import Checkpoint, build_model
from pca_core.types import LabelSpace
from tests.conftest import ROOT

WRITER = """
import sys, random, torch
from pca_core.feature_store import FeatureStore
from tests.unit.test_feature_store import make_segmentation
torch.set_num_threads(1)
store, seed, wrong = FeatureStore(sys.argv[1], int(sys.argv[2])), int(sys.argv[3]), 0
draw = random.Random(seed)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(40):
    value = draw.randrange(6)
    found = store.read(f"key{value}")
    wrong += found is not None and not torch.equal(found.features, make_segmentation(value).features)
    store.write(f"key{value}", make_segmentation(value))
print(wrong)
"""


def make_segmentation(value: int) -> Segmentation:
    features = torch.full((8, 8, 16), float(value))
    return Segmentation(features, torch.rand(3, 8, 16, generator=torch.Generator().manual_seed(value)), 4)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


@pytest.fixture
def store(tmp_path) -> FeatureStore:
    return FeatureStore(tmp_path / "features")


def test_what_was_written_is_read_back(store):
    assert store.read("a") is None
    store.write("a", make_segmentation(1))
    found = FeatureStore(store.folder).read("a")  # as a program that is started again
    assert torch.equal(found.features, make_segmentation(1).features)
    assert torch.equal(found.probabilities, make_segmentation(1).probabilities)
    assert found.output_stride == 4
    assert store.read("b") is None


def cut(data: bytes, length: int) -> bytes:
    return data[:length]


def flip(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize(
    ("damage", "place"),
    [(cut, 0), (cut, 5), (cut, 100), (cut, -1), (flip, 3), (flip, 40), (flip, -1), (flip, -3000)],
    ids=["empty", "in the length", "in the header", "last byte", "length", "header", "probabilities", "features"],
)
def test_a_damaged_file_is_as_good_as_none_and_removed(store, damage, place):
    store.write("a", make_segmentation(1))
    path = store.folder / "a.safetensors"
    data = path.read_bytes()
    path.write_bytes(damage(data, place % len(data)) if place else b"")
    assert store.read("a") is None
    assert not path.exists()
    store.write("a", make_segmentation(1))
    assert store.read("a") is not None


def test_a_foreign_file_is_as_good_as_none(store):
    from safetensors.torch import save_file

    store.folder.mkdir()
    save_file({"features": torch.ones(1)}, store.folder / "a.safetensors")
    assert store.read("a") is None


def test_the_least_recently_used_go(tmp_path):
    store = FeatureStore(tmp_path, max_bytes=1)
    store.write("a", make_segmentation(1))
    assert store.read("a") is None  # larger than all there is room for
    store.max_bytes = 2**20
    store.write("a", make_segmentation(1))
    store.max_bytes = 3 * size_of(tmp_path) + 10
    for key in "bc":
        store.write(key, make_segmentation(2))
    assert store.read("a") is not None  # used again: b is now the oldest
    store.write("d", make_segmentation(3))
    assert [key for key in "abcd" if store.read(key)] == ["a", "c", "d"]
    assert size_of(tmp_path) <= store.max_bytes


def test_half_written_files_of_the_dead_are_removed_and_those_of_the_living_are_not(store):
    store.folder.mkdir()
    dead, living = (store.folder / f".a.safetensors.{name}" for name in ("dead", "living"))
    for path in (dead, living):
        path.write_bytes(b"half")
    hours_ago = time.time() - 7200
    os.utime(dead, (hours_ago, hours_ago))
    store.write("b", make_segmentation(1))
    assert (dead.exists(), living.exists()) == (False, True)


def test_processes_write_and_read_at_once(tmp_path):
    """Three at once, six keys, room for four: never anything but what was written, and the bound holds in the end."""
    probe = FeatureStore(tmp_path / "probe")
    probe.write("a", make_segmentation(1))
    bound = 4 * size_of(probe.folder) + 10
    folder = tmp_path / "features"
    command = [sys.executable, "-c", WRITER, str(folder), str(bound)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    writers = [
        subprocess.Popen(
            [*command, str(seed)], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for seed in range(3)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    assert [writer.communicate(timeout=60)[0] for writer in writers] == ["0\n"] * 3
    assert 0 < size_of(folder) <= bound
    assert sorted(path.suffix for path in folder.iterdir() if path.suffix != ".safetensors") in ([], [""])  # the lock at most


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path):
    (tmp_path / "features").write_text("a file where the folder should be")
    store = FeatureStore(tmp_path / "features")
    store.write("a", make_segmentation(1))
    assert store.read("a") is None


def test_the_last_gigabyte_of_the_disk_is_left_to_others(store, monkeypatch):
    monkeypatch.setattr(feature_store, "FREE_BYTES", 2**62)
    store.write("a", make_segmentation(1))
    assert store.read("a") is None


def test_the_net_sees_an_image_once(store):
    model = build_model("compact", num_classes=2).eval()
    checkpoint = Checkpoint(model, "compact", LabelSpace("two", ("a", "b"), ((0, 0, 0), (9, 9, 9))), short_side=32)
    passes = []
    model.register_forward_hook(lambda *_: passes.append(1))
    image = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    expected = segment(checkpoint, image)
    passes.clear()
    for other in (image, image, image[::-1].copy(), image):
        found = segment_once(store, checkpoint, "net", other, content_hash(other))
        if other is image:
            torch.testing.assert_close(found.features, expected.features, rtol=0, atol=0)
            torch.testing.assert_close(found.probabilities, expected.probabilities, rtol=0, atol=0)
            assert found.output_stride == expected.output_stride
    assert len(passes) == 2
    segment_once(store, checkpoint, "another net", image, content_hash(image))
    assert len(passes) == 3
    segment_once(store, checkpoint, "", image, content_hash(image))  # nobody knows which net this is
    segment_once(FeatureStore(store.folder, 0), checkpoint, "net", image, content_hash(image))  # nothing is to be kept
    assert len(passes) == 5


def test_a_name_stands_for_all_that_the_result_depends_on(monkeypatch):
    cpu = torch.device("cpu")
    names = {name_result("net", "image", cpu), name_result("other", "image", cpu), name_result("net", "other", cpu)}
    names.add(name_result("net", "image", torch.device("cuda")))
    monkeypatch.setattr(torch, "__version__", "1.0")
    names.add(name_result("net", "image", cpu))
    monkeypatch.setattr(feature_store, "FORMAT", 2)
    names.add(name_result("net", "image", cpu))
    assert len(names) == 6
