"""Every net that can be built, by name. To add one: a file beside this, a line in ``MODELS``, a test."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Protocol

import torch
from torch import Tensor, nn

from pca_core.checks import InputError
from pca_core.models.compact import build_compact
from pca_core.models.deeplab_v2 import CAFFE_NORMALISATION, build_deeplab_v2_resnet50, build_deeplab_v2_resnet101
from pca_core.models.families import FAMILIES, build_from_family
from pca_core.models.normalisation import InputNormalisation
from pca_core.types import SegmentationOutput


class SegmentationModel(Protocol):
    """What the rest of the core asks of a net."""

    output_stride: int

    def __call__(self, x: Tensor) -> SegmentationOutput:
        """(B, 3, H, W) normalised image → features and logits."""

    def classify(self, features: Tensor) -> Tensor:
        """(B, C, h, w) features → (B, K, h, w) logits; inference with aggregation classifies aggregated features."""


MODELS: dict[str, Callable[..., nn.Module]] = {
    "compact": build_compact,
    "deeplab_v2_resnet101": build_deeplab_v2_resnet101,
    "deeplab_v2_resnet50": build_deeplab_v2_resnet50,
}
NORMALISATIONS: dict[str, InputNormalisation] = {
    "deeplab_v2_resnet101": CAFFE_NORMALISATION,
    "deeplab_v2_resnet50": CAFFE_NORMALISATION,
}
"""How an image enters a net, where it is not RGB with the mean and deviation of ImageNet."""


def build_model(name: str, *, num_classes: int, **options: object) -> nn.Module:
    """Build a net by name, randomly initialised.

    Args:
        name: A key of :data:`MODELS`, or ``LIBRARY:NET`` as in ``smp:unet/resnet18`` (:data:`~pca_core.models.FAMILIES`).
        num_classes: K.
        options: Architecture options, e.g. ``feature_channels=64``; ``pretrained=True`` for nets of a library.

    Returns:
        A :class:`SegmentationModel`; calling it gives :class:`~pca_core.types.SegmentationOutput`.

    Raises:
        InputError: ``MODEL_UNKNOWN``, ``MODEL_CLASSES``, ``MODEL_OPTION``, ``MODEL_LIBRARY`` or ``MODEL_DOWNLOAD``.
    """
    is_of_library = isinstance(name, str) and name.partition(":")[0] in FAMILIES and ":" in name
    if not is_of_library and name not in MODELS:
        near = get_close_matches(name, [*MODELS, *(family.example for family in FAMILIES.values())], n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        known = f"{', '.join(MODELS)} or a net of a library ({', '.join(f'{prefix}:…' for prefix in FAMILIES)})"
        raise InputError("MODEL_UNKNOWN", f"Architecture must be one of {known}, got {name!r}.{hint}")
    if not isinstance(num_classes, int) or num_classes < 1:
        raise InputError("MODEL_CLASSES", f"num_classes must be a whole number from 1, got {num_classes!r}.")
    if is_of_library:
        return build_from_family(name, num_classes, **options)
    try:
        return MODELS[name](num_classes, **options)
    except TypeError as error:
        raise InputError("MODEL_OPTION", f"Architecture {name!r} was given an option that it does not have: {error}.") from None


def build_empty(name: str, *, num_classes: int, **options: object) -> nn.Module:
    """Build a net to be filled with weights (:func:`pca_core.models.weights.fill`): without memory yet, if it is one of ours.

    Nets of libraries keep tables outside their weights, which only a real build fills in.
    """
    with torch.device("meta" if name in MODELS else "cpu"):
        return build_model(name, num_classes=num_classes, **options)


def find_normalisation(name: str) -> InputNormalisation:
    """How images enter a net of this architecture unless its checkpoint says otherwise."""
    return NORMALISATIONS.get(name, InputNormalisation())
