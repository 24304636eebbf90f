"""Bundles hold what they claim, and a recipe makes the same figures again, by a person or from a stranger."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from pca_core import AssociationConfig, PairAnalysis, explain_pixel, load_checkpoint
from pca_core.analysis.pairs import PairFilter, list_pairs
from pca_core.checks import InputError
from pca_core.cli import main
from pca_core.data import FolderDataset, content_hash, encode_png, read_image
from pca_core.export.bundle import MAX_NET_BYTES, make_bundle
from pca_core.export.recipe import Inputs, change_recipe, make_recipe, open_recipe, read_recipe
from pca_core.figures.view import Switches, View
from pca_core.inference import make_pair, segment
from tests.conftest import ROOT

FIGURES = ("trace", "pairs", "scores")
CONFIG = AssociationConfig("feature", 0.3, top_k=2)
SWITCHES = Switches(lines=20, keep=PairFilter(classes=(0, 1), verdicts=("consistent",)), inference="aggregated")


@pytest.fixture(scope="module")
def view(world) -> View:
    net = load_checkpoint(world / "net.safetensors")
    source, target = FolderDataset(world / "data")[0], replace(FolderDataset(world / "data")[1], domain="target")
    pair = make_pair(segment(net, source.image), source.label, segment(net, target.image), target.label)
    return View(PairAnalysis(pair, CONFIG), source, target, net, ("target", 7), SWITCHES)


@pytest.fixture(scope="module")
def bundle(view, world) -> bytes:
    net = world / "net.safetensors"
    return make_bundle(view, make_recipe(view, net, FIGURES, ("png", "svg", "pdf"), 1), net)


@pytest.fixture
def unpacked(bundle, tmp_path):
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    return tmp_path


def change(unpacked, **changes) -> None:
    path = unpacked / "recipe.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refused(unpacked, capsys, code: str, *flags) -> str:
    assert main(["export", "--recipe", str(unpacked / "recipe.json"), "--out", str(unpacked / "out"), *flags]) == 2
    said = capsys.readouterr().err
    assert f"[{code}]" in said
    assert said.count("\n") == 1
    return said


def test_a_bundle_has_its_parts(unpacked, view):
    files = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    assert files == {
        "README.txt", "recipe.json",
        *(f"figures/{name}.{fmt}" for name in FIGURES for fmt in ("png", "svg", "pdf")),
        "arrays/association.npz", "arrays/trace.npz", "arrays/classes.npz", "arrays/pairs.npz", "arrays/scores.npz",
        "tables/pairs.csv", "tables/classes.csv", "tables/pixel.csv", "tables/scores.csv", "tables/scores_confusion.csv",
        "inputs/source.png", "inputs/source_label.png", "inputs/target.png", "inputs/target_label.png",
        "inputs/checkpoint.safetensors",
    }  # fmt: skip
    np.testing.assert_array_equal(read_image(unpacked / "inputs/target.png"), view.target.image)
    assert "cyclelens export --recipe recipe.json" in (unpacked / "README.txt").read_text()


def test_arrays_and_tables_are_those_of_the_core(unpacked, view):
    found, trace = view.analysis.association, explain_pixel(view.analysis, 7, "target")
    with np.load(unpacked / "arrays/association.npz") as arrays:
        np.testing.assert_array_equal(arrays["target_index"], found.target_index)
    with np.load(unpacked / "arrays/trace.npz") as arrays:
        assert (str(arrays["side"]), int(arrays["index"])) == ("target", 7)
        np.testing.assert_array_equal(arrays["similarity_map"], trace.similarity_map)
    with np.load(unpacked / "arrays/classes.npz") as arrays:
        np.testing.assert_array_equal(arrays["target_prediction"], view.analysis.pair.target_prediction)
        assert tuple(arrays["class_names"]) == view.label_space.class_names
    rows = list(csv.DictReader((unpacked / "tables/pairs.csv").open()))
    pairs = list_pairs(view.analysis, SWITCHES.keep)
    columns = view.analysis.pair.target_size[1]
    assert [int(row["target_row"]) * columns + int(row["target_column"]) for row in rows] == pairs.target_index.tolist()
    assert {row["verdict"] for row in rows} == {"consistent"}
    assert [float(row["similarity"]) for row in rows] == pairs.similarity.tolist()
    claims = [row for row in csv.DictReader((unpacked / "tables/pixel.csv").open()) if row["kind"] == "claim"]
    assert len(claims) == len(trace.claims)
    classes = list(csv.DictReader((unpacked / "tables/classes.csv").open()))
    assert [row["class"] for row in classes] == list(view.label_space.class_names)


def test_the_command_of_the_recipe_makes_the_same_files_again(unpacked):
    done = subprocess.run(
        [sys.executable, "-m", "pca_core.cli", "export", "--recipe", "recipe.json", "--json"],
        cwd=unpacked, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["changed_versions"] == {}
    assert told["files"] == [f"{name}.{fmt}" for name in FIGURES for fmt in ("png", "svg", "pdf")]
    for name in told["files"]:
        assert (unpacked / "again" / name).read_bytes() == (unpacked / "figures" / name).read_bytes(), name


def test_the_command_also_makes_the_data_again(unpacked, capsys):
    flags = ["--data", "--format", "png", "--json"]
    assert main(["export", "--recipe", str(unpacked / "recipe.json"), *flags]) == 0
    behind = ["arrays/pairs.npz", "arrays/scores.npz", "tables/scores.csv", "tables/scores_confusion.csv"]
    assert json.loads(capsys.readouterr().out)["files"] == [*(f"{name}.png" for name in FIGURES), *behind]
    for name in behind:
        assert (unpacked / "again" / name).read_bytes() == (unpacked / name).read_bytes(), name


def test_some_figures_of_a_recipe_in_another_format(unpacked, capsys):
    out = unpacked / "new"
    flags = ["--figure", "pairs", "--figure", "flow", "--format", "png", "--scale", "1", "--out", str(out)]
    assert main(["export", "--recipe", str(unpacked / "recipe.json"), *flags]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["flow.png", "pairs.png"]
    assert (out / "pairs.png").read_bytes() == (unpacked / "figures/pairs.png").read_bytes()
    assert capsys.readouterr().out.startswith("Wrote pairs.png, flow.png to ")


def test_a_recipe_keeps_the_view(unpacked, view):
    recipe = read_recipe(unpacked / "recipe.json")
    assert (recipe.config, recipe.switches) == (CONFIG, SWITCHES)
    again = open_recipe(recipe, Inputs.beside(unpacked / "recipe.json"))
    assert again.pixel == ("target", 7)
    np.testing.assert_array_equal(again.analysis.association.target_index, view.analysis.association.target_index)
    assert recipe.source.sha256 == content_hash(view.source.image)


def test_averaged_pixels_are_in_the_recipe(view, world, unpacked):
    net = view.checkpoint
    seen = segment(net, view.source.image), segment(net, view.target.image)
    pair = make_pair(seen[0], view.source.label, seen[1], view.target.label, pooling=2)
    assert pair.source_size == tuple(-(-side // 2) for side in view.analysis.pair.source_size)
    corner = view.analysis.pair.source_features[:, :2, :2].mean((1, 2))
    torch.testing.assert_close(pair.source_features[:, 0, 0], corner)
    coarse = replace(view, analysis=PairAnalysis(pair, CONFIG), pooling=2)
    assert "2 × 2 feature pixels averaged" in coarse.describe_config()
    again = open_recipe(make_recipe(coarse, world / "net.safetensors", FIGURES), Inputs.beside(unpacked / "recipe.json"))
    assert again.pooling == 2
    np.testing.assert_array_equal(again.analysis.association.target_index, coarse.analysis.association.target_index)


def test_the_same_view_gives_the_same_zip(bundle, view, world):
    net = world / "net.safetensors"
    assert make_bundle(view, make_recipe(view, net, FIGURES, ("png", "svg", "pdf"), 1), net) == bundle


def test_other_versions_are_told(unpacked, capsys):
    change(unpacked, versions={"torch": "1.0"})
    flags = ["--figure", "pairs", "--format", "png", "--out", str(unpacked / "out")]
    assert main(["export", "--recipe", str(unpacked / "recipe.json"), *flags]) == 0
    assert "torch was 1.0, is 2." in capsys.readouterr().out


def test_a_large_net_stays_outside_and_is_asked_for(view, world, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("pca_core.export.bundle.MAX_NET_BYTES", 10)
    assert MAX_NET_BYTES >= 2**20
    net = world / "net.safetensors"
    with zipfile.ZipFile(io.BytesIO(make_bundle(view, make_recipe(view, net, ("pairs",), ("png",), 1), net))) as archive:
        archive.extractall(tmp_path)
    assert not (tmp_path / "inputs/checkpoint.safetensors").exists()
    assert "--checkpoint" in refused(tmp_path, capsys, "CHECKPOINT_NOT_FOUND")
    assert main(["export", "--recipe", str(tmp_path / "recipe.json"), "--checkpoint", str(net)]) == 0
    assert (tmp_path / "again/pairs.png").read_bytes() == (tmp_path / "figures/pairs.png").read_bytes()


@pytest.mark.parametrize("name", ["source.png", "target.png", "source_label.png"])
def test_another_image_is_refused(unpacked, capsys, name):
    path = unpacked / "inputs" / name
    picture = read_image(path) if "label" not in name else read_image(path)[..., 0]
    changed = picture.copy()
    changed[0, 0] = 1 - (changed[0, 0] > 0)
    path.write_bytes(encode_png(changed))
    assert name in refused(unpacked, capsys, "RECIPE_DIFFERS")


def test_another_net_is_refused(unpacked, capsys):
    recipe = json.loads((unpacked / "recipe.json").read_text())
    change(unpacked, checkpoint=recipe["checkpoint"] | {"sha256": "0" * 64})
    assert "checkpoint.safetensors" in refused(unpacked, capsys, "RECIPE_DIFFERS")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"figures": ["../../x"]}, "figures"),
        ({"figures": []}, "figures"),
        ({"formats": ["exe"]}, "formats"),
        ({"scale": 400}, "scale"),
        ({"scale": float("nan")}, "scale"),
        ({"format": 2}, "format"),
        ({"config": {"level": "feature", "alpha": 7}}, "alpha must lie in"),
        ({"config": {"evil": 1}}, "config"),
        ({"pixel": {"side": "left", "index": 0}}, "pixel.side"),
        ({"pixel": {"side": "source", "index": -1}}, "pixel.index"),
        ({"switches": {"lines": "many"}}, "switches.lines"),
        ({"switches": {"weights": {"lovasz": -1}}}, "lovasz"),
        ({"inputs": "/etc"}, "inputs"),
        ({"source": {"name": "x" * 1000, "sha256": "0" * 64, "label_sha256": None}}, "source.name"),
    ],
)  # fmt: skip
def test_a_strange_recipe_gets_one_sentence(unpacked, capsys, changes, told):
    change(unpacked, **changes)
    assert told in refused(unpacked, capsys, "RECIPE_BROKEN")
    assert not list((unpacked / "out").glob("*")) if (unpacked / "out").exists() else True


def test_what_is_no_recipe_gets_one_sentence(unpacked, capsys):
    path = unpacked / "recipe.json"
    for content in (b"", b"[]", b"{", b"\xff\xfe", b'{"format": 1}', b"[" * 100_000, b" " * (2**20 + 1)):
        path.write_bytes(content)
        refused(unpacked, capsys, "RECIPE_BROKEN")
    path.unlink()
    refused(unpacked, capsys, "RECIPE_NOT_FOUND")


def test_a_pixel_outside_and_an_unlabelled_source_are_refused(unpacked, capsys):
    recipe = json.loads((unpacked / "recipe.json").read_text())
    change(unpacked, pixel={"side": "target", "index": 10**6})
    refused(unpacked, capsys, "RECIPE_PIXEL")
    change(unpacked, pixel=recipe["pixel"], source=recipe["source"] | {"label_sha256": None})
    refused(unpacked, capsys, "SOURCE_UNLABELLED")


def test_changes_of_a_recipe_are_checked(unpacked):
    recipe = read_recipe(unpacked / "recipe.json")
    assert change_recipe(recipe, scale=3).scale == 3
    with pytest.raises(InputError, match="figures"):
        change_recipe(recipe, figures=["none"])
