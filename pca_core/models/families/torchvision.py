"""``torchvision:NET``: every net of ``torchvision.models.segmentation``, without its auxiliary head."""

from __future__ import annotations

from pca_core.models.families.common import Family, check_known, check_options, explain_build, make_recipe
from pca_core.models.library import LibraryNet
from pca_core.models.normalisation import InputNormalisation
from pca_core.models.optional import import_optional

VOC_CLASSES = 21  # of the published heads


def _build(name: str, num_classes: int, options: dict, min_stride: int, is_pretrained: bool) -> LibraryNet:
    models = import_optional("torchvision", "torchvision").models
    architecture = f"torchvision:{name}"
    check_known("torchvision segmentation net", name, models.list_models(module=models.segmentation))
    check_options(architecture, options, ())
    whole = is_pretrained and num_classes == VOC_CLASSES
    weights = {"weights": "DEFAULT" if whole else None, "weights_backbone": "DEFAULT" if is_pretrained and not whole else None}
    with explain_build(architecture, is_pretrained=is_pretrained):
        auxiliary = {} if name.startswith("lraspp") else {"aux_loss": whole}  # published weights hold one; it is cut off below
        net = models.get_model(name, num_classes=num_classes, **weights, **auxiliary)
    if whole and getattr(net, "aux_classifier", None) is not None:
        net.aux_classifier = None
    return LibraryNet(
        net,
        num_classes,
        make_recipe(architecture, options, min_stride),
        normalisation=InputNormalisation(),
        multiple=16,
        min_stride=min_stride,
    )


FAMILY = Family(
    "torchvision",
    "torchvision",
    "torchvision:lraspp_mobilenet_v3_large",
    "any net of torchvision.models.segmentation",
    _build,
)
