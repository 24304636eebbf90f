"""Checkpoints: what goes in comes out bit for bit, and whatever else is in the file is refused in one sentence."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save

from pca_core import Checkpoint, InputError, LabelSpace, build_model, load_checkpoint, save_checkpoint
from pca_core.data import generate_palette
from pca_core.models import InputNormalisation
from pca_core.models.checkpoints import read_description

SPACE = LabelSpace("three", ("road", "sky", "tree"), generate_palette(3))


def space(*names: str) -> LabelSpace:
    return LabelSpace("other", names, generate_palette(len(names)))


def make_checkpoint(seed: int = 0, **changes) -> Checkpoint:
    torch.manual_seed(seed)
    model = build_model("compact", num_classes=3, feature_channels=4)
    model(torch.randn(2, 3, 32, 32))  # moves the batch-norm averages off their start
    normalisation = InputNormalisation((1, 2, 3), (4, 5, 6), 1.0, "BGR")
    checkpoint = Checkpoint(model.eval(), "compact", SPACE, {"feature_channels": 4}, normalisation, 48, {"step": 7})
    return replace(checkpoint, **changes)


@pytest.fixture
def saved(tmp_path) -> Path:
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, make_checkpoint())
    return path


def rewrite(path: Path, tensors: dict | None = None, description: dict | str | None = None) -> None:
    """Write the file anew with other tensors or another description."""
    tensors = load_file(path) if tensors is None else tensors
    description = read_description(path) | (description or {}) if not isinstance(description, str) else description
    text = description if isinstance(description, str) else json.dumps(description)
    path.write_bytes(save(tensors, {"cyclelens": text}))


def refuse(path: Path, code: str, *words: str, **expected) -> None:
    with pytest.raises(InputError) as caught:
        load_checkpoint(path, **expected)
    assert caught.value.code == code
    message = str(caught.value)
    assert message.endswith((".", "?"))
    assert "\n" not in message
    assert ".." not in message
    for word in (*words, path.name):
        assert word in message


def test_what_goes_in_comes_out_bit_for_bit(saved):
    before, after = make_checkpoint(), load_checkpoint(saved)
    state = before.model.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in after.model.state_dict().items())
    assert replace(after, model=None) == replace(before, model=None)
    assert not after.model.training
    image = torch.randn(1, 3, 40, 56)
    assert torch.equal(after.model(image).logits, before.model(image).logits)


def test_half_weights_are_single_again_once_loaded(tmp_path):
    checkpoint = make_checkpoint()
    save_checkpoint(tmp_path / "half.safetensors", checkpoint, is_half=True)
    save_checkpoint(tmp_path / "full.safetensors", checkpoint)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.55 * (tmp_path / "full.safetensors").stat().st_size
    state = checkpoint.model.state_dict()
    for name, tensor in load_checkpoint(tmp_path / "half.safetensors").model.state_dict().items():
        assert tensor.dtype == state[name].dtype
        assert torch.equal(tensor, state[name].half().float() if tensor.ndim > 1 else state[name])


def test_the_header_says_what_the_file_is(saved):
    with safe_open(saved, framework="pt") as file:
        description = json.loads(file.metadata()["cyclelens"])
    assert description == read_description(saved)
    assert description["format"] == 1
    assert (description["architecture"], description["options"]) == ("compact", {"feature_channels": 4})
    assert description["label_space"]["class_names"] == ["road", "sky", "tree"]
    assert description["normalisation"] == {"mean": [1, 2, 3], "std": [4, 5, 6], "scale": 1.0, "channel_order": "BGR"}
    assert (description["short_side"], description["notes"]) == (48, {"step": 7})


def test_expected_classes_and_architecture_that_fit_are_accepted(saved):
    renamed = LabelSpace("another name", SPACE.class_names, ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
    assert load_checkpoint(saved, architecture="compact", label_space=renamed).label_space == SPACE


def test_another_architecture_is_named(saved):
    refuse(saved, "CHECKPOINT_ARCHITECTURE", "'compact'", "'deeplab'", architecture="deeplab")


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (space("road", "sky"), ("3 classes (three)", "expected 2 (other)")),  # another count
        (space("road", "tree", "sky"), ("class 1 is 'sky', expected 'tree'", "class 2 is 'tree'")),  # another order
        (space("road", "sky", "Tree"), ("class 2 is 'tree', expected 'Tree'",)),  # another spelling
    ],
)
def test_other_classes_name_the_first_differences(saved, expected, words):
    refuse(saved, "CHECKPOINT_CLASSES", *words, label_space=expected)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (lambda data: data[:-10], "CHECKPOINT_BROKEN"),  # the last weights are missing
        (lambda data: data[:200], "CHECKPOINT_BROKEN"),  # cut inside the header
        (lambda data: data[:5], "CHECKPOINT_FORMAT"),  # not even the header's length
        (lambda data: b"", "CHECKPOINT_FORMAT"),  # an empty file
        (lambda data: b"these are my weights, trust me", "CHECKPOINT_FORMAT"),  # text with the right name
        (lambda data: pickle.dumps({"weights": list(range(99))}), "CHECKPOINT_FORMAT"),  # could run code: not even tried
        (lambda data: (2**20 + 1).to_bytes(8, "little") + data[8:], "CHECKPOINT_FORMAT"),  # a header beyond 1 MiB
        (lambda data: (2**63).to_bytes(8, "little") + data[8:], "CHECKPOINT_FORMAT"),  # a header beyond all memory
        (lambda data: data[:8] + b"[" + data[9:], "CHECKPOINT_BROKEN"),  # a header that is no JSON object
        (lambda data: save({"a": torch.zeros(2)}), "CHECKPOINT_FOREIGN"),  # somebody else's weights
        (lambda data: save({"a": torch.zeros(2)}, {"cyclelens": "[]"}), "CHECKPOINT_FOREIGN"),  # no object
        (lambda data: save({"a": torch.zeros(2)}, {"cyclelens": "{"}), "CHECKPOINT_FOREIGN"),  # no JSON
        (lambda data: save({"a": torch.zeros(2)}, {"cyclelens": "[" * 100_000}), "CHECKPOINT_FOREIGN"),  # too deep to parse
        (lambda data: save({"a": torch.zeros(2)}, {"cyclelens": '{"format": 2}'}), "CHECKPOINT_FOREIGN"),  # from the future
    ],
)
def test_other_files_are_told_apart(saved, content, code):
    saved.write_bytes(content(saved.read_bytes()))
    refuse(saved, code)


def test_missing_files_and_folders(tmp_path):
    refuse(tmp_path / "nowhere.safetensors", "CHECKPOINT_NOT_FOUND")
    refuse(tmp_path, "CHECKPOINT_NOT_FOUND")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"architecture": "compcat"}, ("'compcat'", "Did you mean 'compact'")),  # a misspelt net
        ({"options": {"depth": 3}}, ("depth",)),  # an option that the net does not have
        ({"options": {"feature_channels": -1}}, ()),  # an option that the net cannot take
        ({"options": None}, ()),  # no options
        ({"short_side": 0}, ("short_side",)),  # no picture
        ({"short_side": "wide"}, ("wide",)),  # no number
        ({"normalisation": {"mean": [0] * 3, "std": [1, 0, 1]}}, ("three positive stds",)),  # a division by zero
        ({"normalisation": {"mean": [float("nan")] * 3, "std": [1] * 3}}, ("finite",)),  # every feature would be NaN
        ({"label_space": {"name": "x", "class_names": [], "palette": [], "ignore_index": 255}}, ("no class names",)),
        ({"label_space": {"name": "x"}}, ("'class_names' is missing",)),
    ],
)
def test_descriptions_that_cannot_be_used(saved, change, words):
    rewrite(saved, description=change)
    refuse(saved, "CHECKPOINT_DESCRIPTION", *words)


def test_weights_that_do_not_fit_name_the_differences(saved):
    tensors = load_file(saved)
    tensors["classifier.weight"] = torch.zeros(5, 4, 1, 1)
    del tensors["classifier.bias"]
    tensors["head.bias"] = torch.zeros(3)
    rewrite(saved, tensors)
    differences = (
        "classifier.weight is (5, 4, 1, 1), expected (3, 4, 1, 1)",
        "classifier.bias is missing",
        "head.bias is not part",
    )
    refuse(saved, "CHECKPOINT_MISMATCH", *differences)


def test_many_differences_are_counted(saved):
    rewrite(saved, {"a": torch.zeros(1)})
    refuse(saved, "CHECKPOINT_MISMATCH", "stem.0.weight is missing", "more")


def test_a_net_beyond_all_memory_is_refused_before_memory_is_taken(saved):
    rewrite(saved, description={"options": {"feature_channels": 10**6}})
    refuse(saved, "CHECKPOINT_MISMATCH", "merge4.0.weight is (4, 96, 3, 3), expected (1000000, 96, 3, 3)")


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_weights_that_are_no_numbers_are_refused_both_ways(saved, value, tmp_path):
    tensors = load_file(saved)
    tensors["classifier.bias"][1] = value
    rewrite(saved, tensors)
    refuse(saved, "CHECKPOINT_NONFINITE", "classifier.bias")
    broken = make_checkpoint()
    broken.model.classifier.bias.data[1] = value
    with pytest.raises(InputError) as caught:
        save_checkpoint(tmp_path / "new.safetensors", broken)
    assert caught.value.code == "CHECKPOINT_NONFINITE"
    assert not (tmp_path / "new.safetensors").exists()


def test_an_exotic_number_format_is_no_crash(saved):
    tensors = load_file(saved)
    tensors["classifier.bias"] = torch.tensor([1.0, 2.0, 0.5]).to(torch.float8_e4m3fn)
    rewrite(saved, tensors)
    assert load_checkpoint(saved).model.classifier.bias.tolist() == [1.0, 2.0, 0.5]


def test_a_failed_save_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def fail(*_):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", fail)
        with pytest.raises(OSError, match="No space"):
            save_checkpoint(saved, make_checkpoint(seed=1))
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_notes_that_could_not_be_read_back_are_not_written(saved):
    before = saved.read_bytes()
    with pytest.raises(InputError) as caught:
        save_checkpoint(saved, make_checkpoint(notes={"log": "x" * 2**20}))
    assert caught.value.code == "CHECKPOINT_HEADER"
    assert saved.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"channel_order": "GBR"}, "'RGB' or 'BGR', got 'GBR'"),  # no such order
        ({"std": (1, 1, 0)}, "three positive stds"),  # a division by zero
        ({"mean": (0, 0)}, "three means"),  # a channel short
        ({"scale": 0}, "positive scale"),  # another division by zero
    ],
)
def test_impossible_normalisation(options, words):
    with pytest.raises(ValueError, match=words):
        InputNormalisation(**options)


@pytest.mark.parametrize(
    ("name", "options", "code"),
    [
        ("compat", {"num_classes": 3}, "MODEL_UNKNOWN"),  # misspelt
        ("compact", {"num_classes": 0}, "MODEL_CLASSES"),  # nothing to tell apart
        ("compact", {"num_classes": 2.0}, "MODEL_CLASSES"),  # no whole number
        ("compact", {"num_classes": 2, "width": 3}, "MODEL_OPTION"),  # no such option
    ],
)
def test_models_that_cannot_be_built(name, options, code):
    with pytest.raises(InputError) as caught:
        build_model(name, **options)
    assert caught.value.code == code
