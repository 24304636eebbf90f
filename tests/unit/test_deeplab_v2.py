"""DeepLab-v2 against values of the authors' net, whose weights follow a rule: only inputs and outputs need to be kept."""

from __future__ import annotations

import json
import math
import zlib

import pytest
import torch
from safetensors.torch import load_file

from pca_core import build_model
from pca_core.inference import aggregate_prediction
from pca_core.models import Checkpoint, find_normalisation
from pca_core.models.deeplab_v2 import DeepLabV2
from tests.conftest import ROOT, SHARED
from tests.unit.test_checkpoints import SPACE

KEYS = SHARED / "parity/deeplab_v2_state_dict.json"


def weight_by_rule(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """``c = cos(0.7 j + crc32(name) mod 1000)``, scaled by what kind of parameter it is."""
    if name.endswith("num_batches_tracked"):
        return torch.zeros_like(tensor)
    c = torch.cos(0.7 * torch.arange(tensor.numel(), dtype=torch.float64) + zlib.crc32(name.encode()) % 1000).view(tensor.shape)
    kind = name.rpartition(".")[2]
    if tensor.ndim > 1:
        return (c * math.sqrt(2 / math.prod(tensor.shape[1:]))).float()
    return {"running_var": 1 + 0.1 * c, "running_mean": 0.01 * c, "weight": 0.6 + 0.1 * c, "bias": 0.01 * c}[kind].float()


@pytest.fixture(scope="module")
def net():
    model = build_model("deeplab_v2_resnet101", num_classes=19)
    model.load_state_dict({name: weight_by_rule(name, tensor) for name, tensor in model.state_dict().items()})
    return model.eval()


def close(got: torch.Tensor, expected: torch.Tensor) -> bool:
    return ((got - expected).abs().max() / expected.abs().max()).item() < 1e-4


@torch.inference_mode()
def test_features_logits_and_aggregated_inference_are_those_of_the_authors(net):
    expected = load_file(ROOT / "tests/data/parity_deeplab_v2.safetensors")
    output = net(expected["input"])
    assert output.features.shape[1] == 2048
    assert output.output_stride == 8
    assert close(output.features[:, :64], expected["features_first_64_channels"])
    assert close(output.logits, expected["logits"])
    assert torch.equal(net.classify(output.features), output.logits)
    checkpoint = Checkpoint(net, "deeplab_v2_resnet101", SPACE)
    assert close(aggregate_prediction(checkpoint, output.features[0]), expected["aggregated_probabilities"][0])


@pytest.mark.skipif(not KEYS.exists(), reason="needs ../shared/parity")
def test_every_name_and_shape_of_the_released_checkpoints(net):
    expected = {name: tuple(shape) for name, shape in json.loads(KEYS.read_text()).items()}
    assert {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()} == expected


@pytest.mark.parametrize(("size", "expected"), [((64, 64), (9, 9)), ((97, 129), (13, 17)), ((65, 57), (9, 8)), ((8, 8), (2, 2))])
def test_features_have_an_eighth_of_the_size_and_pooling_rounds_up(size, expected):
    output = DeepLabV2(3, (1, 1, 1, 1), width=4).eval()(torch.randn(2, 3, *size))
    assert output.features.shape == (2, 128, *expected)
    assert output.logits.shape == (2, 3, *expected)


def test_its_images_are_blue_first_less_the_mean():
    normalisation = find_normalisation("deeplab_v2_resnet101")
    assert (normalisation.channel_order, normalisation.scale) == ("BGR", 1.0)
    assert normalisation.mean[0] == pytest.approx(104.00698793)  # of blue, which comes first
