"""Libraries of nets, each by a prefix of the architecture's name. To add one: a function and a line in ``FAMILIES``.

The libraries are optional (``pip install -r requirements-models.txt``) and imported only when a net of theirs is asked for.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor, nn

from pca_core.checks import InputError
from pca_core.models.library import LibraryNet, TokenHead

_SCHEMAS: list[torch.library.Library] = []  # kept: a schema goes when its library object does


@dataclass(frozen=True)
class Family:
    """A library: what to import and install, how its nets are named, and how one is built.

    ``build(name, num_classes, pretrained, **options)`` gives a :class:`LibraryNet`.
    """

    module: str
    package: str
    example: str
    what: str
    build: Callable[..., LibraryNet]


def build_from_family(architecture: str, num_classes: int, *, pretrained: bool = False, **options: object) -> LibraryNet:
    """Build ``PREFIX:NAME``, e.g. ``smp:unet/resnet18``.

    Raises:
        InputError: ``MODEL_LIBRARY`` when the library is not installed, ``MODEL_UNKNOWN`` when it has no such net,
            ``MODEL_DOWNLOAD`` when pretrained weights could not be fetched.
    """
    prefix, _, name = architecture.partition(":")
    family = FAMILIES[prefix]
    _import(family)
    try:
        return family.build(name, num_classes, pretrained, **options)
    except InputError:
        raise
    except (OSError, ConnectionError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise InputError(
            "MODEL_DOWNLOAD",
            f"The weights of {architecture} could not be had ({reason[:160]}). Name a local folder, or go online.",
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise InputError(
            "MODEL_UNKNOWN",
            f"{family.package} cannot build {architecture!r} ({reason[:160]}). A name that works: {family.example}.",
        ) from None


def is_installed(family: Family) -> bool:
    """Whether the library can be imported."""
    try:
        _import(family)
    except InputError:
        return False
    return True


def _import(family: Family) -> ModuleType:
    try:
        if family.module != "transformers":
            import_torchvision()
        return importlib.import_module(family.module)
    except ImportError as error:
        raise InputError(
            "MODEL_LIBRARY",
            f"Nets such as {family.example} need {family.package}, which cannot be imported ({error}). "
            "Run: pip install -r requirements-models.txt",
        ) from None


def import_torchvision() -> ModuleType:
    """Import torchvision, also beside a CPU build of torch.

    The wheel on PyPI is compiled for CUDA; beside the CPU wheel of torch its operators are not registered and the import fails
    on ``torchvision::nms``. Its Python parts, all that is used here, need only that the two names exist.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _SCHEMAS.append(library)
    return importlib.import_module("torchvision")


def _build_smp(name: str, num_classes: int, pretrained: bool, **options: object) -> LibraryNet:
    """``ARCHITECTURE/ENCODER`` of segmentation_models_pytorch."""
    import segmentation_models_pytorch as smp

    kind, _, encoder = name.partition("/")
    weights = "imagenet" if pretrained else None
    net = smp.create_model(kind, encoder or "resnet34", encoder_weights=weights, classes=num_classes, **options)
    return LibraryNet(net, num_classes, 32, f"smp:{kind}/{encoder or 'resnet34'}", options)


def _build_torchvision(name: str, num_classes: int, pretrained: bool, **options: object) -> LibraryNet:
    """A net of torchvision.models.segmentation; pretrained means its backbone."""
    from torchvision.models import get_model

    weights = {"weights_backbone": "DEFAULT" if pretrained else None}
    net = get_model(name, weights=None, num_classes=num_classes, **weights, **options)
    return LibraryNet(net, num_classes, 8, f"torchvision:{name}", options)


def _build_transformers(name: str, num_classes: int, pretrained: bool, **options: object) -> LibraryNet:
    """A semantic-segmentation net of transformers from a local folder or the hub; ``config`` builds it again without either."""
    from transformers import AutoConfig, AutoModelForSemanticSegmentation

    config = options.get("config")
    if isinstance(config, Mapping):
        kind = dict(config)
        settings = AutoConfig.for_model(kind.pop("model_type"), **kind)
    else:
        settings = AutoConfig.from_pretrained(name, num_labels=num_classes)
    settings.num_labels = num_classes
    if pretrained:
        net = AutoModelForSemanticSegmentation.from_pretrained(name, config=settings, ignore_mismatched_sizes=True)
    else:
        net = AutoModelForSemanticSegmentation.from_config(settings)
    kept = {key: value for key, value in settings.to_dict().items() if key not in ("_name_or_path", "transformers_version")}
    return LibraryNet(net, num_classes, 32, f"transformers:{settings.model_type}", {"config": kept})


def _build_timm(name: str, num_classes: int, pretrained: bool, **options: object) -> LibraryNet:
    """A backbone of timm (CNN or vision transformer, DINOv2 and v3 among them) with a linear head."""
    import timm

    backbone = _create_of_any_size(timm.create_model, name, pretrained=pretrained, num_classes=0, **options)
    channels, prefix = backbone.num_features, getattr(backbone, "num_prefix_tokens", None)
    multiple = 32 if prefix is None else int(backbone.patch_embed.patch_size[0])

    def to_map(values: Tensor, size: tuple[int, int]) -> Tensor:
        if values.ndim == 3:
            grid = size[0] // multiple, size[1] // multiple
            return values[:, prefix:].movedim(-1, 1).unflatten(-1, grid)
        return values if values.shape[1] == channels else values.movedim(-1, 1)

    return LibraryNet(TokenHead(backbone, channels, num_classes, to_map), num_classes, multiple, f"timm:{name}", options)


def _create_of_any_size(create: Callable[..., nn.Module], name: str, **options: object) -> nn.Module:
    """Transformers are made for one size of image unless told otherwise, each kind in words of its own."""
    for words in ({"dynamic_img_size": True}, {"strict_img_size": False, "dynamic_mask": True}):
        try:
            return create(name, **words, **options)
        except TypeError:
            continue
    return create(name, **options)


FAMILIES: dict[str, Family] = {
    "smp": Family(
        "segmentation_models_pytorch",
        "segmentation-models-pytorch",
        "smp:unet/resnet18",
        "any architecture / any encoder of segmentation_models_pytorch",
        _build_smp,
    ),
    "torchvision": Family(
        "torchvision",
        "torchvision",
        "torchvision:lraspp_mobilenet_v3_large",
        "any net of torchvision.models.segmentation",
        _build_torchvision,
    ),
    "transformers": Family(
        "transformers",
        "transformers",
        "transformers:nvidia/segformer-b0-finetuned-cityscapes-1024-1024",
        "any semantic-segmentation net of transformers, from a folder or the hub",
        _build_transformers,
    ),
    "timm": Family("timm", "timm", "timm:vit_small_patch14_dinov2", "any backbone of timm with a linear head", _build_timm),
}


def architecture_of(model: nn.Module, name: str, options: Mapping[str, object] | None = None) -> tuple[str, dict]:
    """What a checkpoint of this net has to say so that it can be built again: the architecture's name and its options."""
    return (model.architecture, model.options) if isinstance(model, LibraryNet) else (name, dict(options or {}))
