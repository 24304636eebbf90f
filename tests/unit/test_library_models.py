"""One small net of each library, randomly initialised, behind the one interface; saved, and built again from its file alone."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pca_core import Checkpoint, InputError, build_model, load_checkpoint, save_checkpoint
from pca_core.cli import main
from pca_core.models import FAMILIES, InputNormalisation, architecture_of
from pca_core.models.library import LibraryNet, Recipe
from tests.conftest import ROOT
from tests.unit.test_checkpoints import SPACE

MISSING = [family.package for family in FAMILIES.values() if importlib.util.find_spec(family.module) is None]
needs_libraries = pytest.mark.skipif(
    bool(MISSING) and os.environ.get("CI") != "true",
    reason=f"not installed: {', '.join(MISSING)} (pip install -r requirements-models.txt)",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Small nets of transformers as a person has them on disk: config.json and weights."""
    from transformers import DPTConfig, DPTForSemanticSegmentation, SegformerConfig, SegformerForSemanticSegmentation

    root = tmp_path_factory.mktemp("transformers")
    torch.manual_seed(0)
    small = {"depths": [1] * 4, "hidden_sizes": [8, 16, 24, 32], "decoder_hidden_size": 16, "num_attention_heads": [1, 1, 2, 2]}
    SegformerForSemanticSegmentation(SegformerConfig(**small, num_labels=3)).save_pretrained(root / "segformer")
    small = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32, "image_size": 64}
    small |= {"backbone_out_indices": [0, 1, 2, 3], "neck_hidden_sizes": [8, 8, 16, 16], "fusion_hidden_size": 16}
    DPTForSemanticSegmentation(DPTConfig(**small, num_labels=3)).save_pretrained(root / "dpt")
    return root


# (name, input size, channels, feature size, stride)
NETS = [
    ("smp:unet/tu-test_resnet", (64, 96), 16, (64, 96), 1),
    ("smp:segformer/mit_b0", (64, 96), 256, (16, 24), 4),
    ("torchvision:deeplabv3_mobilenet_v3_large", (64, 96), 256, (4, 6), 16),
    ("torchvision:lraspp_mobilenet_v3_large", (64, 96), 168, (8, 12), 8),  # adds two classifiers: features of both
    ("timm:test_resnet", (128, 192), 96, (4, 6), 32),
    ("timm:test_vit", (64, 96), 64, (4, 6), 16),
    ("timm:vit_small_patch14_dinov2", (70, 98), 384, (5, 7), 14),
    ("transformers:segformer", (64, 96), 16, (16, 24), 4),
    ("transformers:dpt", (96, 144), 16, (32, 32), 2),  # takes 64 × 64 only: scaled to it
]


@needs_libraries
@pytest.mark.parametrize(("name", "size", "channels", "features", "stride"), NETS, ids=[net[0] for net in NETS])
@torch.no_grad()
def test_a_net_of_each_kind_and_back_from_its_file(name, size, channels, features, stride, request, tmp_path):
    asked = name
    if name.startswith("transformers:"):
        asked = f"transformers:{request.getfixturevalue('folder') / name.partition(':')[2]}"
    torch.manual_seed(1)
    model = build_model(asked, num_classes=3).eval()
    image = torch.randn(2, 3, *size)
    output = model(image)
    assert output.features.shape == (2, channels, *features)
    assert output.logits.shape == (2, 3, *features)
    assert (output.output_stride, model.output_stride) == (stride, stride)
    torch.testing.assert_close(model.classify(output.features), output.logits)
    assert same_answer(model, image, output.logits)

    architecture, options = architecture_of(model, asked)
    assert str(tmp_path.parent) not in architecture
    save_checkpoint(tmp_path / "net.safetensors", Checkpoint(model, architecture, SPACE, options))
    again = load_checkpoint(tmp_path / "net.safetensors").model
    assert torch.equal(again(image).logits, output.logits)


def same_answer(model: LibraryNet, image: torch.Tensor, logits: torch.Tensor) -> bool:
    """Whether our logits, scaled up, are what the library's own net answers."""
    image = F.interpolate(image, size=model.fit_size(*image.shape[-2:]), mode="bilinear", antialias=True)
    answer = model.net(image)
    answer = answer if isinstance(answer, torch.Tensor) else answer.get("out", answer.get("logits"))
    scaled = [F.interpolate(logits, size=answer.shape[-2:], mode="bilinear", align_corners=align) for align in (False, True)]
    return min((candidate - answer).abs().max() for candidate in scaled) < 1e-3 * answer.abs().max()


@needs_libraries
@torch.no_grad()
def test_pretrained_weights_of_a_local_folder_are_loaded(folder):
    model = build_model(f"transformers:{folder / 'segformer'}", num_classes=3, pretrained=True)
    from transformers import SegformerForSemanticSegmentation

    expected = SegformerForSemanticSegmentation.from_pretrained(folder / "segformer").state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.net.state_dict().items())


@needs_libraries
@torch.no_grad()
def test_sides_that_do_not_fit_are_scaled_so_that_features_cover_the_image():
    model = build_model("timm:test_vit", num_classes=3).eval()
    assert model(torch.randn(1, 3, 70, 90)).features.shape[-2:] == (4, 6)  # 64 × 96


@needs_libraries
def test_training_reaches_the_classifier_and_the_features():
    model = build_model("smp:unet/tu-test_resnet", num_classes=3).train()
    output = model(torch.randn(2, 3, 64, 64))
    output.logits.square().mean().backward()
    gradients = {name for name, parameter in model.named_parameters() if parameter.grad is not None and parameter.grad.any()}
    assert "net.segmentation_head.0.weight" in gradients
    assert any(name.startswith("net.encoder.") for name in gradients)


@needs_libraries
@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("smp:nonet/resnet18", "MODEL_UNKNOWN", "unet"),
        ("smp:unet", "MODEL_UNKNOWN", "names no encoder"),
        ("smp:unte/resnet18", "MODEL_UNKNOWN", "Did you mean unet"),
        ("smp:unet/hf-hub:someone/something", "MODEL_UNKNOWN", "no encoder"),
        ("timm:resnte18", "MODEL_UNKNOWN", "resnet18"),
        ("timm:hf-hub:someone/something", "MODEL_UNKNOWN", "no timm backbone"),
        ("torchvision:resnet50", "MODEL_UNKNOWN", "fcn_resnet50"),
        ("transformers:/nowhere/at/all", "MODEL_CONFIG", "config.json"),
    ],
)
def test_what_a_library_does_not_have_is_said_in_one_sentence(name, code, words):
    with pytest.raises(InputError) as caught:
        build_model(name, num_classes=3)
    assert caught.value.code == code
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def wrap(net: nn.Module, **options) -> LibraryNet:
    """A net of our own as if it came from a library."""
    given = {"normalisation": InputNormalisation(), "multiple": 8} | options
    return LibraryNet(net, 5, Recipe("ours:net"), **given)


class Detector(nn.Module):
    """Scores the image as a whole."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x.mean((2, 3)))


class TwoSteps(nn.Module):
    """A map of scores that something else is done to before they are the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x).flip(-1)


@pytest.mark.parametrize("net", [Detector(), TwoSteps()], ids=["no map", "not the answer"])
def test_a_net_whose_classifier_is_not_found_is_refused_and_never_misread(net):
    with pytest.raises(InputError) as caught:
        wrap(net)
    assert caught.value.code == "MODEL_HEAD"


def test_without_the_library_the_sentence_says_what_to_install():
    code = (
        "import sys; sys.modules['timm'] = None\n"  # what an import of a missing module meets
        "from pca_core import build_model, InputError\n"
        "try: build_model('timm:resnet10t', num_classes=3)\n"
        "except InputError as error: print(error.code, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.startswith("MODEL_LIBRARY ")
    assert "pip install -r requirements-models.txt" in done.stdout


@needs_libraries
def test_the_listing_says_that_libraries_are_there(capsys):
    assert main(["models"]) == 0
    told = capsys.readouterr().out
    assert all(f"  {prefix:<14}installed" in told for prefix in FAMILIES)
