"""``timm:BACKBONE``: any image backbone of timm (DINOv2 and DINOv3 too) with one linear classifier on its features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pca_core.models.families.common import Family, check_known, check_options, explain_build, make_recipe
from pca_core.models.library import LibraryNet
from pca_core.models.normalisation import InputNormalisation
from pca_core.models.optional import import_optional

OPTIONS = ("level", "img_size", "output_stride")


class LinearProbe(nn.Module):
    """A backbone and a 1 × 1 convolution on one of its feature maps.

    Args:
        backbone: A ``features_only`` net of timm.
        num_classes: K.
        level: Which of its maps; −1 is the deepest.
    """

    def __init__(self, backbone: nn.Module, num_classes: int, level: int) -> None:
        super().__init__()
        self.backbone, self.level = backbone, level
        self.is_channels_last = str(getattr(backbone, "output_fmt", "")).endswith("NHWC")
        self.head = nn.Conv2d(backbone.feature_info.channels()[level], num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        features = self.backbone(x)[self.level]
        return self.head(features.permute(0, 3, 1, 2) if self.is_channels_last else features)


def _build(name: str, num_classes: int, options: dict, min_stride: int, is_pretrained: bool) -> LibraryNet:
    timm = import_optional("timm", "timm")
    architecture = f"timm:{name}"
    check_known("timm backbone", name.partition(".")[0], timm.list_models())
    check_options(architecture, options, OPTIONS)
    level = options.get("level", -1)
    with explain_build(architecture, is_pretrained=is_pretrained):
        backbone = _make_backbone(timm, name, {key: value for key, value in options.items() if key != "level"}, is_pretrained)
        net = LinearProbe(backbone, num_classes, level)
    published = getattr(backbone, "pretrained_cfg", None) or {}
    mean, std = published.get("mean", InputNormalisation().mean), published.get("std", InputNormalisation().std)
    return LibraryNet(
        net,
        num_classes,
        make_recipe(architecture, options, min_stride),
        normalisation=InputNormalisation(tuple(mean), tuple(std)),
        multiple=max(backbone.feature_info.reduction()),
        native_size=tuple(published.get("input_size", (3, 224, 224)))[1:],
        min_stride=min_stride,
    )


def _make_backbone(timm, name: str, options: dict, is_pretrained: bool) -> nn.Module:
    """With a size that may change where the backbone has that choice: fixed position embeddings are then resampled."""
    common = {"features_only": True, "pretrained": is_pretrained, **options}
    state = torch.get_rng_state()
    try:
        return timm.create_model(name, dynamic_img_size=True, **common)
    except TypeError:
        torch.set_rng_state(state)
        return timm.create_model(name, **common)


FAMILY = Family(
    "timm",
    "timm",
    "timm:vit_small_patch14_dinov2",
    "any backbone of timm with a linear head",
    _build,
)
