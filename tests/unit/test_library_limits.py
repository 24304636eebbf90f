"""Nets of libraries at their edges: files of unknown origin, two threads, sizes, normalisation, weights from outside."""

from __future__ import annotations

import copy
import json
import resource
import threading

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from pca_core import InputError, LabelSpace, build_model, load_checkpoint, save_checkpoint
from pca_core.cli import main
from pca_core.data import generate_palette
from pca_core.models import import_checkpoint
from pca_core.models.families.transformers import _clean
from tests.unit.test_checkpoints import SPACE, make_checkpoint, rewrite
from tests.unit.test_library_models import folder, needs_libraries, wrap  # noqa: F401 (a fixture)

HOSTILE = [
    ("timm:test_vit", {"pretrained": True}),  # would ask the network
    ("timm:test_vit", {"checkpoint_path": "/tmp/evil.pth"}),  # would open a pickle
    ("timm:local-dir:/tmp", {}),  # would read a folder
    ("timm:hf-hub:someone/something", {}),  # would ask the network
    ("smp:unet/tu-test_resnet", {"encoder_weights": "imagenet"}),  # would ask the network
    ("smp:unet/tu-test_resnet", {"checkpoint_path": "/tmp/evil.pth"}),  # would be handed on to timm
    ("torchvision:fcn_resnet50", {"weights": "DEFAULT"}),  # would ask the network
    ("transformers:someone/something", {}),  # would ask the network
    ("transformers:segformer", {"config": ["segformer"]}),  # no config
    ("transformers:segformer", {"config": {"model_type": "bert"}}),  # no segmentation net
]


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, make_checkpoint())
    return path


def refuse(code: str, call, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)
    return str(caught.value)


@needs_libraries
@pytest.mark.parametrize(("architecture", "options"), HOSTILE, ids=[f"{name} {[*options]}" for name, options in HOSTILE])
def test_a_checkpoint_cannot_make_a_library_reach_out(saved, architecture, options, monkeypatch):
    reached = []

    def reach_out(*arguments, **_):
        reached.append(arguments)
        raise OSError("not here")

    monkeypatch.setattr("socket.socket.connect", reach_out)
    monkeypatch.setattr("torch.load", reach_out)
    rewrite(saved, description={"architecture": architecture, "options": options})
    refuse("CHECKPOINT_DESCRIPTION", load_checkpoint, saved)
    assert not reached


@needs_libraries
def test_a_checkpoint_cannot_name_a_folder(saved, folder):  # noqa: F811
    rewrite(saved, description={"architecture": f"transformers:{folder / 'segformer'}", "options": {}})
    assert "outside the checkpoint" in refuse("CHECKPOINT_DESCRIPTION", load_checkpoint, saved)


@needs_libraries
def test_a_library_net_beyond_all_memory_is_refused_before_memory_is_taken(saved):
    config = {"model_type": "segformer", "decoder_hidden_size": 20_000}  # one layer of it takes 6.4 GB
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rewrite(saved, description={"architecture": "transformers:segformer", "options": {"config": config}})
    refuse("CHECKPOINT_MISMATCH", load_checkpoint, saved)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # KiB: less than 1 GiB more


def test_a_config_loses_what_reaches_beyond_it_at_every_depth():
    inner = {"model_type": "swin", "depths": [1], "backbone": "someone/something", "auto_map": {"AutoModel": "code.Net"}}
    config = {"model_type": "upernet", "_attn_implementation": "someone/kernel", "backbone_config": inner, "dtype": "float16"}
    assert _clean(config) == {"model_type": "upernet", "backbone_config": {"model_type": "swin", "depths": [1]}}


class Bright(nn.Module):
    """Scores that tell which image they come from; slow enough for two threads to meet inside."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 5, 1)
        self.barrier: threading.Barrier | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.barrier:
            self.barrier.wait()
        scores = self.head(x)
        if self.barrier:
            self.barrier.wait()
        return scores


def test_two_sessions_that_share_a_net_do_not_see_each_others_features():
    net = wrap(Bright())
    net.net.barrier = threading.Barrier(2, timeout=20)
    found = {}

    def run(value: float) -> None:
        found[value] = net(torch.full((1, 3, 16, 16), value)).features.unique().tolist()

    threads = [threading.Thread(target=run, args=(value,)) for value in (1.0, 2.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {1.0: [1.0], 2.0: [2.0]}


def test_a_copy_of_a_net_is_a_net_of_its_own():
    net = wrap(Bright())
    other = copy.deepcopy(net)
    nn.init.zeros_(other.net.head.weight)
    nn.init.zeros_(other.net.head.bias)
    image = torch.randn(1, 3, 16, 16)
    assert not other(image).logits.any()
    assert net(image).logits.any()


def test_features_finer_than_asked_for_are_averaged_and_classified_after():
    net = wrap(Bright(), min_stride=4)
    image = torch.randn(1, 3, 16, 24)
    output = net(image)
    torch.testing.assert_close(output.features, nn.functional.avg_pool2d(image, 4))
    torch.testing.assert_close(output.logits, net.classify(output.features))
    assert output.output_stride == 4


class Square(Bright):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[-2:] != (40, 40):
            raise ValueError("Input must be 40 x 40.")
        return super().forward(x)


def test_a_net_of_one_size_sees_every_image_at_that_size():
    net = wrap(Square(), native_size=(40, 40))
    image = torch.zeros(1, 3, 60, 90)
    image[..., 45:] = 1
    features = net(image).features[0, 0]
    assert features.shape == (40, 40)
    assert (features[:, :19] < 0.1).all()
    assert (features[:, 21:] > 0.9).all()
    assert "Input must be 40 x 40" in refuse("MODEL_INPUT", wrap, Square())


def test_tables_of_whole_numbers_stay_whole_in_a_half_checkpoint(tmp_path):
    checkpoint = make_checkpoint()
    checkpoint.model.register_buffer("table", torch.tensor([[1, 70_000]]))
    save_checkpoint(tmp_path / "half.safetensors", checkpoint, is_half=True)
    with safe_open(tmp_path / "half.safetensors", framework="pt") as file:
        assert file.get_tensor("table").tolist() == [[1, 70_000]]


@needs_libraries
def test_each_net_is_fed_as_it_was_published(folder):  # noqa: F811
    assert build_model("timm:test_vit", num_classes=3).normalisation.mean == (0.5, 0.5, 0.5)
    assert build_model(f"transformers:{folder / 'dpt'}", num_classes=3).normalisation.std == (0.5, 0.5, 0.5)
    told = folder / "segformer/preprocessor_config.json"
    told.write_text(json.dumps({"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 1, 2], "do_normalize": True}))
    model = build_model(f"transformers:{folder / 'segformer'}", num_classes=3)
    told.unlink()
    assert (model.normalisation.mean, model.normalisation.std) == ((0.1, 0.2, 0.3), (1, 1, 2))
    assert model.normalisation.scale == 255


@needs_libraries
def test_a_net_that_classifies_masks_is_refused_with_the_reason(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "mask2former"}')
    assert "classifies masks" in refuse("MODEL_HEAD", build_model, f"transformers:{tmp_path}", num_classes=3)


@needs_libraries
def test_a_folder_of_transformers_becomes_a_checkpoint(folder, tmp_path, capsys):  # noqa: F811
    source = folder / "segformer"
    for path in (source, source / "model.safetensors"):
        checkpoint = import_checkpoint(path, f"transformers:{source}", SPACE)
        assert checkpoint.architecture == "transformers:segformer"
    expected = build_model(f"transformers:{source}", num_classes=3, pretrained=True).eval()
    save_checkpoint(tmp_path / "net.safetensors", checkpoint)
    image = torch.randn(1, 3, 64, 96)
    assert torch.equal(load_checkpoint(tmp_path / "net.safetensors").model(image).logits, expected(image).logits)
    five = LabelSpace("five", tuple("abcde"), generate_palette(5))
    assert "decode_head.classifier" in refuse("CHECKPOINT_MISMATCH", import_checkpoint, source, f"transformers:{source}", five)
    asked = ["--architecture", f"transformers:{source}", "--label-space", "camvid-11", "--out", str(tmp_path / "x.safetensors")]
    assert main(["import-checkpoint", str(source), *asked]) == 2
    assert "CHECKPOINT_MISMATCH" in capsys.readouterr().err


@needs_libraries
def test_a_library_s_own_state_dict_is_taken_by_its_own_names(tmp_path):
    model = build_model("smp:unet/tu-test_resnet", num_classes=3).eval()
    torch.save({"state_dict": model.net.state_dict()}, tmp_path / "theirs.pt")
    checkpoint = import_checkpoint(tmp_path / "theirs.pt", "smp:unet/tu-test_resnet", SPACE)
    image = torch.randn(1, 3, 64, 64)
    assert torch.equal(checkpoint.model(image).logits, model(image).logits)


@needs_libraries
def test_no_network_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nothing listens
    monkeypatch.setattr("urllib.request._opener", None)  # it would keep the proxy for all that this process asks afterwards
    message = refuse("MODEL_DOWNLOAD", build_model, "torchvision:lraspp_mobilenet_v3_large", num_classes=3, pretrained=True)
    assert "Go online" in message
    assert "no pretrained weights" in refuse("MODEL_OPTION", build_model, "compact", num_classes=3, pretrained=True)


@needs_libraries
def test_a_library_s_net_is_trained_and_scored_from_the_command_line(world, tmp_path, capsys):
    out = tmp_path / "net.safetensors"
    asked = ["--architecture", "timm:test_vit", "--steps", "2", "--batch-size", "2", "--short-side", "48"]
    assert main(["train", "--source", str(world / "data"), "--out", str(out), *asked, "--option", "min_stride=32"]) == 0
    checkpoint = load_checkpoint(out)
    assert checkpoint.normalisation.mean == (0.5, 0.5, 0.5)
    assert (checkpoint.options, checkpoint.model.output_stride) == ({"min_stride": 32}, 32)
    assert set(load_file(out)) == set(checkpoint.model.state_dict())
    capsys.readouterr()
    assert main(["evaluate", "--data", str(world / "data"), "--checkpoint", str(out), "--aggregate", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["num_images"] == 3
