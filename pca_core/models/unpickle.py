"""The child that opens a pickled file, started by :mod:`pca_core.limited`. The only caller of ``torch.load``.

Needs nothing but torch and safetensors. Prints a code and the rest of a sentence when it refuses.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from pca_core.limited import limit_seconds

WRAPPERS = ("weights", "state_dict", "model_state_dict", "model", "net")


class _RefusedError(Exception):
    """(code, rest of the sentence)"""


def _convert(source: Path, out: Path) -> None:
    try:
        loaded = torch.load(source, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:
        if "allocate memory" in str(error):
            raise MemoryError from None
        reason = str(error).split("\n")[0].strip().rstrip(".")
        raise _RefusedError(
            "PICKLE_REFUSED",
            f"holds more than tensors, or is broken, and was not opened ({reason[:160]}). "
            "Save only the state dict: torch.save({'weights': model.state_dict()}, …).",
        ) from None
    tensors = _unwrap(loaded)
    size = sum(tensor.nelement() * tensor.element_size() for tensor in tensors.values())
    if size > source.stat().st_size:
        raise _RefusedError(
            "PICKLE_SIZE", f"declares {size:,} bytes of weights in a file of {source.stat().st_size:,}. Do not use it."
        )
    # Tensors may share memory (tied weights): safetensors wants each on its own.
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, out)


def _unwrap(loaded: object) -> dict[str, Tensor]:
    for wrapper in WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    tensors = {}
    for name, value in loaded.items() if isinstance(loaded, dict) else ():
        if isinstance(value, Tensor):
            tensors[str(name).removeprefix("module.")] = value
    if not tensors:
        what = f"a {type(loaded).__name__} without tensors"
        raise _RefusedError("PICKLE_EMPTY", f"holds {what}, expected a state dict. Save model.state_dict().")
    return tensors


def main(source: str, out: str, seconds: str) -> int:
    """Write the tensors of a pickled file to a safetensors file; returns the exit status."""
    limit_seconds(int(seconds), is_final=True)
    try:
        _convert(Path(source), Path(out))
    except _RefusedError as error:
        print(" ".join(error.args))
    except MemoryError:
        print("PICKLE_MEMORY needs more memory than a checkpoint of its size should. Do not use it.")
    else:
        return 0
    return 2
