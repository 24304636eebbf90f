"""Telling that memory ran out, on any device."""

from __future__ import annotations

import torch


class OutOfMemory(RuntimeError):  # noqa: N818 (named as the state of a run is)
    """Memory ran out, and smaller parts did not help."""


_WORDS = ("can't allocate memory", "Insufficient memory", "Cannot allocate memory")  # of torch, OpenCV and the system


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: CUDA's own, Python's, or by its words that of torch or OpenCV on the CPU."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(words in str(error) for words in _WORDS)
