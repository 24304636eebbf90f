"""Pickled weights are read by a child process or refused in one sentence; nothing in them ever runs."""

from __future__ import annotations

import pickle
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pca_core import InputError, build_model, load_checkpoint
from pca_core.cli import main
from pca_core.data import get_label_space
from pca_core.models import import_checkpoint
from pca_core.models.pickled import read_pickled

CAMVID = get_label_space("camvid-11")


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(3)
    return build_model("compact", num_classes=11).eval()


def save(tmp_path: Path, content: object, name: str = "foreign.pt") -> Path:
    path = tmp_path / name
    torch.save(content, path)
    return path


def refused(code: str, call, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    assert caught.value.code == code
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    return message


@pytest.mark.parametrize(
    ("wrap", "why"),
    [
        (lambda state: state, "a bare state dict"),
        (lambda state: {"weights": state}, "as PLCA's authors saved theirs"),
        (lambda state: {"state_dict": state, "epoch": 7}, "with other things beside it"),
        (lambda state: {"model": {f"module.{name}": tensor for name, tensor in state.items()}}, "from DataParallel"),
    ],
    ids=["bare", "weights", "state_dict", "module"],
)
def test_however_it_was_wrapped_the_net_comes_out(net, tmp_path, wrap, why):
    path = save(tmp_path, wrap(net.state_dict()))
    checkpoint = import_checkpoint(path, "compact", CAMVID, short_side=64)
    image = torch.randn(1, 3, 32, 48)
    assert torch.equal(checkpoint.model(image).logits, net(image).logits), why
    assert not checkpoint.model.training


def test_from_the_shell_to_a_checkpoint_that_loads(net, tmp_path, capsys):
    path, out = save(tmp_path, {"weights": net.state_dict()}), tmp_path / "ours.safetensors"
    asked = ["--architecture", "compact", "--label-space", "camvid-11", "--out", str(out), "--short-side", "64"]
    assert main(["import-checkpoint", str(path), *asked]) == 0
    assert "1.5 M parameters" in capsys.readouterr().out
    loaded = load_checkpoint(out, architecture="compact", label_space=CAMVID)
    assert (loaded.short_side, loaded.notes) == (64, {"imported_from": "foreign.pt"})
    image = torch.randn(1, 3, 32, 48)
    assert torch.equal(loaded.model(image).logits, net(image).logits)


class Evil:
    """Touches a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self):
        return open, (self.marker, "w")


@pytest.mark.parametrize("kind", ["zip", "legacy", "bare pickle"])
def test_code_in_a_file_never_runs(tmp_path, kind):
    marker, path = tmp_path / "marker", tmp_path / "evil.pt"
    content = {"weights": {"a": torch.ones(1)}, "payload": Evil(marker)}
    if kind == "bare pickle":
        path.write_bytes(pickle.dumps(Evil(marker)))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "zip")
    message = refused("PICKLE_REFUSED", read_pickled, path)
    assert "evil.pt" in message
    assert not marker.exists()


def test_the_child_learns_no_secret_of_the_environment(tmp_path, monkeypatch):
    path = save(tmp_path, {"a": torch.ones(2)})
    monkeypatch.setenv("CYCLELENS_TOKEN", "a-token-of-the-tests-0123456789")
    show = [sys.executable, "-I", "-c", "import os; print('PICKLE_REFUSED', *sorted(os.environ), end='.')"]
    monkeypatch.setattr("pca_core.limited.make_command", lambda *_: show)
    shown = refused("PICKLE_REFUSED", read_pickled, path)
    assert "OMP_NUM_THREADS" in shown
    assert "CYCLELENS_TOKEN" not in shown


def test_a_small_file_that_declares_huge_weights_is_refused(tmp_path):
    wide = torch.zeros(1).expand(40_000, 40_000)  # 6.4 GB in numbers, four bytes in the file
    message = refused("PICKLE_SIZE", read_pickled, save(tmp_path, {"weights": {"conv.weight": wide}}))
    assert "6,400,000,000" in message


@pytest.mark.parametrize(
    ("write", "code"),
    [
        (lambda path: path.write_bytes(b"not a checkpoint"), "PICKLE_REFUSED"),
        (lambda path: torch.save({"epoch": 3}, path), "PICKLE_EMPTY"),
        (lambda path: torch.save([1, 2], path), "PICKLE_EMPTY"),
        (lambda path: None, "PICKLE_NOT_FOUND"),
    ],
    ids=["text", "no tensors", "a list", "nothing"],
)
def test_what_is_no_state_dict_is_refused(tmp_path, write, code):
    path = tmp_path / "foreign.pt"
    write(path)
    refused(code, read_pickled, path)


def test_a_cut_file_is_refused(net, tmp_path):
    path = save(tmp_path, net.state_dict())
    path.write_bytes(path.read_bytes()[:-5000])
    refused("PICKLE_REFUSED", read_pickled, path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "no checkpoint")
    refused("PICKLE_REFUSED", read_pickled, path)


def test_weights_of_another_net_name_the_first_differences(net, tmp_path):
    state = net.state_dict()
    state["classifier.weight"] = torch.zeros(19, 64, 1, 1)
    state["extra.weight"] = torch.zeros(1)
    del state["stem.0.weight"]
    message = refused("CHECKPOINT_MISMATCH", import_checkpoint, save(tmp_path, state), "compact", CAMVID)
    for words in (
        "classifier.weight is (19, 64, 1, 1), expected (11, 64, 1, 1)",
        "stem.0.weight is missing",
        "extra.weight is not",
    ):
        assert words in message


def test_nan_is_refused(net, tmp_path):
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    state["classifier.bias"][0] = torch.nan
    assert "classifier.bias" in refused("CHECKPOINT_NONFINITE", import_checkpoint, save(tmp_path, state), "compact", CAMVID)


def test_numbers_that_overflow_inside_the_net_are_refused(net, tmp_path):
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for name, tensor in state.items():
        if tensor.ndim == 4:
            tensor.mul_(1e12)
        elif name.endswith("running_var"):
            tensor.fill_(1e-30)
    refused("CHECKPOINT_PROBE", import_checkpoint, save(tmp_path, state), "compact", CAMVID)


def test_safetensors_without_a_description_can_be_imported_too(net, tmp_path):
    path = tmp_path / "bare.safetensors"
    save_file(net.state_dict(), path)
    assert import_checkpoint(path, "compact", CAMVID).label_space == CAMVID


def test_inspection_tells_what_a_file_is(net, tmp_path, capsys):
    path = save(tmp_path, {"weights": net.state_dict()})
    assert main(["inspect-checkpoint", str(path)]) == 0
    told = capsys.readouterr().out
    assert "compact (guessed from its names)" in told
    assert "11 outputs" in told
    assert "yes, every name and shape" in told
    assert main(["inspect-checkpoint", str(path), "--architecture", "deeplab_v2_resnet50"]) == 0
    assert "backbone.conv1.weight is missing" in capsys.readouterr().out
    out = tmp_path / "ours.safetensors"
    asked = ["--architecture", "compact", "--label-space", "camvid-11", "--out", str(out)]
    main(["import-checkpoint", str(path), *asked])
    capsys.readouterr()
    assert main(["inspect-checkpoint", str(out)]) == 0
    assert "11 of camvid-11, in this order: sky, building" in capsys.readouterr().out
    assert main(["inspect-checkpoint", str(tmp_path / "none.pt")]) == 2


def test_models_are_listed_with_size_and_stride(capsys):
    assert main(["models"]) == 0
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if line}
    assert rows["deeplab_v2_resnet101"][1:] == ["43.9", "M", "8", "2048"]
    assert rows["compact"][1:] == ["1.5", "M", "4", "64"]
