"""Checkpoints: one safetensors file that says what it is.

The header's ``cyclelens`` entry is JSON: architecture and options, label space (names in class order, palette), input
normalisation and size, notes. Nothing in a checkpoint is ever executed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from pca_core.checks import InputError, exists, shorten
from pca_core.models.families import architecture_of
from pca_core.models.normalisation import InputNormalisation
from pca_core.models.registry import build_empty, fill
from pca_core.models.weights import NUM_DIFFERENCES, check_answer, check_dtypes, check_finite, check_fits
from pca_core.storage import write_atomic
from pca_core.types import LabelSpace

FORMAT = 1
MAX_HEADER_BYTES = 2**20
MAX_SHORT_SIDE = 4096  # every image is scaled to what a file says here


@dataclass(frozen=True)
class Checkpoint:
    """A net with all that is needed to use it.

    Attributes:
        model: The net, in eval mode after loading.
        architecture, options: What :func:`~pca_core.models.build_model` built it from.
        label_space: Its classes, in the order of its logits.
        normalisation: Of its input.
        short_side: Pixels of the shorter image side that it was trained at; images are scaled to it.
        notes: Anything worth keeping (steps, data, figures); JSON values.
    """

    model: nn.Module
    architecture: str
    label_space: LabelSpace
    options: dict = field(default_factory=dict)
    normalisation: InputNormalisation = field(default_factory=InputNormalisation)
    short_side: int = 256
    notes: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.short_side <= MAX_SHORT_SIDE:
            raise ValueError(f"short_side must be 1 to {MAX_SHORT_SIDE} pixels, got {self.short_side}.")


def save_checkpoint(path: str | Path, checkpoint: Checkpoint, *, is_half: bool = False, makes_folder: bool = True) -> None:
    """Write a checkpoint atomically.

    Args:
        path: A ``.safetensors`` file.
        checkpoint: What to write.
        is_half: Store convolution and linear weights in float16: half the size; they are float32 again once loaded.
        makes_folder: False where a folder that was deleted meanwhile must not come back.

    Raises:
        InputError: ``CHECKPOINT_NONFINITE`` when a weight is NaN or infinite, ``CHECKPOINT_HEADER`` when the notes are too long.
        OSError: When it cannot be written; an older file at ``path`` is then untouched.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.model.state_dict().items()}
    if is_half:
        tensors = {
            name: tensor.half() if tensor.ndim > 1 and tensor.is_floating_point() else tensor for name, tensor in tensors.items()
        }
    check_finite(Path(path).name, tensors)
    data = save(tensors, {"cyclelens": json.dumps(_describe(checkpoint))})
    if int.from_bytes(data[:8], "little") > MAX_HEADER_BYTES:
        raise InputError(
            "CHECKPOINT_HEADER",
            f"The description of {Path(path).name} exceeds 1 MiB and could not be read back. Shorten its notes.",
        )
    write_atomic(path, data, makes_folder=makes_folder)


def _describe(checkpoint: Checkpoint) -> dict:
    """All of a checkpoint but its weights, ready for JSON; what :func:`read_description` returns."""
    return {
        "format": FORMAT,
        "architecture": checkpoint.architecture,
        "options": checkpoint.options,
        "label_space": asdict(checkpoint.label_space),
        "normalisation": asdict(checkpoint.normalisation),
        "short_side": checkpoint.short_side,
        "notes": checkpoint.notes,
    }


def read_description(path: str | Path) -> dict:
    """Read what a checkpoint says of itself, header only: no weights are loaded.

    Raises:
        InputError: ``CHECKPOINT_NOT_FOUND``, ``CHECKPOINT_FORMAT``, ``CHECKPOINT_BROKEN`` or ``CHECKPOINT_FOREIGN``.
    """
    return _read_header(Path(path))[0]


def _read_header(path: Path) -> tuple[dict, int]:
    """What it says of itself, and how many tensors it holds."""
    if not exists(path.is_file):
        raise InputError("CHECKPOINT_NOT_FOUND", f"There is no checkpoint file at {shorten(path)}. Check the path.")
    check_header_size(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata, num_tensors = file.metadata() or {}, len(file.keys())
    except (SafetensorError, OSError) as error:
        raise InputError(
            "CHECKPOINT_BROKEN", f"{path.name} is not a complete safetensors file ({error}). Copy it again from where it came."
        ) from None
    try:
        description = json.loads(metadata["cyclelens"])
        if not isinstance(description, dict) or description.get("format") != FORMAT:
            raise ValueError
    except (KeyError, ValueError, RecursionError):
        raise InputError(
            "CHECKPOINT_FOREIGN",
            f"{path.name} holds weights but no CycleLens description of format {FORMAT} (architecture, classes, normalisation). "
            "Save it with pca_core.save_checkpoint, which writes one.",
        ) from None
    return description, num_tensors


def check_header_size(path: Path) -> None:
    """Raise InputError ``CHECKPOINT_FORMAT`` unless the file begins as a safetensors file does."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise InputError(
            "CHECKPOINT_NOT_FOUND", f"{path.name} cannot be read ({error.strerror}). Check its permissions."
        ) from None
    header_bytes = int.from_bytes(start, "little")
    if len(start) < 8 or header_bytes > MAX_HEADER_BYTES:
        raise InputError(
            "CHECKPOINT_FORMAT",
            f"{path.name} is not a safetensors checkpoint (a header of at most 1 MiB was expected). "
            "Pickled .pt and .pth files are not read here, because opening one can run code; "
            "convert them with cyclelens import-checkpoint.",
        )


def load_checkpoint(
    path: str | Path,
    *,
    architecture: str | None = None,
    label_space: LabelSpace | None = None,
    device: str | torch.device = "cpu",
) -> Checkpoint:
    """Load a checkpoint and check that it is what it says: header, names and shapes, finite weights, one answer; in this order.

    Args:
        path: A ``.safetensors`` file from :func:`save_checkpoint`.
        architecture: What is expected; None takes what the file says.
        label_space: The classes that are expected, e.g. those of the data; None takes what the file says.
        device: Where the model goes.

    Returns:
        :class:`Checkpoint` with the model in eval mode.

    Raises:
        InputError: ``CHECKPOINT_...``; a mismatch names the first differences.
    """
    path = Path(path)
    description, num_tensors = _read_header(path)
    name = path.name
    if architecture is not None and description.get("architecture") != architecture:
        raise InputError(
            "CHECKPOINT_ARCHITECTURE",
            f"{name} holds a {description.get('architecture')!r} net, expected {architecture!r}. "
            "Choose a checkpoint of that architecture.",
        )
    checkpoint = _build(name, description, num_tensors)
    if label_space is not None:
        check_same_classes(name, checkpoint.label_space, label_space)
    model = _load_weights(path, checkpoint.model).eval().to(device)
    check_answer(name, model)
    return replace(checkpoint, model=model)


def _build(name: str, description: dict, num_tensors: int) -> Checkpoint:
    try:
        space = description["label_space"]
        label_space = LabelSpace(
            space["name"],
            tuple(map(str, space["class_names"])),
            tuple(tuple(int(value) for value in colour) for colour in space["palette"]),
            int(space["ignore_index"]),
        )
        normalisation = description["normalisation"]
        normalisation = InputNormalisation(
            **{**normalisation, "mean": tuple(normalisation["mean"]), "std": tuple(normalisation["std"])}
        )
        num_classes = label_space.num_classes
        model = build_empty(
            description["architecture"], num_classes=num_classes, num_tensors=num_tensors, **description["options"]
        )
        if architecture_of(model, description["architecture"])[0] != description["architecture"]:
            raise ValueError("it names files outside the checkpoint")
        return Checkpoint(
            model,
            description["architecture"],
            label_space,
            description["options"],
            normalisation,
            int(description["short_side"]),
            description.get("notes", {}),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:  # RuntimeError: a size below zero
        if isinstance(error, InputError) and error.code == "MODEL_LIBRARY":
            raise
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error).rstrip(".")
        raise InputError(
            "CHECKPOINT_DESCRIPTION", f"The description in {name} cannot be used: {reason}. Save the checkpoint again."
        ) from None


def check_same_classes(name: str, got: LabelSpace, expected: LabelSpace) -> None:
    """Raise InputError ``CHECKPOINT_CLASSES`` unless both name the same classes in the same order."""
    if got.class_names == expected.class_names:
        return
    if got.num_classes != expected.num_classes:
        what = f"{got.num_classes} classes ({got.name}), expected {expected.num_classes} ({expected.name})"
    else:
        pairs = zip(range(got.num_classes), got.class_names, expected.class_names, strict=True)
        first = [f"class {index} is {a!r}, expected {b!r}" for index, a, b in pairs if a != b][:NUM_DIFFERENCES]
        what = "classes in another order or of other names: " + "; ".join(first)
    raise InputError("CHECKPOINT_CLASSES", f"{name} has {what}. Use data and a checkpoint of the same label space.")


def _load_weights(path: Path, model: nn.Module) -> nn.Module:
    with safe_open(path, framework="pt") as file:
        parts = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
        check_dtypes(path.name, {key: part.get_dtype() for key, part in parts.items()})
        check_fits(path.name, {key: tuple(part.get_shape()) for key, part in parts.items()}, model)
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
    check_finite(path.name, tensors)
    return fill(model, tensors)  # memory is taken only now that the sizes are known to be true
