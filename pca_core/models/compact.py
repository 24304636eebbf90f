"""The built-in net: small enough to train from scratch on two CPU cores in minutes, with features worth tracing.

A residual encoder to stride 16 with global context, and a light decoder back to stride 4. 1.5 M parameters, all batch norm.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pca_core.types import SegmentationOutput


def _conv(channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, padding, dilation, bias=False), nn.BatchNorm2d(channels_out)
    )


class _Residual(nn.Module):
    """Two 3×3 convolutions and a shortcut."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.first = _conv(channels_in, channels_out, stride=stride, dilation=dilation)
        self.second = _conv(channels_out, channels_out, dilation=dilation)
        is_same = stride == 1 and channels_in == channels_out
        self.shortcut = nn.Identity() if is_same else _conv(channels_in, channels_out, kernel=1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class CompactNet(nn.Module):
    """Segmentation net with features at stride 4.

    Args:
        num_classes: K.
        feature_channels: C, width of the map before the classifier.
    """

    output_stride = 4

    def __init__(self, num_classes: int, feature_channels: int = 64) -> None:
        super().__init__()
        self.stem = _conv(3, 32, stride=2)
        self.stage4 = nn.Sequential(_Residual(32, 64, stride=2), _Residual(64, 64))
        self.stage8 = nn.Sequential(_Residual(64, 96, stride=2), _Residual(96, 96))
        self.stage16 = nn.Sequential(_Residual(96, 160, stride=2), _Residual(160, 160, dilation=2))
        self.context = nn.Linear(160, 96)
        self.lateral16 = _conv(160, 96, kernel=1)
        self.lateral8 = _conv(96, 96, kernel=1)
        self.merge8 = _conv(96, 96)
        self.lateral4 = _conv(64, 96, kernel=1)
        self.merge4 = _conv(96, feature_channels)
        self.classifier = nn.Conv2d(feature_channels, num_classes, 1)

    def forward(self, x: Tensor) -> SegmentationOutput:
        """(B, 3, H, W) normalised image → features and logits at stride 4; H and W are padded up to a multiple of 4."""
        at4 = self.stage4(F.relu(self.stem(x)))
        at8 = self.stage8(at4)
        at16 = self.stage16(at8)
        context = self.context(at16.mean((2, 3)))[:, :, None, None]
        top = F.relu(self.lateral16(at16) + context)
        middle = F.relu(self.merge8(F.relu(self.lateral8(at8) + _resize(top, at8))))
        features = F.relu(self.merge4(F.relu(self.lateral4(at4) + _resize(middle, at4))))
        return SegmentationOutput(features, self.classify(features), self.output_stride)

    def classify(self, features: Tensor) -> Tensor:
        """(B, C, h, w) → logits (B, K, h, w)."""
        return self.classifier(features)


def _resize(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def build_compact(num_classes: int, feature_channels: int = 64) -> CompactNet:
    """Build the net with Kaiming-initialised convolutions, drawn from torch's global generator (seed it first)."""
    net = CompactNet(num_classes, feature_channels)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    with torch.no_grad():
        net.classifier.weight.mul_(0.1)
    return net
