"""Libraries whose nets can be built by name, ``FAMILY:NET``. To add one: a file beside this, a line in ``FAMILIES``, a test."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from pca_core.checks import InputError
from pca_core.models.families import smp, timm, torchvision, transformers
from pca_core.models.families.common import Family
from pca_core.models.families.empty import empty_parameters
from pca_core.models.library import LibraryNet
from pca_core.models.optional import import_optional

FAMILIES: dict[str, Family] = {
    "smp": smp.FAMILY,
    "torchvision": torchvision.FAMILY,
    "transformers": transformers.FAMILY,
    "timm": timm.FAMILY,
}


def is_installed(family: Family) -> bool:
    """Whether the library can be imported."""
    try:
        import_optional(family.module, family.package)
    except InputError:
        return False
    return True


def architecture_of(model: nn.Module, name: str, options: Mapping[str, object] | None = None) -> tuple[str, dict]:
    """What a checkpoint of this net has to say so that it can be built again: the architecture's name and its options."""
    if isinstance(model, LibraryNet):
        return model.recipe.architecture, dict(model.recipe.options)
    return name, dict(options or {})


def is_library_name(name: str) -> bool:
    """Whether a name is of the form ``FAMILY:NET`` with a family that is known."""
    family, colon, _ = name.partition(":")
    return bool(colon) and family in FAMILIES


def build_library_net(name: str, num_classes: int, options: dict, *, is_pretrained: bool = False) -> LibraryNet:
    """Build ``FAMILY:NET``.

    Raises:
        InputError: ``MODEL_LIBRARY``, ``MODEL_UNKNOWN``, ``MODEL_OPTION``, ``MODEL_HEAD``, ``MODEL_INPUT``,
            ``MODEL_DOWNLOAD`` or ``MODEL_CONFIG``.
    """
    family, _, net = name.partition(":")
    options = dict(options)
    min_stride = options.pop("min_stride", 1)
    if not isinstance(min_stride, int) or min_stride < 1:
        raise InputError("MODEL_OPTION", f"Option min_stride must be a whole number from 1, got {min_stride!r}.")
    if torch.get_default_device().type == "meta":
        with empty_parameters():
            return FAMILIES[family].build(net, num_classes, options, min_stride, is_pretrained)
    return FAMILIES[family].build(net, num_classes, options, min_stride, is_pretrained)
