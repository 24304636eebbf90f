"""What the commands say when they cannot go on: one sentence on stderr, the code, exit status 2."""

from __future__ import annotations

import json
import shutil
import struct
import zlib

import numpy as np
import pytest
from safetensors.torch import load_file, save

from pca_core.cli import main
from pca_core.data import encode_jpeg, encode_png
from pca_core.models.checkpoints import read_description
from tests.unit.test_cli import CLASSES, associate_arguments, run_json


def refused(capsys, *arguments) -> str:
    """The one line that a command says on stderr when it cannot go on."""
    assert main([*map(str, arguments)]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    (line,) = streams.err.strip().splitlines()
    assert line.startswith("cyclelens: ")
    return line


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is and then holds nothing of it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


PHOTO = encode_jpeg(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("file", "content", "code"),
    [
        ("images/0.png", PHOTO[: len(PHOTO) // 2], "IMAGE_BROKEN"),  # a JPEG cut in half, whatever its name
        ("images/0.png", png_header(50_000, 50_000), "IMAGE_TOO_LARGE"),  # 7.5 GB of pixels in a hundred bytes
        ("images/0.png", b"", "IMAGE_EMPTY"),  # a failed download
        ("images/0.png", b"<html>404</html>", "IMAGE_FORMAT"),  # another failed download
        ("labels/0.png", encode_png(np.zeros((48, 63), np.uint8)), "LABEL_SIZE"),  # one column short
        ("labels/0.png", encode_png(np.full((48, 64), 7, np.uint8)), "LABEL_UNKNOWN_IDS"),  # classes that nobody named
        ("labels/0.png", PHOTO, "LABEL_LOSSY"),  # ids that JPEG has changed
    ],
    ids=["cut", "bomb", "empty", "html", "other size", "unknown ids", "lossy"],
)
def test_a_bad_picture_is_told_by_its_name(copy, capsys, file, content, code):
    (copy / "data" / file).write_bytes(content)
    for arguments in (
        associate_arguments(copy),
        ["evaluate", "--data", copy / "data", "--checkpoint", copy / "net.safetensors"],
        ["train", "--source", copy / "data", "--out", copy / "new.safetensors", "--steps", 1, "--short-side", 32],
    ):
        line = refused(capsys, *arguments)
        assert line.endswith(f"[{code}]")
        assert "0.png" in line
    assert not (copy / "out").exists()
    assert not (copy / "new.safetensors").exists()


def test_unknown_ids_can_be_ignored(copy, capsys):
    label = np.zeros((48, 64), np.uint8)
    label[:, :32] = 7
    (copy / "data/labels/0.png").write_bytes(encode_png(label))
    scores = ("evaluate", "--data", copy / "data", "--checkpoint", copy / "net.safetensors", "--include", "0", "--ignore-unknown")
    assert run_json(capsys, *scores)["num_pixels"] == 48 * 32
    run_json(capsys, *associate_arguments(copy), "--ignore-unknown")


def with_classes(names):
    return lambda root: (root / "data/classes.json").write_text(json.dumps({"name": "other", "class_names": names}))


def without(name):
    return lambda root: shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()


def with_description(change):
    def rewrite(root):
        path = root / "net.safetensors"
        path.write_bytes(save(load_file(path), {"cyclelens": json.dumps(read_description(path) | change)}))

    return rewrite


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (with_classes(["road", "sky", "road"]), "CLASSES_DUPLICATE"),  # two classes of one name
        (with_classes(["sky", "road", "tree"]), "CHECKPOINT_CLASSES"),  # the net's classes in another order
        (with_classes([*CLASSES, "car"]), "CHECKPOINT_CLASSES"),  # one more than the net has
        (without("data/classes.json"), "CLASSES_NOT_FOUND"),  # ids without names
        (without("data/labels"), "DATA_UNLABELLED"),  # nothing to score against
        (without("data/images"), "DATASET_EMPTY"),  # no images at all
        (without("data"), "DATASET_NOT_FOUND"),  # a misspelt folder
        (without("net.safetensors"), "CHECKPOINT_NOT_FOUND"),  # a misspelt checkpoint
        (with_description({"architecture": "deeplab"}), "CHECKPOINT_DESCRIPTION"),  # a net that is not known here
        (with_description({"options": {"feature_channels": 8}}), "CHECKPOINT_MISMATCH"),  # weights of another net
        (lambda root: (root / "net.safetensors").write_text("hello"), "CHECKPOINT_FORMAT"),  # no checkpoint
        (lambda root: (root / "net.safetensors").write_bytes(PHOTO * 9), "CHECKPOINT_FORMAT"),  # no checkpoint either
    ],
)
def test_evaluate_refuses(copy, capsys, damage, code):
    damage(copy)
    assert refused(capsys, "evaluate", "--data", copy / "data", "--checkpoint", copy / "net.safetensors").endswith(f"[{code}]")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"alpha": 1.5}, "alpha must lie in [0, 1], got 1.5"),  # more than everything
        ({"alpha": "nan"}, "alpha must lie in [0, 1], got nan"),  # no number
        ({"top_k": 0}, "top_k must be at least 1, got 0"),  # no candidate
        ({"top_k": 1000}, "at most the number of target pixels (80), got 1000"),  # more than there are
        ({"device": "gpu"}, "[DEVICE_UNKNOWN]"),  # no such device
        ({"device": "meta"}, "[DEVICE_UNKNOWN]"),  # a device that cannot compute
        ({"source": "nowhere.png"}, "[IMAGE_NOT_FOUND]"),  # a misspelt image
        ({"target_label": "nowhere.png"}, "[IMAGE_NOT_FOUND]"),  # a misspelt label
        ({"out": __file__}, "exists"),  # a file where the folder should be
    ],
)
def test_associate_refuses(world, tmp_path, capsys, change, words):
    assert words in refused(capsys, *associate_arguments(world, **{"out": tmp_path / "out"} | change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--out", "net.pt"), "--out must end in .safetensors, got 'net.pt'"),  # another format is not written
        (("--steps", "0"), "steps must be at least 1, got 0"),  # nothing to do
        (("--batch-size", "-1"), "batch_size must be at least 1, got -1"),  # nothing to learn from
        (("--learning-rate", "0"), "learning_rate must be positive"),  # would stand still
        (("--architecture", "compat"), "Did you mean 'compact'? [MODEL_UNKNOWN]"),  # misspelt
        (("--include", "z*"), "[DATASET_PATTERN]"),  # a pattern that fits nothing
        (("--resume",), "[RESUME_NOT_FOUND]"),  # nothing was interrupted
    ],
)
def test_train_refuses(world, tmp_path, capsys, monkeypatch, change, words):
    monkeypatch.chdir(tmp_path)
    arguments = ["train", "--source", world / "data", "--out", "net.safetensors", "--steps", 1, "--short-side", 32, *change]
    assert words in refused(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []
