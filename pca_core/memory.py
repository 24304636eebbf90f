"""When memory runs out: telling it on any device, and doing the same work with less at a time."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from pca_core.checks import InputError

MAX_HALVINGS = 4

_Result = TypeVar("_Result")
_divisors: list[int] = []  # of all that is at work: memory that one lacks, others lack too, and autograd has threads of its own
_lock = threading.Lock()
_WORDS = ("can't allocate memory", "Insufficient memory", "Cannot allocate memory")  # of torch, OpenCV and the system


class OutOfMemory(RuntimeError):  # noqa: N818 (named as the state of a run is)
    """Memory ran out, and smaller parts did not help."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: CUDA's own, Python's, or by its words that of torch or OpenCV on the CPU."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(words in str(error) for words in _WORDS)


def release_memory() -> None:
    """Give back what nobody holds any more. Call it outside the handler: an error holds frames, and they hold tensors."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def fit_tile(rows: int) -> int:
    """The rows of a tile that would have had so many: fewer while anything in this process is being tried again."""
    return max(1, rows // max(_divisors, default=1))


def work_within_memory(work: Callable[[], _Result]) -> _Result:
    """Do some work; when memory runs out, again in tiles of half the rows, up to :data:`MAX_HALVINGS` times.

    What the work returns does not depend on the size of tiles, beyond the rounding of sums.

    Raises:
        InputError: ``MEMORY_SHORT`` when it never fits.
    """
    for halvings in range(MAX_HALVINGS + 1):
        try:
            with _smaller_tiles(2**halvings):
                return work()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        release_memory()
    raise InputError(
        "MEMORY_SHORT",
        f"Memory ran out, also with a {2**MAX_HALVINGS}th of the rows at a time. "
        "Choose smaller images, or free memory on this device and try again.",
    )


@contextmanager
def _smaller_tiles(times: int) -> Iterator[None]:
    with _lock:
        divisor = max(_divisors, default=1) * times
        _divisors.append(divisor)
    try:
        yield
    finally:
        with _lock:
            _divisors.remove(divisor)
