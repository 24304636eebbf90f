"""A kept search for sources ends as one in memory does, however often it was stopped and by however many processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from pca_core.analysis.support import TargetSearch, find_support
from pca_core.association import AssociationConfig
from pca_core.cli import main
from pca_core.data import FolderDataset, read_image
from pca_core.many.sources import KeptSearch
from pca_core.models import load_checkpoint
from tests.conftest import ROOT, torch_threads
from tests.unit.test_adaptation_distributed import TORCHRUN
from tests.unit.test_cli import run_json
from tests.unit.test_cli_refusals import refused
from tests.unit.training_data import make_data

COUNT = 10


@pytest.fixture(scope="module")
def root(world, tmp_path_factory):
    """Ten sources of which the third is no picture, and the net of the small world."""
    folder = tmp_path_factory.mktemp("sources")
    make_data(folder / "data", COUNT)
    (folder / "data/images/2.png").write_bytes(b"no picture")
    (folder / "net.safetensors").write_bytes((world / "net.safetensors").read_bytes())
    return folder


def arguments(root, *more) -> list[str]:
    given = ("--target", root / "data/images/1.png", "--sources", root / "data", "--checkpoint", root / "net.safetensors")
    return ["find-sources", *map(str, given), *map(str, more)]


@pytest.fixture
def looked(monkeypatch) -> list[str]:
    """Names of the sources that were looked at."""
    names, real = [], TargetSearch.look_at
    monkeypatch.setattr(TargetSearch, "look_at", lambda self, sample: names.append(sample.name) or real(self, sample))
    return names


def test_it_ends_as_the_search_in_memory(root, tmp_path, capsys, looked):
    expected = run_json(capsys, *arguments(root))
    assert len(expected["skipped"]) == 1
    looked.clear()
    assert run_json(capsys, *arguments(root, "--keep", tmp_path)) == expected
    assert len(looked) == COUNT - 1
    looked.clear()
    assert run_json(capsys, *arguments(root, "--keep", tmp_path)) == expected
    assert looked == ["0", "1", "3", "4", "5"], "only what the reference takes is looked at again"
    kept = sorted(tmp_path.glob("*.npy"))
    assert len(kept) == COUNT - 1
    assert run_json(capsys, *arguments(root, "--keep", tmp_path, "--alpha", "0"))["covered"] != expected["covered"]
    assert len(list(tmp_path.iterdir())) == 2 * (COUNT - 1), "another config has files of its own"


def test_maps_are_exact_and_a_damaged_file_is_made_anew(root, tmp_path, looked):
    net, target = load_checkpoint(root / "net.safetensors"), read_image(root / "data/images/1.png")
    sources, config = FolderDataset(root / "data"), AssociationConfig()
    whole = list(find_support(net, target, sources, config))[-1]

    def search():
        kept = KeptSearch(tmp_path, net, root / "net.safetensors", target, sources, config)
        assert sum(1 for _ in kept.look()) == COUNT
        return kept, kept.finish()

    search()
    kept, _ = search()
    for number, damage in ((6, b""), (7, b"\x93NUMPY\x01\x00"), (8, None)):
        path = kept._path(number)
        path.write_bytes(path.read_bytes()[:-9] if damage is None else damage)
    looked.clear()
    _, found = search()
    assert looked[-3:] == ["6", "7", "8"]
    assert found.skipped == whole.skipped
    np.testing.assert_array_equal(found.reference, whole.reference)
    assert [one.name for one in found.sources] == [one.name for one in whole.sources]
    for one, other in zip(found.sources, whole.sources, strict=True):
        assert (one.reached, one.is_labelled) == (other.reached, other.is_labelled)
        for name in ("similarity", "is_closed", "match_class"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
            assert getattr(one, name).dtype == getattr(other, name).dtype


def test_a_source_that_changes_is_looked_at_anew(root, tmp_path, capsys, looked):
    run_json(capsys, *arguments(root, "--keep", tmp_path))
    label = root / "data/labels/9.png"
    before = label.read_bytes()
    label.write_bytes((root / "data/labels/0.png").read_bytes())
    looked.clear()
    try:
        run_json(capsys, *arguments(root, "--keep", tmp_path))
    finally:
        label.write_bytes(before)
    assert looked[-1] == "9"


def test_killed_and_shared_it_ends_the_same(root, tmp_path, capsys):
    with torch_threads(1):  # as the processes below: sums of other parts round otherwise
        expected = run_json(capsys, *arguments(root))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = ["-m", "pca_core.cli", *arguments(root, "--keep", tmp_path, "--json")]
    child = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("*.npy")) and time.monotonic() < deadline:
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    done = subprocess.run(
        [*TORCHRUN, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=True
    )
    assert json.loads(done.stdout) == expected


def test_what_cannot_be_is_one_sentence(root, tmp_path, capsys, monkeypatch):
    assert refused(capsys, *arguments(root, "--keep", __file__)).endswith("[FOLDER_READ_ONLY]")
    for image in (empty := make_data(tmp_path / "data", 2) / "images").iterdir():
        image.write_bytes(b"")
    given = arguments(root, "--keep", tmp_path / "kept")
    given[given.index("--sources") + 1] = str(empty.parent)
    assert refused(capsys, *given).endswith("[SOURCES_UNREADABLE]")
    monkeypatch.setattr("pca_core.cli.find_sources.world_size", lambda: 2)
    assert "Give --keep DIR" in refused(capsys, *arguments(root))
    assert main(arguments(root, "--keep", tmp_path / "kept", "--limit", "0")) == 2
