"""Commands on data sets as downloaded: the net's classes, published protocols, parts and names."""

from __future__ import annotations

import json

import pytest
import torch

from pca_core import load_checkpoint, save_checkpoint
from pca_core.cli import main
from pca_core.data import LABEL_SPACES, open_dataset
from pca_core.data import streets as streets_module
from pca_core.inference import evaluate
from pca_core.metrics import score
from pca_core.models import Checkpoint, build_model
from tests.unit import miniatures


def make_net(path, space_name: str):
    space = LABEL_SPACES[space_name]
    torch.manual_seed(0)
    save_checkpoint(path, Checkpoint(build_model("compact", num_classes=space.num_classes), "compact", space, short_side=24))
    return path


def run_json(capsys, *arguments) -> dict:
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, *arguments) -> str:
    assert main([*map(str, arguments)]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("layout", "space"),
    [
        ("cityscapes", "plca-19"),
        ("cityscapes", "synthia-13"),
        ("gtav", "plca-19"),
        ("synthia", "plca-16"),
        ("bdd100k", "plca-16"),
    ],
)
def test_a_checkpoint_scores_data_sets_in_its_own_order(tmp_path, capsys, layout, space):
    net, root = make_net(tmp_path / "net.safetensors", space), miniatures.MAKERS[layout](tmp_path / "data")
    got = run_json(capsys, "evaluate", "--data", root, "--checkpoint", net)
    dataset = open_dataset(root, label_space=LABEL_SPACES[space], for_scoring=True)
    expected = score(evaluate(load_checkpoint(net), dataset))
    assert list(got["iou"]) == list(LABEL_SPACES[space].class_names)
    assert (got["miou"], got["num_images"], got["layout"]) == (expected.miou, len(dataset), layout)
    assert got["num_pixels"] == len(dataset) * 40 * miniatures.HEIGHT


def test_the_mean_over_13_of_16_classes(tmp_path, capsys):
    net, root = make_net(tmp_path / "net.safetensors", "plca-16"), miniatures.make_cityscapes(tmp_path / "data")
    miniatures.write_ids(
        root / "gtFine/val/frankfurt/frankfurt_000000_000019_gtFine_labelIds.png", miniatures.stripes(7, 12, 17)
    )  # road, wall, pole
    common = ("evaluate", "--data", root, "--checkpoint", net)
    plain, star = run_json(capsys, *common), run_json(capsys, *common, "--label-space", "synthia-13")
    assert star["iou"] == plain["iou"]  # each class among all 16, as published
    assert len(plain["mean_over"]) == 16
    assert set(plain["mean_over"]) - set(star["mean_over"]) == {"wall", "fence", "pole"}
    counted = [value for name, value in plain["iou"].items() if name in star["mean_over"] and value is not None]
    assert star["miou"] == pytest.approx(sum(counted) / len(counted))
    assert main([*map(str, common), "--label-space", "synthia-13"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert "2 images of val, mean over the 13 classes of synthia-13" in head
    assert [row.split()[1] for row in rows if row.startswith("  -")] == ["fence", "pole", "wall"]
    assert "terrain" in refused(capsys, *common, "--label-space", "cityscapes-19")


def test_a_plain_folder_without_classes_takes_those_that_are_named(tmp_path, capsys):
    net, root = make_net(tmp_path / "net.safetensors", "plca-19"), miniatures.make_plain(tmp_path / "data")
    common = ("evaluate", "--data", root, "--checkpoint", net)
    assert "[CHECKPOINT_CLASSES]" in refused(capsys, *common)
    (root / "classes.json").unlink()
    assert "[CLASSES_NOT_FOUND]" in refused(capsys, *common)
    assert "[CHECKPOINT_CLASSES]" in refused(capsys, *common, "--label-space", "cityscapes-19")
    assert run_json(capsys, *common, "--label-space", "plca-19")["num_images"] == 2


def test_what_the_ids_of_a_folder_are_can_be_said(tmp_path, capsys):
    net, root = make_net(tmp_path / "net.safetensors", "plca-19"), tmp_path / "data"
    miniatures.make_plain(root)
    (root / "classes.json").unlink()
    miniatures.write_ids(root / "labels/a.png", miniatures.stripes(7, 12, 17))  # road, wall, pole of Cityscapes
    found = run_json(capsys, "evaluate", "--data", root, "--checkpoint", net, "--label-ids", "label_ids")
    assert {name for name, value in found["iou"].items() if value is not None} >= {"road", "wall", "pole"}
    assert "[LABEL_CONVENTION]" in refused(capsys, "evaluate", "--data", root, "--checkpoint", net, "--label-ids", "cityscapes")


@pytest.mark.parametrize(("layout", "space", "split"), [("gtav", "plca-19", "train"), ("synthia", "synthia-13", None)])
def test_training_on_data_sets_as_downloaded(tmp_path, capsys, layout, space, split):
    root, out = miniatures.MAKERS[layout](tmp_path / "data"), tmp_path / "net.safetensors"
    parts = ["--split", split] if split else []
    arguments = ["train", "--source", root, "--out", out, "--label-space", space, *parts, "--exclude", "*1", "--exclude", "*9"]
    small = ("--steps", 1, "--short-side", 24, "--batch-size", 2)
    data = run_json(capsys, *arguments, *small)
    assert data["images"] == {"gtav": 1, "synthia": 2}[layout]
    assert load_checkpoint(out).label_space == LABEL_SPACES[space]


def test_held_out_streets_score_and_never_train(tmp_path, capsys, monkeypatch):
    for name in ("noon", "noon-heldout"):
        miniatures.make_plain(tmp_path / name)
    (tmp_path / "noon-heldout/images/b.png").unlink()
    monkeypatch.setattr(streets_module, "STREETS", tmp_path)
    out = tmp_path / "net.safetensors"
    small = ("--out", out, "--steps", 1, "--short-side", 24, "--batch-size", 2)
    assert "Train on streets:noon." in refused(capsys, "train", "--source", "streets:noon-heldout", *small)
    assert run_json(capsys, "train", "--source", "streets:noon", *small)["images"] == 2
    assert run_json(capsys, "evaluate", "--data", "streets:noon", "--checkpoint", out)["num_images"] == 1
    assert run_json(capsys, "inspect-data", "streets:noon")["num_images"] == 2


def test_the_app_is_given_whole_paths_and_names(monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr("os.execv", lambda program, command: given.extend(command))
    monkeypatch.chdir(tmp_path)
    assert main(["app", "--source", "streets:noon", "--target", "cityscapes:val"]) is None
    assert given[given.index("--source") + 1] == "streets:noon"
    assert given[given.index("--target") + 1] == str(tmp_path / "cityscapes:val")
