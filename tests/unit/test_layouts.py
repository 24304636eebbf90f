"""Data sets as downloaded: recognised, listed in order, read in the classes that are wanted."""

from __future__ import annotations

import itertools
import shutil

import numpy as np
import pytest

from pca_core.checks import InputError
from pca_core.data import LABEL_SPACES, LAYOUTS, find_listing, open_dataset
from tests.unit import miniatures
from tests.unit.miniatures import CLASS_NAMES, MAKERS, WIDTH


def stripe_names(dataset, index: int = 0) -> tuple[str | None, ...]:
    """Class names of the three stripes; each must be of one class from top to bottom."""
    label = dataset[index].label
    starts = (0, 20, 40, WIDTH)
    found = [np.unique(label[:, start:stop]) for start, stop in itertools.pairwise(starts)]
    assert all(len(values) == 1 for values in found)
    return tuple(None if values[0] == 255 else dataset.label_space.class_names[values[0]] for values in found)


@pytest.mark.parametrize(
    ("layout", "split", "names", "space"),
    [
        ("gtav", None, ("00001", "00002", "00003", "00004"), "cityscapes-19"),  # published protocols take all of it
        ("synthia", None, ("0000000", "0000001", "0000002"), "synthia-16"),
        ("cityscapes", "train", ("aachen/aachen_000000_000019", "aachen/aachen_000001_000019", "ulm/ulm_000000_000019"),
         "cityscapes-19"),
        ("acdc", "train", ("fog/GOPR0475/GOPR0475_frame_000041", "night/GOPR0475/GOPR0475_frame_000041"), "cityscapes-19"),
        ("bdd100k", "train", ("0a0a0b1a-7c39d841", "0a0b32b2"), "cityscapes-19"),
        ("mapillary", "training", ("-0A_x", "-1B_y"), "mapillary-20"),
        ("camvid", None, ("0001TP_006690", "0016E5_00390"), "camvid-11"),
        ("camvid-11", "train", ("0001TP_006690", "0016E5_00390"), "camvid-11"),
        ("folder", None, ("a", "b"), "two"),
    ],
)  # fmt: skip
def test_each_layout_is_recognised_and_read(tmp_path, layout, split, names, space):
    root = MAKERS[layout](tmp_path / "data")
    assert next(name for name, known in LAYOUTS.items() if known.detect(root)) == layout
    dataset = open_dataset(root if split is None else f"{root}:{split}")
    asked = {"gtav": "all"}.get(layout, split)
    assert (dataset.listing.layout, dataset.listing.split, dataset.label_space.name) == (layout, asked, space)
    assert dataset.names[: len(names)] == names
    assert len(dataset.labelled_indices) == len(dataset)
    expected = [name if layout != "mapillary" or not name else f"--{name}" for name in CLASS_NAMES]
    for found, wanted in zip(stripe_names(dataset), expected, strict=True):
        assert found == wanted or found.endswith(wanted)


@pytest.mark.parametrize("layout", [name for name in MAKERS if name not in ("folder", "camvid", "camvid-11")])
@pytest.mark.parametrize("space", ["cityscapes-19", "synthia-16", "synthia-13", "plca-16", "plca-19"])
def test_published_protocols_read_every_layout(tmp_path, layout, space):
    dataset = open_dataset(MAKERS[layout](tmp_path), label_space=LABEL_SPACES[space])
    assert stripe_names(dataset) == CLASS_NAMES


def test_ids_beyond_a_protocol_become_unlabelled_and_foreign_ids_are_refused(tmp_path):
    root = miniatures.make_cityscapes(tmp_path, ["labelIds"])
    label = root / "gtFine/val/frankfurt/frankfurt_000000_000019_gtFine_labelIds.png"
    miniatures.write_ids(label, miniatures.stripes(7, 27, 22))  # road, truck, terrain
    truck, of_16 = (open_dataset(root, split="val", label_space=LABEL_SPACES[name]) for name in ("plca-19", "synthia-16"))
    assert stripe_names(truck) == ("road", "truck", "terrain")
    assert stripe_names(of_16) == ("road", None, None)
    miniatures.write_ids(label, miniatures.stripes(7, 77, 22))
    with pytest.raises(InputError, match="77 "):
        truck[0]


@pytest.mark.parametrize(("kinds", "raw"), [(["labelIds"], 7), (["labelTrainIds"], 0), (["labelTrainIds", "labelIds"], 7)])
def test_cityscapes_takes_either_kind_of_ids(tmp_path, kinds, raw):
    dataset = open_dataset(miniatures.make_cityscapes(tmp_path, kinds), split="val", label_space=LABEL_SPACES["plca-19"])
    assert dataset.listing.conventions[0][raw] == "road"
    assert stripe_names(dataset) == CLASS_NAMES


@pytest.mark.parametrize(
    ("layout", "split", "count"),
    [
        ("gtav", "train", 2), ("gtav", "val", 1), ("gtav", "all", 4),
        ("cityscapes", "val", 2), ("cityscapes", "all", 8),
        ("acdc", "val", 4), ("acdc", "all", 12),
        ("bdd100k", "val", 1), ("bdd100k", "test", 1),
        ("mapillary", "validation", 1),
        ("camvid-11", "test", 1), ("camvid-11", "all", 4),
    ],
)  # fmt: skip
def test_parts(tmp_path, layout, split, count):
    dataset = open_dataset(MAKERS[layout](tmp_path), split=split)
    assert len(dataset) == count
    if split == "all" and layout != "gtav":
        assert all(name.split("/")[0] in dataset.listing.splits for name in dataset.names)
    assert len(set(dataset.names)) == count


@pytest.mark.parametrize(
    ("layout", "trained", "scored"),
    [("cityscapes", "train", "val"), ("mapillary", "training", "validation"), ("camvid-11", "train", "test"),
     ("gtav", "all", "val"), ("synthia", None, None)],
)  # fmt: skip
def test_the_usual_part_depends_on_the_purpose(tmp_path, layout, trained, scored):
    root = MAKERS[layout](tmp_path)
    assert find_listing(root).split == trained
    assert find_listing(root, for_scoring=True).split == scored


def test_acdc_conditions_are_chosen_by_pattern(tmp_path):
    night = open_dataset(miniatures.make_acdc(tmp_path), split="all", include="*/night/*", exclude=["train/*", "test/*"])
    assert night.names == ("val/night/GP010476/GP010476_frame_000041",)


def test_the_older_bdd100k(tmp_path):
    dataset = open_dataset(miniatures.make_bdd100k_old(tmp_path), split="val")
    assert dataset.names == ("7d2f7975-e0c1c5a7val",)
    assert stripe_names(dataset) == CLASS_NAMES


@pytest.mark.parametrize(("labels", "config"), [("labels", "config.json"), ("v2.0/labels", "config_v2.0.json")])
def test_mapillary_versions(tmp_path, labels, config):
    dataset = open_dataset(miniatures.make_mapillary(tmp_path, labels, config), label_space=LABEL_SPACES["cityscapes-19"])
    assert stripe_names(dataset) == CLASS_NAMES


def test_camvid_without_its_colour_table_and_with_a_list(tmp_path):
    root = miniatures.make_camvid(tmp_path)
    (root / "label_colors.txt").unlink()
    (root / "mine.txt").write_text("701_StillsRaw_full/0016E5_00390.png\n")
    dataset = open_dataset(root, split=str(root / "mine.txt"))
    assert dataset.names == ("0016E5_00390",)
    assert stripe_names(dataset) == CLASS_NAMES


def test_lists_as_adaptation_code_keeps_them(tmp_path):
    root = miniatures.make_cityscapes(tmp_path / "cityscapes")
    (root / "train.txt").write_text("ulm/ulm_000001_000019_leftImg8bit.png\naachen/aachen_000000_000019_leftImg8bit.png\n")
    assert open_dataset(root).names == ("ulm/ulm_000001_000019", "aachen/aachen_000000_000019")  # in the order of the list
    elsewhere = tmp_path / "val.txt"
    elsewhere.write_text("leftImg8bit/val/frankfurt/frankfurt_000000_000019_leftImg8bit.png gtFine/val/whatever.png\n")
    assert open_dataset(root, split=str(elsewhere)).names == ("val/frankfurt/frankfurt_000000_000019",)
    elsewhere.write_text("bonn/bonn_000000_000019_leftImg8bit.png\n")
    with pytest.raises(InputError, match="bonn_000000_000019") as caught:
        open_dataset(root, split=str(elsewhere))
    assert caught.value.code == "LAYOUT_LIST"


def test_a_text_list_of_gtav_goes_before_split_mat(tmp_path):
    root = miniatures.make_gtav(tmp_path)
    (root / "train.txt").write_text("00004\n00001.png\n")
    assert open_dataset(root, split="train").names == ("00004", "00001")


def test_images_without_labels_are_a_target(tmp_path):
    root = miniatures.make_cityscapes(tmp_path, [])
    shutil.rmtree(root / "gtFine")
    dataset = open_dataset(root, domain="target", model_space=LABEL_SPACES["camvid-11"])
    assert (len(dataset), dataset.has_labels, dataset[0].label, dataset[0].domain) == (4, False, None, "target")


def test_the_net_decides_the_classes_where_ids_can_be_translated(tmp_path):
    city = miniatures.make_cityscapes(tmp_path / "city")
    assert open_dataset(city, model_space=LABEL_SPACES["plca-19"]).label_space.name == "plca-19"
    plain = miniatures.make_plain(tmp_path / "plain")
    assert open_dataset(plain, model_space=LABEL_SPACES["plca-19"]).label_space.name == "two"
    with pytest.raises(InputError, match="pavement") as caught:
        open_dataset(city, model_space=LABEL_SPACES["camvid-11"])
    assert caught.value.code == "CLASSES_UNMAPPED"


def test_numbered_pictures_with_a_classes_file_are_a_plain_folder(tmp_path):
    root = miniatures.make_plain(tmp_path)
    for path in (*root.glob("images/*"), *root.glob("labels/*")):
        path.rename(path.with_name(f"0000{1 + (path.stem == 'b')}.png"))
    assert open_dataset(root).listing.layout == "folder"
    (root / "classes.json").unlink()
    assert open_dataset(root).listing.layout == "gtav"
    assert open_dataset(root, layout="folder", label_space=LABEL_SPACES["cityscapes-19"]).listing.layout == "folder"


def test_a_listing_knows_what_to_watch(tmp_path):
    root = miniatures.make_cityscapes(tmp_path)
    watched = {str(path.relative_to(root)) for path in find_listing(root).watched if path.is_relative_to(root)}
    assert {".", "leftImg8bit", "leftImg8bit/train", "leftImg8bit/train/ulm", "gtFine/train/ulm", "classes.json"} <= watched
