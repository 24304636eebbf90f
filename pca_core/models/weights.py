"""Whether weights fit a net: by name, shape and kind of number before memory is taken for them, and by its answer after."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pca_core.checks import InputError

NUM_DIFFERENCES = 5
DTYPES = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I64", "I32", "I16", "I8", "U8", "BOOL")
"""Kinds of numbers that weights may have, as safetensors names them."""
PROBE = (64, 96)  # pixels of the image that a net is tried on


def find_differences(found: Mapping[str, tuple[int, ...]], model: nn.Module) -> list[str]:
    """What is of another shape, missing or too much in ``found`` (name -> shape) for a net; a phrase each."""
    expected = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    missing = [f"{key} is missing" for key in expected if key not in found]
    extra = [f"{key} is not part of the net" for key in found if key not in expected]
    shapes = [
        f"{key} is {found[key]}, expected {expected[key]}" for key in expected if key in found and found[key] != expected[key]
    ]
    return shapes + missing + extra


def check_fits(name: str, found: Mapping[str, tuple[int, ...]], model: nn.Module) -> None:
    """Raise InputError ``CHECKPOINT_MISMATCH`` with the first differences unless names and shapes are those of the net."""
    differences = find_differences(found, model)
    if differences:
        more = f" and {len(differences) - NUM_DIFFERENCES} more" if len(differences) > NUM_DIFFERENCES else ""
        raise InputError(
            "CHECKPOINT_MISMATCH",
            f"{name} does not fit the net that it names: {'; '.join(differences[:NUM_DIFFERENCES])}{more}. "
            "Choose the checkpoint of this architecture and class count.",
        )


def check_finite(name: str, tensors: Mapping[str, Tensor]) -> None:
    """Raise InputError ``CHECKPOINT_NONFINITE`` when a weight is NaN or infinite."""
    bad = [key for key, tensor in tensors.items() if tensor.is_floating_point() and not tensor.float().isfinite().all()]
    if bad:
        raise InputError(
            "CHECKPOINT_NONFINITE", f"{name} has NaN or infinite weights in {', '.join(bad[:NUM_DIFFERENCES])}. Train it again."
        )


def check_dtypes(name: str, dtypes: Mapping[str, str]) -> None:
    """Raise InputError ``CHECKPOINT_DTYPE`` when a weight (name -> dtype) has another kind of numbers than :data:`DTYPES`."""
    odd = [f"{key} is {dtype}" for key, dtype in dtypes.items() if dtype not in DTYPES]
    if odd:
        raise InputError(
            "CHECKPOINT_DTYPE",
            f"{name} has weights in numbers that are not read: {'; '.join(odd[:NUM_DIFFERENCES])}. Use float32 or float16.",
        )


@torch.no_grad()  # not inference_mode: what a net keeps of its first answer must serve training too
def check_answer(name: str, model: nn.Module) -> None:
    """Run a net in eval mode on a small plain image.

    Raises:
        InputError: ``CHECKPOINT_PROBE`` when it fails, or when features or logits are not finite.
    """
    image = torch.randn(1, 3, *PROBE, generator=torch.Generator().manual_seed(0))
    try:
        output = model(image.to(next(model.parameters()).device))
        what = None if output.features.isfinite().all() and output.logits.isfinite().all() else "with NaN or infinity"
    except RuntimeError as error:
        what = f"with an error ({str(error).splitlines()[0][:120]})"
    if what is not None:
        raise InputError("CHECKPOINT_PROBE", f"The net of {name} answers a plain image {what}. Check where the file comes from.")
