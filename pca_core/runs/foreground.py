"""A run that works in this very process, in a folder that its user named."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pca_core.adaptation import distributed
from pca_core.checks import InputError, shorten
from pca_core.runs.faults import telling_disk
from pca_core.runs.folder import Run, create_folder
from pca_core.runs.request import RunRequest
from pca_core.runs.store import RunStore, describe_environment
from pca_core.runs.supervisor import device_lock
from pca_core.runs.waiting import identify_process

OWN_SECONDS = 3.0  # a worker that has told its end may need as long until it is gone
WAIT_SECONDS = 0.5  # between two looks at the flags


def open_folder(folder: Path, request: RunRequest, *, is_resumed: bool) -> Run:
    """Make the folder of a run, or open that of the same run to go on.

    Raises:
        InputError: ``RUN_EXISTS``, ``RUN_NOT_FOUND``, ``RUN_DIFFERS``, ``FOLDER_READ_ONLY`` or ``FOLDER_FULL``.
    """
    run, request = Run(folder), request.resolve()
    if is_resumed:
        kept = run.request
        if kept.digest != request.digest:
            raise InputError(
                "RUN_DIFFERS", f"{shorten(folder)} was started with other settings. Give the same, or another --out."
            )
        return run
    if distributed.rank() == 0:
        if (folder / "run.json").exists() and not _came_to_nothing(run):
            raise InputError("RUN_EXISTS", f"There is a run in {shorten(folder)} already. Add --resume, or name another --out.")
        with telling_disk(folder):
            (folder / "run.json").unlink(missing_ok=True)
            create_folder(folder, request, describe_environment())
    distributed.agree(False)  # the others wait for the folder
    return run


def _came_to_nothing(run: Run) -> bool:
    """Whether a run was refused before its first checkpoint: what was wrong is to be put right under the same name."""
    return run.read_status().state == "failed" and not run.checkpoints() and not run.is_alive


@contextmanager
def working_on(run: Run, store: RunStore) -> Iterator[None]:
    """Hold the locks of a run and of its device; waits for runs of the app that use the device.

    Raises:
        InputError: ``RUN_ACTIVE`` when another process works on this run, ``RUN_STOPPED`` when it is cancelled or paused while it
            waits, ``FOLDER_READ_ONLY`` when the state folder, which holds the device's lock, cannot be written.
    """
    device = device_lock(store, run.request.device)
    own = run.lock()
    try:
        own.acquire(timeout=OWN_SECONDS)
    except Timeout:
        raise InputError("RUN_ACTIVE", f"Another process works on run {run.id}. Wait for it, or cancel it.") from None
    try:
        with telling_disk(run.folder):
            run.lower_flags()  # of a worker that was killed before it could heed them
            if run.read_status().state != "done":
                run.write_status(state="queued", message="", code=None, finished=None, **identify_process())
        _wait_for(device, run)
        try:
            yield
        finally:
            device.release()
    finally:
        own.release()


def _wait_for(device: FileLock, run: Run) -> None:
    end = "interrupted"
    try:
        while True:
            with suppress(OSError):  # without room nothing is lost by silence
                run.beat()
            with suppress(Timeout):
                device.acquire(timeout=WAIT_SECONDS)
                return
            end = "cancelled" if run.has_flag("cancel") else "paused" if run.has_flag("pause") else end
            if end != "interrupted":
                raise InputError("RUN_STOPPED", f"Run {run.id} was {end} while it waited for its device.")
    except BaseException:
        run.lower_flags()
        run.write_status(state=end, finished=time.time(), pid=None, pid_started=None)
        raise
