"""Telling that memory ran out, on any device."""

from __future__ import annotations

import torch


class OutOfMemory(RuntimeError):  # noqa: N818 (named as the state of a run is)
    """Memory ran out, and smaller parts did not help."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: CUDA's own, Python's, or torch's on the CPU (a plain RuntimeError)."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)
