"""A small world of data and a net, for tests of the commands."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pca_core.cli import main
from tests.unit.training_data import make_data


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    """A data set and a net that was trained on it for a few steps."""
    root = tmp_path_factory.mktemp("world")
    make_data(root / "data", count=3)
    arguments = ["--steps", "12", "--batch-size", "2", "--short-side", "32", "--learning-rate", "0.005"]
    assert main(["train", "--source", str(root / "data"), "--out", str(root / "net.safetensors"), *arguments]) == 0
    return root


@pytest.fixture
def copy(world, tmp_path) -> Path:
    """The world to break things in."""
    shutil.copytree(world, tmp_path / "copy")
    return tmp_path / "copy"
