"""DeepLab-v2 on ResNet-101 as PLCA trained it: parameter names and numbers of the authors' released checkpoints.

Chen, Papandreou, Kokkinos, Murphy, Yuille: *DeepLab*, 2017. The backbone is the Caffe kind of ResNet (the stride sits on the
first 1 × 1 convolution, pooling rounds up); strides of the last two stages are traded for dilation 2 and 4, so that features
have stride 8. The classifier is a sum of four dilated 3 × 3 convolutions without bias.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from pca_core.models.normalisation import InputNormalisation
from pca_core.types import SegmentationOutput

# As the authors feed it: BGR, 0-255, less the mean; the means are in the order of the net's channels.
CAFFE_NORMALISATION = InputNormalisation((104.00698793, 116.66876762, 122.67891434), (1.0, 1.0, 1.0), 1.0, "BGR")
RATES = (6, 12, 18, 24)


class _Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, channels: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.downsample = None
        if stride > 1 or channels != width * self.expansion:
            shortcut = nn.Conv2d(channels, width * self.expansion, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(width * self.expansion))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)))


def _stage(channels: int, width: int, blocks: int, stride: int, dilation: int) -> nn.Sequential:
    first = _Bottleneck(channels, width, stride, dilation)
    return nn.Sequential(first, *(_Bottleneck(4 * width, width, 1, dilation) for _ in range(blocks - 1)))


class _Backbone(nn.Module):
    def __init__(self, blocks: tuple[int, int, int, int], width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _stage(width, width, blocks[0], 1, 1)
        self.layer2 = _stage(4 * width, 2 * width, blocks[1], 2, 1)
        self.layer3 = _stage(8 * width, 4 * width, blocks[2], 1, 2)
        self.layer4 = _stage(16 * width, 8 * width, blocks[3], 1, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.max_pool2d(x, 3, 2, padding=1, ceil_mode=True)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


class _SumOfDilated(nn.Module):
    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, num_classes, 3, padding=rate, dilation=rate, bias=False)) for rate in RATES
        )

    def forward(self, x: Tensor) -> Tensor:
        return sum(conv(x) for conv in self.convs)


class DeepLabV2(nn.Module):
    """Features of ``32 · width`` channels (2,048 for ResNet-101) at stride 8.

    Args:
        num_classes: K; the released checkpoints have 16 or 19.
        blocks: Bottlenecks of the four stages.
        width: Channels of the first convolution.
    """

    output_stride = 8

    def __init__(self, num_classes: int, blocks: tuple[int, int, int, int], width: int = 64) -> None:
        super().__init__()
        self.backbone = _Backbone(blocks, width)
        self.classifier = nn.Sequential(_SumOfDilated(32 * width, num_classes))

    def forward(self, x: Tensor) -> SegmentationOutput:
        """(B, 3, H, W) normalised image → features and logits; 97 × 129 gives 13 × 17, 64 × 64 gives 9 × 9."""
        features = self.backbone(x)
        return SegmentationOutput(features, self.classify(features), self.output_stride)

    def classify(self, features: Tensor) -> Tensor:
        """(B, C, h, w) → logits (B, K, h, w)."""
        return self.classifier(features)


def build_deeplab_v2_resnet101(num_classes: int) -> DeepLabV2:
    return DeepLabV2(num_classes, (3, 4, 23, 3))


def build_deeplab_v2_resnet50(num_classes: int) -> DeepLabV2:
    return DeepLabV2(num_classes, (3, 4, 6, 3))
