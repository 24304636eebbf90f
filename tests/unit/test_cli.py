"""The commands as a person runs them: files that hold what they claim, and one sentence for whatever cannot be used."""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save

from pca_core import AssociationConfig, associate, load_checkpoint
from pca_core.cli import main
from pca_core.data import FolderDataset, encode_jpeg, encode_png, read_image, read_label
from pca_core.export import ARRAYS
from pca_core.inference import evaluate, make_pair, segment
from pca_core.metrics import score
from pca_core.models.checkpoints import read_description
from tests.unit.test_training import make_data

CLASSES = ["road", "sky", "tree"]


@pytest.fixture(scope="module")
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


def run_json(capsys, *arguments) -> dict:
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def associate_arguments(root: Path, **changes) -> list[str]:
    given = {
        "source": root / "data/images/0.png",
        "source-label": root / "data/labels/0.png",
        "target": root / "data/images/1.png",
        "checkpoint": root / "net.safetensors",
        "out": root / "out",
    } | {name.replace("_", "-"): value for name, value in changes.items()}
    return ["associate", *(part for name, value in given.items() for part in (f"--{name}", str(value)))]


def test_train_says_what_it_did(world, tmp_path, capsys):
    out = tmp_path / "new" / "net.safetensors"
    common = ["train", "--source", world / "data", "--out", out, "--short-side", 32, "--batch-size", 2]
    data = run_json(capsys, *common, "--steps", 2, "--include", "[01]")
    assert (data["checkpoint"], data["steps"], data["images"]) == (str(out), 2, 2)
    assert set(data["losses"]) == {"cross_entropy", "lovasz", "total"}
    assert data["losses"]["total"] == pytest.approx(data["losses"]["cross_entropy"] + 0.75 * data["losses"]["lovasz"], rel=1e-5)
    assert load_checkpoint(out).label_space.class_names == tuple(CLASSES)
    assert main([*map(str, common), "--steps", "2", "--exclude", "2"]) == 0
    assert capsys.readouterr().out.startswith(f"Wrote {out}: 2 steps on 2 images in ")


def test_evaluate_gives_percent_by_class_name(world, capsys):
    checkpoint, data = world / "net.safetensors", world / "data"
    plain = run_json(capsys, "evaluate", "--data", data, "--checkpoint", checkpoint)
    assert list(plain["iou"]) == CLASSES
    assert 40 < plain["pixel_accuracy"] <= 100  # percent: three blocks, a third would be chance
    assert plain["miou"] == pytest.approx(np.mean([value for value in plain["iou"].values() if value is not None]))
    assert (plain["num_images"], plain["num_pixels"], plain["is_aggregated"]) == (3, 3 * 45 * 64, False)
    net = load_checkpoint(checkpoint)
    for is_aggregated, flags in ((False, []), (True, ["--aggregate"])):
        expected = score(evaluate(net, FolderDataset(data), is_aggregated=is_aggregated))
        got = run_json(capsys, "evaluate", "--data", data, "--checkpoint", checkpoint, *flags)
        assert (got["is_aggregated"], got["miou"]) == (is_aggregated, expected.miou)
    assert got["miou"] != plain["miou"]


def test_evaluate_in_words(world, capsys):
    arguments = ["evaluate", "--data", str(world / "data"), "--checkpoint", str(world / "net.safetensors")]
    assert main([*arguments, "--aggregate", "--include", "0"]) == 0
    head, *rows = capsys.readouterr().out.strip().splitlines()
    assert head.startswith("mIoU ")
    assert head.endswith("1 images, with aggregation")
    assert [row.split()[0] for row in rows] == CLASSES
    assert all(row.endswith("%") for row in rows)


@pytest.mark.parametrize("level", ["feature", "prediction"])
def test_associate_writes_what_the_core_says(world, tmp_path, capsys, level):
    images, ids = world / "data/images", world / "data/labels"
    out = tmp_path / "out"
    flags = {"out": out, "target_label": ids / "1.png", "level": level, "alpha": 0.3, "top_k": 2}
    printed = run_json(capsys, *associate_arguments(world, **flags))

    net = load_checkpoint(world / "net.safetensors")
    source, target = (read_image(images / name) for name in ("0.png", "1.png"))
    source_label, target_label = (read_label(ids / name, net.label_space).ids for name in ("0.png", "1.png"))
    pair = make_pair(segment(net, source), source_label, segment(net, target), target_label)
    sides = (
        (pair.source_features, pair.target_features)
        if level == "feature"
        else (pair.source_probabilities, pair.target_probabilities)
    )
    found = associate(*sides, pair.source_labels, AssociationConfig(level, alpha=0.3, top_k=2))
    with np.load(out / "association.npz", allow_pickle=False) as arrays:
        for name in ARRAYS:
            np.testing.assert_array_equal(arrays[name], getattr(found, name).numpy(), err_msg=name)

    statistics = json.loads((out / "statistics.json").read_text())
    assert printed == {**statistics, "out": str(out)}
    assert (statistics["rate"], statistics["coverage"]) == (found.rate, found.coverage)
    assert statistics["correct_rate"] is not None
    assert statistics["config"] | {"level": level, "alpha": 0.3, "top_k": 2, "mutual": False} == statistics["config"]
    sizes = {path.stem: Image.open(path).size for path in out.glob("*.png")}
    single = ("source_verdicts", "source_prediction", "target_hubness", "target_prediction")
    assert sizes == {**dict.fromkeys(single, (64, 48)), "pairs": (64 + 12 + 64, 48)}


def test_associate_in_words(world, tmp_path, capsys):
    assert main([*associate_arguments(world, out=tmp_path / "out"), "--mutual"]) == 0
    text = capsys.readouterr().out
    statistics = json.loads((tmp_path / "out/statistics.json").read_text())
    assert statistics["config"]["mutual"] is True
    assert text.startswith(f"Cycle-consistent {statistics['rate']:.1%} of the labelled source pixels")
    assert "correct unknown (no target label)" in text


def test_doctor_gives_facts(capsys):
    facts = run_json(capsys, "doctor")
    assert {"python", "packages", "device", "memory_gib", "missing"} <= set(facts)
    assert facts["missing"] == []
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.strip().endswith("All is well.")


def test_doctor_names_what_is_missing(capsys, monkeypatch):
    monkeypatch.setattr("pca_core.cli.doctor.NEEDED", ("torch", "no-such-package"))
    assert main(["doctor"]) == 1
    assert "Missing: no-such-package." in capsys.readouterr().out


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


def test_a_command_that_is_not_there_shows_those_that_are(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["asociate"])
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert all(name in message for name in ("train", "evaluate", "associate", "app", "doctor"))
