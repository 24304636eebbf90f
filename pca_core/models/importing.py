"""Foreign weights become a checkpoint of ours: named, checked against a net of our choosing, tried once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pca_core.checks import InputError
from pca_core.models.checkpoints import Checkpoint
from pca_core.models.families import architecture_of
from pca_core.models.normalisation import InputNormalisation
from pca_core.models.pickled import read_pickled
from pca_core.models.registry import build_empty, find_normalisation
from pca_core.models.weights import check_finite, check_fits, fill
from pca_core.types import LabelSpace

PROBE = (64, 96)  # pixels of the image that a net is tried on


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Tensors by name from a safetensors file, or from a pickled one by :func:`~pca_core.models.pickled.read_pickled`."""
    path = Path(path)
    if path.suffix != ".safetensors":
        return read_pickled(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(
            "CHECKPOINT_BROKEN", f"{path.name} is not a complete safetensors file ({error}). Copy it again."
        ) from None


def import_checkpoint(
    path: str | Path,
    architecture: str,
    label_space: LabelSpace,
    *,
    normalisation: InputNormalisation | None = None,
    short_side: int = 512,
    options: Mapping[str, object] | None = None,
) -> Checkpoint:
    """Read foreign weights into a net, and run it once.

    Args:
        path: ``.pt``, ``.pth`` or ``.safetensors`` with a state dict.
        architecture: A name that :func:`~pca_core.models.build_model` knows.
        label_space: The classes, in the order of the net's logits.
        normalisation: Of its input; None takes what this architecture was published with.
        short_side: Pixels of the shorter image side at inference.
        options: Of the architecture.

    Returns:
        A :class:`Checkpoint` in eval mode, ready for :func:`~pca_core.models.save_checkpoint`.

    Raises:
        InputError: ``PICKLE_...``, ``CHECKPOINT_MISMATCH`` with the first differences, ``CHECKPOINT_NONFINITE``,
            ``CHECKPOINT_PROBE`` when the net's answer to a plain image is not finite.
    """
    path, options = Path(path), dict(options or {})
    model = build_empty(architecture, num_classes=label_space.num_classes, **options)
    tensors = read_weights(path)
    check_fits(path.name, {name: tuple(tensor.shape) for name, tensor in tensors.items()}, model)
    check_finite(path.name, tensors)
    fill(model, tensors)
    _probe(path.name, model.eval())
    rebuilt, options = architecture_of(model, architecture, options)
    notes = {"imported_from": path.name}
    return Checkpoint(model, rebuilt, label_space, options, normalisation or find_normalisation(architecture), short_side, notes)


@torch.inference_mode()
def _probe(name: str, model: torch.nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    output = model(torch.randn(1, 3, *PROBE, generator=generator))
    if not output.logits.isfinite().all():
        raise InputError(
            "CHECKPOINT_PROBE", f"The net of {name} answers a plain image with NaN or infinity. Check where the file comes from."
        )
