"""What a checkpoint file holds, told without building anything from it but empty nets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from safetensors import SafetensorError, safe_open

from pca_core.checks import InputError, exists, shorten
from pca_core.models.checkpoints import check_header_size, read_description
from pca_core.models.pickled import read_pickled
from pca_core.models.registry import MODELS, build_empty
from pca_core.models.weights import find_differences

_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "U8": "uint8",
    "BOOL": "bool",
}


@dataclass(frozen=True)
class CheckpointReport:
    """What :func:`inspect_checkpoint` found.

    Attributes:
        num_bytes: Size of the file.
        num_tensors, num_weights: Tensors, and numbers in them.
        dtypes: Numbers per dtype name.
        description: What the file says of itself; None for foreign files.
        architecture: The net that it names, or the built-in net that its names and shapes fit best; None when none does.
        num_classes: Outputs of its last classifier, as far as that can be told.
        differences: Where names or shapes differ from that net; a phrase each.
    """

    num_bytes: int
    num_tensors: int
    num_weights: int
    dtypes: dict[str, int]
    description: dict | None
    architecture: str | None
    num_classes: int | None
    differences: tuple[str, ...]


def inspect_checkpoint(path: str | Path, architecture: str | None = None) -> CheckpointReport:
    """Look into a ``.safetensors`` (header only) or ``.pt`` file (by a limited child process).

    Args:
        path: The file.
        architecture: A net to hold it against; None takes what the file says, or guesses.

    Raises:
        InputError: ``CHECKPOINT_...`` or ``PICKLE_...`` when it cannot be read.
    """
    path = Path(path)
    shapes, dtypes, description = _read(path)
    options: Mapping[str, object] = {}
    num_classes = _last_outputs(shapes)
    if description is not None:
        options = description.get("options", {}) if architecture in (None, description.get("architecture")) else {}
        architecture = architecture or description.get("architecture")
        num_classes = len(description.get("label_space", {}).get("class_names", ())) or num_classes
    architecture = architecture or _guess(shapes, num_classes)
    differences = () if architecture is None else tuple(_compare(shapes, architecture, num_classes, options))
    return CheckpointReport(
        path.stat().st_size,
        len(shapes),
        sum(map(prod, shapes.values())),
        dtypes,
        description,
        architecture,
        num_classes,
        differences,
    )


def _read(path: Path) -> tuple[dict[str, tuple[int, ...]], dict[str, int], dict | None]:
    """Shapes by name, numbers per dtype, and the description if there is one."""
    if not exists(path.is_file):
        raise InputError("CHECKPOINT_NOT_FOUND", f"There is no checkpoint file at {shorten(path)}. Check the path.")
    counts: Counter[str] = Counter()
    if path.suffix != ".safetensors":
        tensors = read_pickled(path)
        for tensor in tensors.values():
            counts[str(tensor.dtype).removeprefix("torch.")] += tensor.numel()
        return {name: tuple(tensor.shape) for name, tensor in tensors.items()}, dict(counts), None
    check_header_size(path)
    shapes = {}
    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 (no mapping)
                part = file.get_slice(name)
                shapes[name] = tuple(part.get_shape())
                counts[_DTYPES.get(part.get_dtype(), part.get_dtype())] += prod(shapes[name])
            has_description = "cyclelens" in (file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise InputError(
            "CHECKPOINT_BROKEN", f"{path.name} is not a complete safetensors file ({error}). Copy it again."
        ) from None
    return shapes, dict(counts), read_description(path) if has_description else None


def _last_outputs(shapes: Mapping[str, tuple[int, ...]]) -> int | None:
    """Outputs of the last layer with a weight matrix, which in these nets is the classifier."""
    weights = [shape for name, shape in shapes.items() if name.endswith("weight") and len(shape) > 1]
    heads = [shape for name, shape in shapes.items() if "classifier" in name and name.endswith("weight") and len(shape) > 1]
    return (heads or weights or [(None,)])[-1][0]


def _guess(shapes: Mapping[str, tuple[int, ...]], num_classes: int | None) -> str | None:
    """The built-in net that has most of these names, if that is most of the file."""
    if not shapes or not num_classes:
        return None
    shared = {}
    for name in MODELS:
        names = build_empty(name, num_classes=num_classes).state_dict().keys()
        shared[name] = len(shapes.keys() & names) / max(len(shapes), len(names))
    best = max(shared, key=shared.get)
    return best if shared[best] > 0.5 else None


def _compare(shapes, architecture: str, num_classes: int | None, options: Mapping[str, object]) -> list[str]:
    return find_differences(shapes, build_empty(architecture, num_classes=num_classes or 1, num_tensors=len(shapes), **options))
