"""Libraries of nets, loaded only when a net of theirs is asked for."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

import torch

from pca_core.checks import InputError

_NO_OPERATOR = "operator torchvision::nms does not exist"
_DECLARED: list[torch.library.Library] = []  # a library that is garbage collected takes its operators with it


def import_optional(module: str, package: str) -> ModuleType:
    """Import a library that is not part of the plain installation.

    Args:
        module: Its name in Python.
        package: Its name for pip.

    Raises:
        InputError: ``MODEL_LIBRARY``: it is missing, or present but broken.
    """
    try:
        if importlib.util.find_spec("torchvision") is not None:
            _import_torchvision()  # timm, segmentation-models-pytorch and transformers import it behind our back
        return importlib.import_module(module)
    except (ImportError, RuntimeError) as error:
        found = f"cannot be loaded ({error})" if importlib.util.find_spec(module) else "is not installed"
        raise InputError(
            "MODEL_LIBRARY", f"This net needs the package {package}, which {found}. Run: pip install -r requirements-models.txt"
        ) from None


def _import_torchvision() -> ModuleType:
    """Import torchvision, also beside a torch of another kind.

    The wheel on PyPI is built for CUDA. Beside a CPU wheel of torch its compiled part cannot be loaded, and describing
    operators that this part would have brought fails the whole import. No segmentation net uses these operators
    (they suppress overlapping boxes of detectors), so declaring them, without any code, makes the Python part work.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if _NO_OPERATOR not in str(error):
            raise
    if not _DECLARED:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _DECLARED.append(library)
    return importlib.import_module("torchvision")
