"""What cannot be adapted with is refused before anything starts, in one sentence that says what to do."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from torch import nn

from pca_core.adaptation import adapt
from pca_core.checks import InputError
from pca_core.data import FolderDataset, encode_png, read_image
from pca_core.models import Checkpoint
from pca_core.types import LabelSpace
from tests.unit.adaptation_data import TINY, make_checkpoint, make_domains


@pytest.fixture
def folders(tmp_path):
    return make_domains(tmp_path)


def refusal(source, target, config=TINY, checkpoint=None, **sets) -> InputError:
    with pytest.raises(InputError) as error:
        adapt(checkpoint or make_checkpoint(source), source, target, config, **sets)
    assert str(error.value).count("\n") == 0
    return error.value


def test_one_target_image(folders):
    source, target = FolderDataset(folders[0]), FolderDataset(folders[1], include="000")
    error = refusal(source, target)
    assert error.code == "ADAPT_TARGET_ONE"
    assert "at least 2 target images, got 1" in str(error)


def test_no_target_image(folders, tmp_path):
    (tmp_path / "empty" / "images").mkdir(parents=True)
    with pytest.raises(InputError, match="no image") as error:
        FolderDataset(tmp_path / "empty")
    assert error.value.code == "DATASET_EMPTY"


def test_the_source_as_target(folders):
    source = FolderDataset(folders[0])
    error = refusal(source, FolderDataset(folders[0], domain="target"))
    assert error.code == "ADAPT_TARGET_IS_SOURCE"
    assert "6 of the 6 target images are source images too" in str(error)


def test_a_source_without_labels(folders):
    source, target = FolderDataset(folders[0]), FolderDataset(folders[1])
    bare = source.subset(source.names, is_labelled=False)
    assert refusal(bare, target, checkpoint=make_checkpoint(source)).code == "ADAPT_SOURCE_UNLABELLED"


def test_other_classes(folders):
    source, target = FolderDataset(folders[0]), FolderDataset(folders[1])
    other = LabelSpace("other", ("top", "centre", "bottom"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
    error = refusal(source, target, checkpoint=replace(make_checkpoint(source), label_space=other))
    assert error.code == "CHECKPOINT_CLASSES"
    assert "class 1 is 'centre', expected 'middle'" in str(error)


def test_scored_images_without_labels(folders):
    source, target = FolderDataset(folders[0]), FolderDataset(folders[1])
    bare = target.subset(target.names, is_labelled=False)
    assert refusal(source, target, scored_target=bare).code == "ADAPT_UNLABELLED"


def test_a_method_that_is_none(folders):
    error = refusal(*map(FolderDataset, folders), replace(TINY, method="magic"))
    assert error.code == "ADAPT_METHOD"
    assert "plca" in str(error)


@pytest.mark.parametrize("method", ["adabn", "entropy"])
def test_a_net_without_batch_norm(method, folders):
    source, target = map(FolderDataset, folders)
    checkpoint = Checkpoint(nn.Conv2d(3, 3, 1), "plain", source.label_space)
    assert refusal(source, target, replace(TINY, method=method), checkpoint).code == "ADAPT_BATCH_NORM"


def test_images_of_mixed_sizes_are_cropped_to_one(folders):
    source, target = map(FolderDataset, folders)
    path = target.image_path(target.names[1])
    path.write_bytes(encode_png(read_image(path)[:20]))
    assert len(list(adapt(make_checkpoint(source), source, target, TINY))) == 4


def test_some_source_images_are_kept_aside(tmp_path):
    source, target = map(FolderDataset, make_domains(tmp_path, num_source=10))
    config = replace(TINY, held_out=3)
    inputs = adapt(make_checkpoint(source), source, target, config).inputs
    assert inputs.held_out.names == ("008", "009")  # never more than a fifth
    assert inputs.source.names == tuple(f"{number:03d}" for number in range(8))
    assert json.dumps(inputs.identity(config))
