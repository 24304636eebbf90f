"""Every net that can be built, by name. To add one: a file beside this, a line in ``MODELS``, a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from difflib import get_close_matches
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pca_core.checks import InputError
from pca_core.models.compact import build_compact
from pca_core.models.deeplab_v2 import CAFFE_NORMALISATION, build_deeplab_v2_resnet50, build_deeplab_v2_resnet101
from pca_core.models.families import FAMILIES, build_library_net, is_library_name
from pca_core.models.library import LibraryNet
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


DEFAULT_SIZE_MULTIPLE = 8

MOST_IN_OPTIONS = 2**20
"""Sum of the numbers in options out of a file; those of published nets add up to some ten thousand."""

CALLS_A_NET, CALLS_A_TENSOR = 20_000, 100
"""Calls of torch while a net is built: four to 26 for each of its tensors in nets of all families, some thousand in all."""


def build_model(name: str, *, num_classes: int, pretrained: bool = False, **options: object) -> nn.Module:
    """Build a net by name, randomly initialised unless pretrained weights are asked for.

    Args:
        name: A key of :data:`MODELS`, or ``LIBRARY:NET`` as in ``smp:unet/resnet18`` (:data:`~pca_core.models.FAMILIES`).
        num_classes: K.
        pretrained: For nets of a library: start from the weights that it publishes, downloaded where need be (``transformers:``
            from the folder's). A classifier of other classes starts anew.
        options: Architecture options, e.g. ``feature_channels=64``; nets of libraries all take ``min_stride``.

    Returns:
        A :class:`SegmentationModel`; calling it gives :class:`~pca_core.types.SegmentationOutput`.

    Raises:
        InputError: ``MODEL_UNKNOWN``, ``MODEL_CLASSES``, ``MODEL_OPTION``, ``MODEL_LIBRARY``, ``MODEL_CONFIG``, ``MODEL_HEAD``,
            ``MODEL_INPUT`` or ``MODEL_DOWNLOAD``.
    """
    is_of_library = isinstance(name, str) and is_library_name(name)
    if not is_of_library and name not in MODELS:
        near = get_close_matches(name, [*MODELS, *(family.example for family in FAMILIES.values())], n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        known = f"{', '.join(MODELS)} or a net of a library ({', '.join(f'{prefix}:…' for prefix in FAMILIES)})"
        raise InputError("MODEL_UNKNOWN", f"Architecture must be one of {known}, got {name!r}.{hint}")
    if not isinstance(num_classes, int) or num_classes < 1:
        raise InputError("MODEL_CLASSES", f"num_classes must be a whole number from 1, got {num_classes!r}.")
    if is_of_library:
        return build_library_net(name, num_classes, options, is_pretrained=pretrained)
    if pretrained:
        raise InputError("MODEL_OPTION", f"There are no pretrained weights for {name!r}. Go without --pretrained.")
    try:
        return MODELS[name](num_classes, **options)
    except TypeError as error:
        raise InputError("MODEL_OPTION", f"Architecture {name!r} was given an option that it does not have: {error}.") from None


def build_empty(name: str, *, num_classes: int, num_tensors: int | None = None, **options: object) -> nn.Module:
    """Build a net without memory, to see whether weights fit it, and then to :func:`fill`.

    Names and options may come out of a file of unknown origin: nothing is downloaded, whatever they say, and no more is built
    than the file could hold weights for.

    Args:
        name, num_classes, options: As for :func:`build_model`.
        num_tensors: In the file that options come from; None where a person gave them.

    Raises:
        InputError: As :func:`build_model`, and ``MODEL_OPTION`` for a net that is far larger than the file.
    """
    if num_tensors is not None and not _sum_of_sizes(options) <= MOST_IN_OPTIONS:  # not-a-number too
        raise InputError("MODEL_OPTION", f"The options of {name!r} hold numbers that no net is made of. Save the model again.")
    if "pretrained" in options:
        raise InputError("MODEL_OPTION", f"Architecture {name!r} has no option 'pretrained' that a file could set.")
    with torch.device("meta"), _NothingDrawn(), nullcontext() if num_tensors is None else _NoLargerThan(name, num_tensors):
        return build_model(name, num_classes=num_classes, **options)


def _sum_of_sizes(options: object) -> float:
    """All numbers in options together, at every depth: layers, channels, sides of images."""
    if isinstance(options, Mapping):
        return sum(map(_sum_of_sizes, options.values()))
    if isinstance(options, (list, tuple)):
        return sum(map(_sum_of_sizes, options))
    return abs(options) if isinstance(options, (int, float)) else 0


class _NothingDrawn(TorchFunctionMode):
    """Random starts of tensors without memory are skipped: to tell their shapes torch would load sympy and its compiler."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in (Tensor.normal_, Tensor.uniform_) and args[0].is_meta:
            return args[0]
        return function(*args, **(kwargs or {}))


class _NoLargerThan(TorchFunctionMode):
    """A net that goes on calling torch after all of the file's tensors could have been made is given up."""

    def __init__(self, name: str, num_tensors: int) -> None:
        super().__init__()
        self._name, self._num_tensors = name, num_tensors
        self._calls_left = CALLS_A_NET + CALLS_A_TENSOR * num_tensors

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self._calls_left -= 1
        if self._calls_left < 0:
            raise InputError(
                "MODEL_OPTION",
                f"The options of {self._name!r} describe a net of many more than the {self._num_tensors} tensors that the file "
                "holds. Save the model again.",
            )
        return function(*args, **(kwargs or {}))


def fill(model: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """Put weights into a net from :func:`build_empty`; memory is taken only now.

    Nets of libraries keep constants outside their weights (tables of positions, masks), so they are built again; torch's random
    numbers go on as if they had not been.
    """
    if isinstance(model, LibraryNet):
        with torch.random.fork_rng(devices=[]):
            built = build_model(model.recipe.architecture, num_classes=model.num_classes, **model.recipe.options)
        model = built.train(model.training)
    else:
        # As model.to_empty("cpu") does, which asks for the layout of tensors without memory and loads sympy for it.
        model._apply(lambda tensor: torch.empty(tensor.shape, dtype=tensor.dtype))
    model.load_state_dict(tensors)
    return model


def find_normalisation(name: str, model: nn.Module | None = None) -> InputNormalisation:
    """How images enter a net of this architecture unless its checkpoint says otherwise; nets of libraries know it themselves."""
    if isinstance(model, LibraryNet):
        return model.normalisation
    return NORMALISATIONS.get(name, InputNormalisation())


def find_size_multiple(model: nn.Module) -> int:
    """Pixels that both sides of an image should be a multiple of, so that feature pixels cover it evenly."""
    return getattr(model, "size_multiple", DEFAULT_SIZE_MULTIPLE)
