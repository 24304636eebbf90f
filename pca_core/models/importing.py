"""Foreign weights become a checkpoint of ours: named, checked against a net of our choosing, tried once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pca_core.checks import InputError, exists
from pca_core.models.checkpoints import Checkpoint
from pca_core.models.families import architecture_of
from pca_core.models.library import LibraryNet
from pca_core.models.normalisation import InputNormalisation
from pca_core.models.pickled import read_pickled
from pca_core.models.registry import build_empty, build_model, fill, find_normalisation
from pca_core.models.weights import NUM_DIFFERENCES, check_answer, check_finite, check_fits
from pca_core.types import LabelSpace

AUXILIARY = ("aux_classifier.", "auxiliary_head.")  # torchvision's and transformers' names of what serves training alone


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
        path: ``.pt``, ``.pth`` or ``.safetensors`` with a state dict, or a folder as transformers' ``save_pretrained`` writes it.
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
    folder = _transformers_folder(path, architecture)
    if folder is not None:
        model = _load_folder(folder, label_space.num_classes, options)
        normalisation = normalisation or model.normalisation
    else:
        model = build_empty(architecture, num_classes=label_space.num_classes, **options)
        normalisation = normalisation or find_normalisation(architecture, model)
        tensors = name_as_in(model, read_weights(path))
        check_fits(path.name, {name: tuple(tensor.shape) for name, tensor in tensors.items()}, model)
        check_finite(path.name, tensors)
        model = fill(model, tensors)
    check_answer(path.name, model.eval())
    rebuilt, options = architecture_of(model, architecture, options)
    return Checkpoint(model, rebuilt, label_space, options, normalisation, short_side, {"imported_from": path.name})


def _transformers_folder(path: Path, architecture: str) -> Path | None:
    """The folder of ``save_pretrained`` that a path is or lies in; transformers itself must read it, for it renames weights."""
    folder = path if exists(path.is_dir) else path.parent
    is_meant = architecture.startswith("transformers:") and (folder is path or path.suffix == ".safetensors")
    return folder if is_meant and exists((folder / "config.json").is_file) else None


def _load_folder(folder: Path, num_classes: int, options: dict) -> LibraryNet:
    model = build_model(f"transformers:{folder}", num_classes=num_classes, pretrained=True, **options)
    if model.fresh:
        raise InputError(
            "CHECKPOINT_MISMATCH",
            f"{folder.name} does not hold all weights for {num_classes} classes: {', '.join(model.fresh[:NUM_DIFFERENCES])} "
            "missing or of another shape. Choose the label space that it was trained on.",
        )
    check_finite(folder.name, model.state_dict())
    return model


def name_as_in(model: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as a library names them, renamed to where the library's net sits in ours; auxiliary heads are left out."""
    if not isinstance(model, LibraryNet) or all(name.startswith("net.") for name in tensors):
        return dict(tensors)
    return {f"net.{name}": tensor for name, tensor in tensors.items() if not name.startswith(AUXILIARY)}
