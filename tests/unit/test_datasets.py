"""Folders of images and labels: what is found, in which order, and what is said when something is missing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pca_core.checks import InputError
from pca_core.data import ID_MAPS, LABEL_SPACES, FolderDataset, encode_jpeg, encode_png

CAMVID = Path(__file__).parents[3] / "shared/camvid"
CLASSES = {"name": "two", "class_names": ["road", "sky"], "palette": [[1, 2, 3], [4, 5, 6]]}


def make_folder(root: Path, stems=("b_2", "a_1", "b_1"), labelled=("b_2", "a_1", "b_1"), size=(40, 64)) -> Path:
    (root / "images").mkdir(parents=True)
    for value, stem in enumerate(stems):
        (root / "images" / f"{stem}.png").write_bytes(encode_png(np.full((*size, 3), value, np.uint8)))
    if labelled:
        (root / "labels").mkdir()
        (root / "classes.json").write_text(json.dumps(CLASSES))
    for stem in labelled:
        label = np.zeros(size, np.uint8)
        label[: size[0] // 2] = 1
        (root / "labels" / f"{stem}.png").write_bytes(encode_png(label))
    return root


def refused(code: str, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        FolderDataset(*arguments, **options)
    assert caught.value.code == code
    return str(caught.value)


def test_samples_come_sorted_with_their_labels(tmp_path):
    dataset = FolderDataset(make_folder(tmp_path / "day"), domain="source")
    assert dataset.names == ("a_1", "b_1", "b_2")
    assert (len(dataset), dataset.has_labels, dataset.label_space.name) == (3, True, "two")
    sample = dataset[0]
    assert (sample.name, sample.domain, sample.label_space) == ("a_1", "source", dataset.label_space)
    assert sample.image[0, 0, 0] == 1
    np.testing.assert_array_equal(sample.label[:, 0], [1] * 20 + [0] * 20)
    assert [sample.name for sample in dataset] == list(dataset.names)
    assert dataset[-1].name == "b_2"
    with pytest.raises(IndexError):
        dataset[3]


def test_target_without_labels_and_classes(tmp_path):
    dataset = FolderDataset(make_folder(tmp_path / "in" / "dusk", labelled=()), domain="target")
    assert (dataset.has_labels, dataset.label_space) == (False, None)
    assert (dataset[0].domain, dataset[0].label, dataset[0].label_space) == ("target", None, None)


def test_classes_one_level_above_serve_a_target_without_labels(tmp_path):
    (tmp_path / "classes.json").write_text(json.dumps(CLASSES))
    assert FolderDataset(make_folder(tmp_path / "dusk", labelled=())).label_space.name == "two"


def test_partly_labelled_folder(tmp_path):
    dataset = FolderDataset(make_folder(tmp_path, labelled=("a_1",)))
    assert [sample.label is None for sample in dataset] == [False, True, True]
    assert [sample.label_space is None for sample in dataset] == [False, True, True]
    assert not FolderDataset(tmp_path, include="b_*").has_labels


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ("b_*", None, ("b_1", "b_2")),  # one sequence
        ("*", "b_*", ("a_1",)),  # the other
        ("*_1", "a*", ("b_1",)),  # both patterns
        ("[ab]_1", None, ("a_1", "b_1")),  # a glob, not only a prefix
    ],
)
def test_patterns_split_by_stem(tmp_path, include, exclude, expected):
    assert FolderDataset(make_folder(tmp_path), include=include, exclude=exclude).names == expected


def test_patterns_that_leave_nothing_name_what_there_is(tmp_path):
    root = make_folder(tmp_path)
    assert "a_1" in refused("DATASET_PATTERN", root, include="c_*")
    assert "exclude='*'" in refused("DATASET_PATTERN", root, exclude="*")
    refused("DATASET_PATTERN", root, include="B_*")  # case counts on every platform


def test_short_side_resizes_both_alike(tmp_path):
    sample = FolderDataset(make_folder(tmp_path), short_side=16)[0]
    assert sample.image.shape == (16, 24, 3)  # 25.6 lies nearer to 24 than to 32
    np.testing.assert_array_equal(sample.label[:, 0], [1] * 8 + [0] * 8)
    refused("IMAGE_SIZE", tmp_path, short_side=0)


def test_hidden_and_other_files_are_not_seen(tmp_path):
    root = make_folder(tmp_path)
    for name in (".hidden.png", "._a_1.png", "Thumbs.db", "notes.txt"):
        (root / "images" / name).write_bytes(b"?")
    (root / "images" / "folder.png").mkdir()
    assert len(FolderDataset(root)) == 3


def test_missing_empty_and_misplaced_folders(tmp_path):
    assert "nowhere" in refused("DATASET_NOT_FOUND", tmp_path / "nowhere")
    assert "it holds nothing" in refused("DATASET_EMPTY", tmp_path)
    (tmp_path / "frame.png").write_bytes(b"?")
    message = refused("DATASET_EMPTY", tmp_path)
    assert "1 .png files" in message
    assert "Expected are images/" in message
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "frame.bmp").write_bytes(b"BM")
    assert "1 .bmp files" in refused("DATASET_EMPTY", tmp_path)


def test_labels_of_other_stems_are_told(tmp_path):
    root = make_folder(tmp_path)
    for path in (root / "labels").iterdir():
        path.rename(path.with_name(f"{path.stem}_gt.png"))
    message = refused("DATASET_LABELS", root)
    assert "a_1_gt" in message
    assert "a_1," in message


def test_labels_without_classes_are_refused(tmp_path):
    root = make_folder(tmp_path / "day")
    (root / "classes.json").unlink()
    refused("CLASSES_NOT_FOUND", root)
    assert FolderDataset(root, label_space=LABEL_SPACES["camvid-11"])[0].label_space is LABEL_SPACES["camvid-11"]


def test_two_files_of_one_stem(tmp_path):
    root = make_folder(tmp_path)
    (root / "images" / "a_1.jpg").write_bytes(encode_jpeg(np.zeros((40, 64, 3), np.uint8)))
    message = refused("DATASET_DUPLICATE", root)
    assert "a_1.jpg" in message
    assert "a_1.png" in message


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (encode_png(np.zeros((40, 63), np.uint8)), "LABEL_SIZE"),
        (encode_png(np.full((40, 64), 7, np.uint8)), "LABEL_UNKNOWN_IDS"),
        (encode_jpeg(np.zeros((40, 64, 3), np.uint8)), "LABEL_LOSSY"),
    ],
)
def test_faulty_label_is_told_by_name_when_it_is_read(tmp_path, content, code):
    root = make_folder(tmp_path)
    (root / "labels" / "b_1.png").write_bytes(content)
    dataset = FolderDataset(root)
    assert dataset[0].label is not None
    with pytest.raises(InputError, match=r"b_1\.png") as caught:
        dataset[1]
    assert caught.value.code == code


def test_id_map_and_unknown_are_passed_on(tmp_path):
    root = make_folder(tmp_path)
    (root / "labels" / "a_1.png").write_bytes(encode_png(np.full((40, 64), 26, np.uint8)))
    space = LABEL_SPACES["cityscapes-19"]
    dataset = FolderDataset(root, label_space=space, id_map=ID_MAPS[space.name]["label_ids"])
    assert space.class_names[dataset[0].label[0, 0]] == "car"
    assert (FolderDataset(root, unknown="ignore")[0].label == 255).all()


@pytest.mark.parametrize("options", [{"domain": "sauce"}, {"unknown": "skip"}])
def test_misspelt_options(tmp_path, options):
    with pytest.raises(ValueError, match="must be"):
        FolderDataset(make_folder(tmp_path), **options)


@pytest.mark.skipif(not CAMVID.is_dir(), reason="CamVid lies beside the repository only where it may be used")
def test_camvid_is_read_as_it_is():
    dusk = FolderDataset(CAMVID / "dusk", domain="target")
    assert len(dusk) == 62
    for sample in dusk:
        assert sample.image.shape == (360, 480, 3)
        assert set(np.unique(sample.label)) <= {*range(11), 255}
    day = FolderDataset(CAMVID / "day")
    parts = [FolderDataset(CAMVID / "day", include=pattern) for pattern in ("0016E5_*", "0006R0_*")]
    assert len(day) == sum(len(part) for part in parts) == 406
    assert dusk.label_space == LABEL_SPACES["camvid-11"]
