"""From an image to features, predictions and pairs: what every view and every command starts with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pca_core.association.aggregation import PAPER_ALPHA, aggregate
from pca_core.checks import InputError
from pca_core.data import FolderDataset, fit_short_side, resize_image, resize_label
from pca_core.metrics import confusion_matrix
from pca_core.models import Checkpoint, InputNormalisation, find_size_multiple
from pca_core.types import FeaturePair, Sample


@dataclass(frozen=True)
class Segmentation:
    """What a net sees in one image.

    Attributes:
        features: (C, h, w) float32, before the classifier.
        probabilities: (K, h, w) float32, softmax at the resolution of the features.
        output_stride: Pixels of the *scaled* input per feature pixel.
    """

    features: Tensor
    probabilities: Tensor
    output_stride: int


def normalise_image(image: np.ndarray, normalisation: InputNormalisation) -> np.ndarray:
    """(H, W, 3) uint8 RGB → (3, H, W) float32, normalised, in the channel order of the net."""
    channels = image if normalisation.channel_order == "RGB" else image[..., ::-1]
    mean, std = np.float32(normalisation.mean), np.float32(normalisation.std)
    scaled = (channels.astype(np.float32) / np.float32(normalisation.scale) - mean) / std
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))


def _device(checkpoint: Checkpoint) -> torch.device:
    return next(checkpoint.model.parameters()).device


@torch.inference_mode()
def segment(checkpoint: Checkpoint, image: np.ndarray) -> Segmentation:
    """Run the net on one image, scaled to the short side it was trained at.

    Args:
        checkpoint: From :func:`~pca_core.models.load_checkpoint`; its model must be in eval mode.
        image: (H, W, 3) uint8 RGB.

    Returns:
        :class:`Segmentation` on the model's device.
    """
    size = fit_short_side(*image.shape[:2], checkpoint.short_side, find_size_multiple(checkpoint.model))
    batch = torch.from_numpy(normalise_image(resize_image(image, size), checkpoint.normalisation))[None]
    output = checkpoint.model(batch.to(_device(checkpoint), memory_format=torch.channels_last))
    return Segmentation(output.features[0].float(), output.logits[0].float().softmax(0), output.output_stride)


@torch.inference_mode()
def aggregate_prediction(checkpoint: Checkpoint, features: Tensor, alpha: float = PAPER_ALPHA) -> Tensor:
    """Inference with aggregation: classify aggregated features, softmax, aggregate the predictions.

    Args:
        checkpoint: Whose classifier to use.
        features: (C, h, w).
        alpha: Of both aggregations.

    Returns:
        (K, h, w) probabilities. Source: the authors report mIoU this way; without it is a different number, so show both.
    """
    aggregated = aggregate(features[None], "feature", alpha)
    return aggregate(checkpoint.model.classify(aggregated).softmax(1), "prediction", alpha)[0]


def predict(checkpoint: Checkpoint, image: np.ndarray, *, is_aggregated: bool = False) -> np.ndarray:
    """Class map of one image at its own size: (H, W, 3) uint8 → (H, W) uint8."""
    result = segment(checkpoint, image)
    probabilities = aggregate_prediction(checkpoint, result.features) if is_aggregated else result.probabilities
    full = F.interpolate(probabilities[None], size=image.shape[:2], mode="bilinear", align_corners=False)
    return full[0].argmax(0).to(torch.uint8).cpu().numpy()


def average(segmentation: Segmentation, pooling: int) -> Segmentation:
    """Features and probabilities averaged over squares of ``pooling`` × ``pooling`` feature pixels, fewer at the far edges."""

    def pool(maps: Tensor) -> Tensor:
        return F.avg_pool2d(maps[None], pooling, ceil_mode=True)[0]

    stride = segmentation.output_stride * pooling
    return Segmentation(pool(segmentation.features), pool(segmentation.probabilities), stride)


def make_pair(
    source: Segmentation,
    source_label: np.ndarray,
    target: Segmentation,
    target_label: np.ndarray | None = None,
    pooling: int = 1,
) -> FeaturePair:
    """Put two segmented images and their labels together at feature resolution.

    Args:
        source, target: From :func:`segment`, with the same checkpoint.
        source_label: (H, W) class indices and 255, any resolution; sampled at the centre of each feature pixel.
        target_label: Likewise, or None.
        pooling: Feature pixels that become one, along each side: a sixteenth of the similarities for 2.
    """
    if pooling > 1:
        source, target = average(source, pooling), average(target, pooling)

    def at_features(label: np.ndarray, features: Tensor) -> Tensor:
        return torch.from_numpy(resize_label(label, tuple(features.shape[-2:])).astype(np.int64)).to(features.device)

    return FeaturePair(
        source.features,
        target.features,
        at_features(source_label, source.features),
        source.probabilities,
        target.probabilities,
        None if target_label is None else at_features(target_label, target.features),
    )


def evaluate(
    checkpoint: Checkpoint,
    samples: FolderDataset | Iterable[Sample],
    *,
    is_aggregated: bool = False,
    progress: Callable[[Iterable], Iterable] = iter,
) -> np.ndarray:
    """Confusion matrix (K, K) of a checkpoint over labelled samples, each scored at its label's resolution.

    Raises:
        InputError: ``DATA_UNLABELLED`` when no sample has a label.
    """
    num_classes = checkpoint.label_space.num_classes
    confusion = np.zeros((num_classes, num_classes), np.int64)
    for sample in progress(samples):
        if sample.label is not None:
            prediction = predict(checkpoint, sample.image, is_aggregated=is_aggregated)
            confusion += confusion_matrix(sample.label, prediction, num_classes)
    if confusion.sum() == 0:
        raise InputError(
            "DATA_UNLABELLED", "Scoring needs labelled images, but none of these has a labelled pixel. Add a labels/ folder."
        )
    return confusion
