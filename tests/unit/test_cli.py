"""The commands as a person runs them: files that hold what they claim, and one sentence for whatever cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pca_core import AssociationConfig, associate, load_checkpoint
from pca_core.cli import main
from pca_core.cli.doctor import explain_idle_gpu
from pca_core.data import FolderDataset, read_image, read_label
from pca_core.export.association import ARRAYS
from pca_core.inference import evaluate, make_pair, segment
from pca_core.metrics import score

CLASSES = ["road", "sky", "tree"]


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


def test_doctor_tells_why_a_gpu_is_not_used():
    assert explain_idle_gpu(has_gpu=False, built_for=None, is_used=False) is None
    assert explain_idle_gpu(has_gpu=True, built_for="13.0", is_used=True) is None
    assert "is built without CUDA" in explain_idle_gpu(has_gpu=True, built_for=None, is_used=False)
    assert "(for CUDA 13.0) does not reach it: the driver" in explain_idle_gpu(has_gpu=True, built_for="13.0", is_used=False)


def test_doctor_shows_an_idle_gpu(capsys, monkeypatch):
    monkeypatch.setattr("pca_core.cli.doctor.has_nvidia_gpu", lambda: True)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["doctor"]) == 0
    assert "GPU       An NVIDIA GPU is here, but torch" in capsys.readouterr().out


def test_a_command_that_is_not_there_shows_those_that_are(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["asociate"])
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert all(name in message for name in ("train", "evaluate", "associate", "app", "doctor"))
