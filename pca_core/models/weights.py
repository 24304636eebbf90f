"""Whether weights fit a net, by name and shape, before memory is taken for them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from pca_core.checks import InputError

NUM_DIFFERENCES = 5


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
