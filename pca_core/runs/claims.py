"""Writing to a run that nobody works on, and telling why that cannot be done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from filelock import Timeout

from pca_core.checks import InputError
from pca_core.runs.faults import telling_disk
from pca_core.runs.folder import Run

CLAIM_SECONDS = 5.0  # a worker that has told its end may need as long until it is gone


@contextmanager
def writing(run: Run) -> Iterator[None]:
    """Tell in a sentence why nothing could be written to a run.

    Raises:
        InputError: ``RUN_NOT_FOUND``, ``FOLDER_FULL`` or ``FOLDER_READ_ONLY``.
    """
    with telling_disk(run.folder):
        try:
            yield
        except FileNotFoundError:
            raise gone(run) from None


def gone(run: Run) -> InputError:
    """``RUN_NOT_FOUND``: it was deleted meanwhile."""
    return InputError("RUN_NOT_FOUND", f"Run {run.id} is not there any more. List runs with cyclelens runs.")


@contextmanager
def claim(run: Run, seconds: float = CLAIM_SECONDS) -> Iterator[None]:
    """Hold the lock of a run that nobody works on, to write what only its worker may write otherwise.

    Raises:
        InputError: ``RUN_ACTIVE`` when somebody does, ``RUN_NOT_FOUND`` when it was deleted.
    """
    if not run.is_there:  # the lock would make its folder again
        raise gone(run)
    lock, deadline = run.lock(), time.monotonic() + seconds
    while True:
        with suppress(Timeout):
            lock.acquire(timeout=0.1)
            break
        if run.read_status().is_active or time.monotonic() > deadline:  # else it has told its end and is about to go
            raise InputError("RUN_ACTIVE", f"Run {run.id} is at work already.")
    try:
        if not run.is_there:
            _remove_lock(run)
            raise gone(run)
        yield
    finally:
        lock.release()


def _remove_lock(run: Run) -> None:
    """Of a run that was deleted while its lock was about to be taken, which made the folder again."""
    with suppress(OSError):
        (run.folder / "worker.lock").unlink()
        run.folder.rmdir()
