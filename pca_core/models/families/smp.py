"""``smp:ARCHITECTURE/ENCODER``: every combination of segmentation-models-pytorch, e.g. ``smp:unet/resnet18``."""

from __future__ import annotations

import inspect

from pca_core.checks import InputError
from pca_core.models.families.common import Family, check_known, check_options, explain_build, make_recipe
from pca_core.models.library import LibraryNet
from pca_core.models.normalisation import InputNormalisation
from pca_core.models.optional import import_optional

OURS = {"self", "kwargs", "encoder_name", "encoder_weights", "in_channels", "classes", "activation", "aux_params"}


def _build(name: str, num_classes: int, options: dict, min_stride: int, is_pretrained: bool) -> LibraryNet:
    library = import_optional("segmentation_models_pytorch", "segmentation-models-pytorch")
    kind, slash, encoder = name.partition("/")
    architecture = f"smp:{name}"
    if not slash:
        raise InputError("MODEL_UNKNOWN", f"{architecture!r} names no encoder. Write it as smp:{kind}/resnet18.")
    check_known("segmentation-models-pytorch architecture", kind, library.MODEL_ARCHITECTURES_MAPPING)
    _check_encoder(library, encoder)
    make = library.MODEL_ARCHITECTURES_MAPPING[kind]
    check_options(architecture, options, set(inspect.signature(make.__init__).parameters) - OURS)
    with explain_build(architecture, is_pretrained=is_pretrained):
        weights = "imagenet" if is_pretrained else None
        given = {"encoder_name": encoder, "encoder_weights": weights, "in_channels": 3, "classes": num_classes, **options}
        net = _make(make, given, may_change_size=kind == "dpt")
        normalisation = _find_normalisation(library, encoder, is_pretrained)
    stride = int(net.encoder.output_stride)
    return LibraryNet(
        net,
        num_classes,
        make_recipe(architecture, options, min_stride),
        normalisation=normalisation,
        multiple=32 if 32 % stride == 0 else stride,
        native_size=(224, 224),
        min_stride=min_stride,
    )


def _make(make, given: dict, *, may_change_size: bool):
    """With a transformer that resamples its position embeddings where it can."""
    try:
        return make(**given, **({"dynamic_img_size": True} if may_change_size else {}))
    except TypeError:
        if not may_change_size:
            raise
        return make(**given)


def _check_encoder(library, encoder: str) -> None:
    if not encoder.startswith("tu-"):
        check_known("encoder", encoder, library.encoders.get_encoder_names())
        return
    timm = import_optional("timm", "timm")
    check_known("timm encoder", encoder.removeprefix("tu-").partition(".")[0], timm.list_models())


def _find_normalisation(library, encoder: str, is_pretrained: bool) -> InputNormalisation:
    """As the encoder was published with; ImageNet's where nothing is known without the network."""
    if not is_pretrained and not encoder.startswith("tu-"):
        return InputNormalisation()
    try:
        found = library.encoders.get_preprocessing_params(encoder)
    except (ValueError, KeyError):
        return InputNormalisation()
    return InputNormalisation(tuple(found["mean"]), tuple(found["std"]), 255.0 / found["input_range"][1], found["input_space"])


FAMILY = Family(
    "segmentation_models_pytorch",
    "segmentation-models-pytorch",
    "smp:unet/resnet18",
    "any architecture / any encoder of segmentation_models_pytorch",
    _build,
)
