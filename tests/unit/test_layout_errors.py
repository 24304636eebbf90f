"""Wrong folders: each message names what is missing, what was expected, and the nearest thing that is there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from scipy.io import savemat

from pca_core.checks import InputError
from pca_core.data import open_dataset
from pca_core.data import streets as streets_module
from pca_core.data.streets import is_held_out
from tests.unit import miniatures
from tests.unit.miniatures import MAKERS


def refused(code: str, where, **options) -> str:
    with pytest.raises(InputError) as caught:
        open_dataset(where, **options)
    assert caught.value.code == code, caught.value
    return str(caught.value)


@pytest.mark.parametrize(
    ("layout", "wrong", "words"),
    [
        ("cityscapes", "leftImg8bit/val", "cityscapes"),  # the folder of a part
        ("cityscapes", "leftImg8bit/val/frankfurt", "cityscapes"),  # of a city
        ("cityscapes", "gtFine", "cityscapes"),  # of the labels
        ("acdc", "rgb_anon/night", "acdc"),
        ("bdd100k", "images/10k/val", "bdd100k"),
        ("mapillary", "training/images", "mapillary"),
        ("mapillary", "training", "mapillary"),
        ("synthia", "GT/LABELS", "synthia"),
        ("camvid", "701_StillsRaw_full", "camvid"),
        ("folder", "images", "folder"),
    ],
)
def test_a_folder_too_deep_or_too_shallow(tmp_path, layout, wrong, words):
    root = MAKERS[layout](tmp_path / "sets" / "data")
    message = refused("DATASET_LAYOUT", root / wrong)
    assert f"Did you mean {root} (layout {words})?" in message
    if layout != "folder":  # one above, too: the parent of a plain folder may hold its classes.json
        assert f"Did you mean {root} (layout {words})?" in refused("DATASET_LAYOUT", tmp_path / "sets")
        assert f"Did you mean {root} (layout {words})?" in refused("DATASET_LAYOUT", tmp_path)


@pytest.mark.parametrize(
    ("layout", "folder", "renamed", "code"),
    [
        ("cityscapes", "leftImg8bit", "leftimg8bit", "DATASET_LAYOUT"),
        ("cityscapes", "gtFine", "gtfine", "LAYOUT_FOLDER"),
        ("cityscapes", "gtFine", "gtFine_", "LAYOUT_FOLDER"),
        ("acdc", "rgb_anon", "rgb_annon", "DATASET_LAYOUT"),
        ("acdc", "gt", "GT", "LAYOUT_FOLDER"),
        ("bdd100k", "labels/sem_seg/masks", "labels/sem_seg/mask", "LAYOUT_FOLDER"),
        ("mapillary", "training", "train", None),  # the other parts are enough to know it
        ("synthia", "RGB", "rgb", "DATASET_LAYOUT"),
        ("synthia", "GT/LABELS", "GT/Labels", "LAYOUT_FOLDER"),
        ("camvid", "701_StillsRaw_full", "701_StillsRawFull", "DATASET_LAYOUT"),
        ("camvid", "LabeledApproved_full", "LabelledApproved_full", "LAYOUT_FOLDER"),
        ("camvid-11", "trainannot", "train_annot", "LAYOUT_FOLDER"),
        ("folder", "images", "image", "DATASET_LAYOUT"),
    ],
)
def test_a_misspelt_folder(tmp_path, layout, folder, renamed, code):
    root = MAKERS[layout](tmp_path)
    (root / folder).rename(root / renamed)
    if code is None:
        assert open_dataset(root).listing.split == "validation"
        return
    message = refused(code, root)
    assert Path(renamed).name in message
    assert folder in message


def test_archives_unpacked_into_folders_of_their_own(tmp_path):
    root = miniatures.make_cityscapes(tmp_path / "cityscapes")
    for folder in ("leftImg8bit", "gtFine"):
        (root / f"{folder}_trainvaltest").mkdir()
        (root / folder).rename(root / f"{folder}_trainvaltest" / folder)
    assert f"Did you mean {root / 'leftImg8bit_trainvaltest'}" in refused("DATASET_LAYOUT", root)
    message = refused("LAYOUT_FOLDER", root / "leftImg8bit_trainvaltest")
    assert "lacks" in message
    assert str(root / "gtFine_trainvaltest/gtFine") in message


def test_a_folder_that_is_not_there(tmp_path):
    miniatures.make_plain(tmp_path / "cityscapes")
    assert f"Did you mean {tmp_path / 'cityscapes'}?" in refused("DATASET_NOT_FOUND", tmp_path / "cityscape")
    assert "Check the path" in refused("DATASET_NOT_FOUND", tmp_path / "elsewhere")
    assert "images/" in refused("DATASET_EMPTY", _empty(tmp_path))


def _empty(tmp_path: Path) -> Path:
    deep = tmp_path / "a/b/c/d/e/f"  # too deep for a data set above it to be meant
    deep.mkdir(parents=True)
    return deep


def test_a_part_that_is_not_there(tmp_path):
    root = miniatures.make_cityscapes(tmp_path)
    assert "has train, val, test. Did you mean val?" in refused("LAYOUT_SPLIT", root, split="vall")
    assert "has train, val, test" in refused("LAYOUT_SPLIT", f"{root}:dev")
    assert "Name it once" in refused("LAYOUT_SPLIT", f"{root}:val", split="train")
    plain = miniatures.make_plain(tmp_path / "plain")
    assert "has no parts" in refused("LAYOUT_SPLIT", plain, split="val")
    assert "no folder" in refused("DATASET_NOT_FOUND", f"{tmp_path / 'nowhere'}:val")


def test_a_folder_with_a_colon_in_its_name(tmp_path):
    assert open_dataset(miniatures.make_plain(tmp_path / "day:one")).names == ("a", "b")


def test_a_layout_that_is_not_there(tmp_path):
    root = miniatures.make_plain(tmp_path / "plain")
    assert "Did you mean cityscapes?" in refused("LAYOUT_UNKNOWN", root, layout="cityscape")
    message = refused("DATASET_LAYOUT", root, layout="cityscapes")
    assert "leftImg8bit/PART" in message


def test_label_folders_that_hold_something_else(tmp_path):
    root = miniatures.make_cityscapes(tmp_path / "city", [])
    message = refused("DATASET_LABELS", root)
    assert "_gtFine_labelIds.png or _gtFine_labelTrainIds.png" in message
    synthia = miniatures.make_synthia(tmp_path / "synthia")
    for path in (synthia / "GT/LABELS").iterdir():
        path.rename(path.with_name(f"x{path.name}"))
    message = refused("DATASET_LABELS", synthia)
    assert "x0000000" in message
    assert "against 0000000" in message
    shutil.rmtree(synthia / "RGB")
    (synthia / "RGB").mkdir()
    assert "RGB" in refused("DATASET_EMPTY", synthia)


def test_a_broken_split_file_or_list(tmp_path):
    root = miniatures.make_gtav(tmp_path)
    (root / "split.mat").write_bytes(b"not a MAT file")
    assert "trainIds" in refused("LAYOUT_LIST", root, split="train")
    savemat(root / "split.mat", {"trainIds": [[99]]})
    assert "00099" in refused("LAYOUT_LIST", root, split="train")
    (root / "train.txt").write_text("\n")
    assert "names no image" in refused("LAYOUT_LIST", root, split="train")
    (root / "train.txt").write_bytes(b"\xff\xfe\x00")
    assert "one path a line" in refused("LAYOUT_LIST", root, split="train")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "config_v1.2.json or config.json"),
        ("{}", "must be a list"),
        (json.dumps({"labels": [{"name": "road"}]}), "needs name and color"),
        (json.dumps({"labels": ["road"]}), "needs name and color"),
    ],
)
def test_mapillary_without_its_classes(tmp_path, content, words):
    root = miniatures.make_mapillary(tmp_path)
    config = root / "config_v1.2.json"
    config.unlink() if content is None else config.write_text(content)
    assert words in refused("LAYOUT_CLASSES", root)
    shutil.rmtree(root / "training/v1.2")
    assert not open_dataset(root).has_labels  # images alone need no classes


@pytest.mark.parametrize(("line", "words"), [("0 0 0 Viod", "such as Void"), ("0 0", "red, green, blue"), ("a b c Car", "red")])
def test_camvid_with_a_broken_colour_table(tmp_path, line, words):
    root = miniatures.make_camvid(tmp_path)
    (root / "label_colors.txt").write_text(line)
    assert words in refused("LAYOUT_CLASSES", root)


@pytest.fixture
def built_in(tmp_path, monkeypatch) -> Path:
    for name in ("noon", "noon-heldout", "dusk-rain", "dusk-rain-heldout"):
        miniatures.make_plain(tmp_path / name)
    monkeypatch.setattr(streets_module, "STREETS", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "seen", "scored"),
    [
        ("noon", "noon", "noon-heldout"),
        ("dusk-rain", "dusk-rain", "dusk-rain-heldout"),
        ("dusk-rain-heldout", "dusk-rain-heldout", "dusk-rain-heldout"),
    ],
)
def test_streets_by_name(built_in, name, seen, scored):
    assert open_dataset(f"streets:{name}").root == built_in / seen
    assert open_dataset(f"streets:{name}", for_scoring=True).root == built_in / scored
    assert is_held_out(f"streets:{name}") == name.endswith("-heldout")


def test_streets_that_are_not_there(built_in):
    assert "noon, noon-heldout, dusk-rain, dusk-rain-heldout" in refused("STREETS_UNKNOWN", "streets:dawn")
    shutil.rmtree(built_in / "noon")
    assert "noon" in refused("STREETS_MISSING", "streets:noon")
