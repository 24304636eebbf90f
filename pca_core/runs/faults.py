"""What ended a run, in a word that pages can ask for and a sentence that people can act on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from pca_core.adaptation import OutOfMemory
from pca_core.checks import InputError
from pca_core.memory import is_out_of_memory
from pca_core.storage import FULL, not_written

_DISK_WORDS = ("No space left", "File too large", "Disk quota", "write failed", "unexpected pos", "IoError")


def explain(error: Exception) -> dict[str, str | None]:
    """State, code (``oom``, ``nonfinite``, ``disk`` or ``input``) and one sentence of what ended a run."""
    code, message = "input", str(error)
    if isinstance(error, FloatingPointError):
        code, message = "nonfinite", f"{error} What was saved is from before."
    elif isinstance(error, OutOfMemory):
        code = "oom"
    elif is_out_of_memory(error):
        code, message = "oom", "Memory ran out outside a step, while images were loaded or scored. Use smaller or fewer images."
    elif is_disk_full(error):
        code = "disk"
        message = "The disk is full, or its quota is used up. Make room and resume; what was saved before is intact."
    elif not isinstance(error, InputError):
        message = f"{type(error).__name__}: {error}. The log of the run says where."
    return {"state": "failed", "code": code, "message": message}


@contextmanager
def telling_disk(folder: Path) -> Iterator[None]:
    """Tell in a sentence why nothing could be written or removed in a folder.

    Raises:
        InputError: ``FOLDER_FULL`` or ``FOLDER_READ_ONLY``.
    """
    try:
        yield
    except OSError as error:
        raise not_written(folder, error) from None


def is_disk_full(error: Exception) -> bool:
    """A full disk is an OSError from files, but a RuntimeError or SafetensorError from those who write tensors."""
    if isinstance(error, OSError):
        return error.errno in FULL
    return isinstance(error, (RuntimeError, SafetensorError)) and any(word in str(error) for word in _DISK_WORDS)
