"""Starts, stops and looks after runs from a process that may end at any time; the folders are the truth."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from pca_core.checks import InputError
from pca_core.device import pick_device
from pca_core.runs import waiting
from pca_core.runs.folder import Run, RunStatus
from pca_core.runs.request import RunRequest
from pca_core.runs.store import RunStore

GRACE_SECONDS = 10.0  # from the flag to SIGTERM, and from there to SIGKILL
STARTING_SECONDS = 20.0  # a child of another process that was just started may not hold its lock yet
_CHILDREN: dict[Path, subprocess.Popen] = {}  # a child lives as long as this end of its standard input is open


class Supervisor:
    """Looks after the runs of a store. Any number of them may do so at once, in one process or in many."""

    def __init__(self, store: RunStore) -> None:
        self.store = store

    def start(self, request: RunRequest, token: str | None = None, work: str = waiting.WORK) -> Run:
        """Queue a run; it begins once its device is free and every earlier run has had it.

        Args:
            request: What to do.
            token: The same token gives the same run: a double click is one run.
            work: What the child does when it is its turn; tests put something short here.

        Raises:
            InputError: ``DEVICE_...``, ``FOLDER_READ_ONLY``.
        """
        request = replace(request, device=_name_device(request.device))
        run = self.store.create(request, token)
        if run.folder not in _CHILDREN and not run.is_alive and run.read_status().state == "queued":
            self._spawn(run, work)
        return run

    def resume(self, run: Run, work: str = waiting.WORK) -> Run:
        """Queue a run again; it goes on from its newest complete checkpoint.

        Raises:
            InputError: ``RUN_ACTIVE`` or ``RUN_DONE``.
        """
        status = self.reconcile(run)
        if status.state == "done":
            raise InputError("RUN_DONE", f"Run {run.id} is done. Start another to go further.")
        if not status.is_resumable:
            raise InputError("RUN_ACTIVE", f"Run {run.id} is {status.state} already.")
        run.lower_flags()
        run.write_status(state="queued", code=None, message="", finished=None)
        self._spawn(run, work)
        return run

    def _spawn(self, run: Run, work: str) -> None:
        environment = {**os.environ, "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE")}
        with (run.folder / "log.txt").open("ab") as log:
            command = [sys.executable, waiting.__file__, str(run.folder), work]
            _CHILDREN[run.folder] = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=environment,
                cwd=Path.cwd(),
            )

    def cancel(self, run: Run) -> None:
        """Ask a run to stop after its step; :meth:`reconcile` sees to it that it does."""
        self._ask(run, "cancel")

    def pause(self, run: Run) -> None:
        """Ask a run to save its state and free its device; :meth:`resume` goes on."""
        self._ask(run, "pause")

    def _ask(self, run: Run, flag: str) -> None:
        status = self.reconcile(run)
        if status.is_active:
            run.raise_flag(flag)
        elif flag == "cancel" and status.state in ("paused", "interrupted"):
            run.write_status(state="cancelled")

    def reconcile(self, run: Run) -> RunStatus:
        """Bring the status in line with the facts: a dead worker's run is interrupted, one that ignores a flag is made to stop.

        Call it whenever a run is looked at.
        """
        self._reap(run)
        status = run.read_status()
        if not status.is_active:
            return status
        if run.is_alive:
            self._enforce(run, status)
            return status
        if _is_about_to_start(run):
            return status
        return self._interrupt(run)

    def _interrupt(self, run: Run) -> RunStatus:
        """Mark a run whose worker is gone, under its lock so that a worker that starts this moment is not overwritten."""
        try:
            with run.lock().acquire(timeout=0):
                status = run.read_status()
                if not status.is_active:
                    return status
                message = "The worker ended before the run did. Resume goes on from the newest checkpoint."
                state = "cancelled" if run.has_flag("cancel") else "interrupted"
                run.lower_flags()
                return run.write_status(state=state, message=message, pid=None, pid_started=None)
        except Timeout:
            return run.read_status()

    def _enforce(self, run: Run, status: RunStatus) -> None:
        """A worker that has not heeded its flag: SIGTERM after ten seconds, SIGKILL after twenty."""
        age = run.flag_age("cancel")
        if age is None or age < GRACE_SECONDS or status.pid is None:
            return
        with suppress(psutil.Error):
            process = psutil.Process(status.pid)
            if abs(process.create_time() - (status.pid_started or 0)) > 1:
                return  # the number belongs to another process now
            if age < 2 * GRACE_SECONDS:
                process.terminate()
            else:
                process.kill()

    def _reap(self, run: Run) -> None:
        child = _CHILDREN.get(run.folder)
        if child is not None and child.poll() is not None:
            child.stdin.close()
            del _CHILDREN[run.folder]

    def reconcile_all(self) -> list[tuple[Run, RunStatus]]:
        """All runs with their status, the newest first."""
        return [(run, self.reconcile(run)) for run in self.store.list()]

    def queue_position(self, run: Run) -> int | None:
        """How many runs stand before it in the queue of its device, the one at work included; None when it does not wait."""
        if run.read_status().state != "queued":
            return None
        device = run.request.device
        own = run.read_status().created, run.id
        before = sum(order < own for order in waiting.waiting_orders(self.store.folder, device))
        return before + any(_runs_on(other, device) for other in self.store.list())


def _runs_on(run: Run, device: str) -> bool:
    return run.read_status().state in ("starting", "running", "stopping") and run.request.device == device and run.is_alive


def _is_about_to_start(run: Run) -> bool:
    """Whether a child was started for the run and may not have taken its lock yet."""
    child = _CHILDREN.get(run.folder)
    if child is not None:
        return child.poll() is None
    status = run.read_status()
    return status.state == "queued" and 0 <= time.time() - run.status_written < STARTING_SECONDS


def _name_device(device: str) -> str:
    """Which device that is; its lock must have one name."""
    picked = pick_device(device)
    return f"cuda:{picked.index or 0}" if picked.type == "cuda" else "cpu"


def device_lock(store: RunStore, device: str) -> FileLock:
    """The lock of a device, for a run that works in this very process."""
    folder = store.root / "devices"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / waiting.lock_name(device))
