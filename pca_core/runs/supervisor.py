"""Starts, stops and looks after runs from a process that may end at any time; the folders are the truth."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from pca_core.checks import InputError
from pca_core.children import start_child
from pca_core.device import pick_device
from pca_core.runs import waiting
from pca_core.runs.claims import claim, writing
from pca_core.runs.faults import telling_disk
from pca_core.runs.folder import Run
from pca_core.runs.request import RunRequest
from pca_core.runs.status import RunStatus
from pca_core.runs.store import RunStore
from pca_core.storage import try_writing

GRACE_SECONDS = 10.0  # from the flag to SIGTERM, and from there to SIGKILL
LOST = "The worker ended before the run did. Resume to go on from the newest checkpoint."
KILLED = "The worker did not stop by itself and was ended. Resume to go on from the newest checkpoint."
_CHILDREN: dict[Path, subprocess.Popen] = {}  # a child lives as long as this end of its standard input is open
_CHILDREN_LOCK = threading.Lock()


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
            InputError: ``DEVICE_...``, ``FOLDER_READ_ONLY``, ``FOLDER_FULL`` or ``CHILD_REFUSED``.
        """
        run, is_new = self.store.claim(replace(request, device=name_device(request.device)), token)
        if is_new:
            try:
                self._spawn(run, work)
            except BaseException:
                shutil.rmtree(run.folder, ignore_errors=True)  # else the same token would give a run that nobody starts
                raise
        return run

    def resume(self, run: Run, work: str = waiting.WORK) -> Run:
        """Queue a run again; it goes on from its newest complete checkpoint.

        Raises:
            InputError: ``RUN_ACTIVE``, ``RUN_DONE``, ``RUN_BROKEN``, ``RUN_NOT_FOUND``, ``FOLDER_READ_ONLY`` or ``FOLDER_FULL``.
        """
        run.request  # noqa: B018 (or no worker could take it up)
        self.reconcile(run)
        with writing(run):
            try_writing(run.folder)
        with writing(run), claim(run):
            status = run.read_status()
            if status.state == "done":
                raise InputError("RUN_DONE", f"Run {run.id} is done. Start another to go further.")
            if not status.is_resumable:
                raise InputError("RUN_ACTIVE", f"Run {run.id} is {status.state} already.")
            run.lower_flags()
            for of_its_last_life in (waiting.CHILD, "heartbeat"):
                (run.folder / of_its_last_life).unlink(missing_ok=True)
            changes = {"code": None, "message": "", "finished": None, "pid": None, "pid_started": None}
            run.write_status(state="queued", asked=time.monotonic(), **changes)
        self._spawn(run, work)
        return run

    def _spawn(self, run: Run, work: str) -> None:
        command = [sys.executable, waiting.__file__, str(run.folder.absolute()), str(self.store.root), work]
        with writing(run):
            log = (run.folder / "log.txt").open("ab")
        with log:
            child = start_child(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, env=waiting.child_environment()
            )
        _keep(run.folder, child)
        waiting.write_child(run.folder, child.pid)

    def cancel(self, run: Run) -> None:
        """Make a run stop: after its step, else by SIGTERM ten seconds later, else by SIGKILL after ten more.

        Returns at once; a thread of this process sees to it, and so does every :meth:`reconcile` in any process.
        """
        if self._ask(run, "cancel"):
            threading.Thread(target=self._see_it_end, args=(run,), name=f"cancel {run.id}", daemon=True).start()

    def pause(self, run: Run) -> None:
        """Ask a run to save its state and free its device; :meth:`resume` goes on."""
        self._ask(run, "pause")

    def _ask(self, run: Run, flag: str) -> bool:
        """Raise a flag for a run that lives; returns whether it does.

        Raises:
            InputError: ``RUN_NOT_FOUND``, ``FOLDER_READ_ONLY`` or ``FOLDER_FULL``.
        """
        status = self.reconcile(run)
        if status.is_active:
            with writing(run):
                try_writing(run.folder)
                if not run.has_flag(flag):  # its age counts from the first time
                    run.raise_flag(flag)
            return True
        if flag == "cancel" and status.state in ("paused", "interrupted"):
            with writing(run), claim(run):
                run.write_status(state="cancelled")
        return False

    def _see_it_end(self, run: Run) -> None:
        deadline = time.monotonic() + 4 * GRACE_SECONDS
        with suppress(OSError):  # the folder may be deleted meanwhile
            while self.reconcile(run).is_active and time.monotonic() < deadline:
                time.sleep(min(0.5, GRACE_SECONDS / 4))

    def reconcile(self, run: Run) -> RunStatus:
        """Bring the status in line with the facts: a dead worker's run is interrupted, one that ignores a flag is made to stop.

        Call it whenever a run is looked at.
        """
        _reap()
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
        with suppress(InputError, OSError), claim(run, 0.2):  # not when it has come alive, or nothing can be written here
            if run.read_status().is_active and not _is_about_to_start(run):  # queued again since it was looked at
                is_cancelled = run.has_flag("cancel")
                run.write_status(
                    state="cancelled" if is_cancelled else "interrupted",
                    message=KILLED if is_cancelled else LOST,
                    finished=time.time(),
                    pid=None,
                    pid_started=None,
                )
                run.lower_flags()
        return run.read_status()

    def _enforce(self, run: Run, status: RunStatus) -> None:
        """A worker that has not heeded its flag: SIGTERM after ten seconds, SIGKILL after twenty."""
        age = run.flag_age("cancel")
        if age is None or age < GRACE_SECONDS or status.pid is None or status.pid_started is None:
            return
        if waiting.start_ticks(status.pid) != status.pid_started:
            return  # the number belongs to another process now
        with suppress(OSError):
            os.kill(status.pid, signal.SIGTERM if age < 2 * GRACE_SECONDS else signal.SIGKILL)

    def reconcile_all(self) -> list[tuple[Run, RunStatus]]:
        """All runs that can be read with their status, the newest first; :meth:`RunStore.list_unreadable` has the others."""
        _reap()
        found = [(run, self.reconcile(run)) for run in self.store.list()]
        return [(run, status) for run, status in found if run.is_there]  # some may be deleted meanwhile

    def queue_position(self, run: Run) -> int | None:
        """How many runs stand before it in the queue of its device, the one at work included; None when it does not wait."""
        if run.read_status().state != "queued" or run.fault is not None:
            return None
        device = run.request.device
        return waiting.count_before(run.folder, self.store.folder, device) + _is_device_held(self.store, device)


def _keep(folder: Path, child: subprocess.Popen) -> None:
    """Hold on to a child, in place of an earlier one of the same run, which has ended."""
    with _CHILDREN_LOCK:
        earlier, _CHILDREN[folder] = _CHILDREN.get(folder), child
    if earlier is not None:
        earlier.stdin.close()
        earlier.poll()


def _reap() -> None:
    """Ask children that have ended how, so that none stays a zombie, be its run deleted; no other child is touched."""
    with _CHILDREN_LOCK:
        for folder, child in list(_CHILDREN.items()):
            if child.poll() is not None:
                _CHILDREN.pop(folder, None)
                child.stdin.close()


def _is_device_held(store: RunStore, device: str) -> bool:
    """Whether any run is at work on a device, be it one of the shell that is no run of this store."""
    return waiting.is_held(store.root / "devices" / waiting.lock_name(device))


def _is_about_to_start(run: Run) -> bool:
    """Whether a child was started for the run and may not have taken its lock yet."""
    with _CHILDREN_LOCK:
        child = _CHILDREN.get(run.folder)
    if child is not None and child.poll() is None:
        return True
    status = run.read_status()  # of a child that has ended: another may be started this moment
    return status.state == "queued" and waiting.is_about_to_start(run.folder, status.asked, status.pid)


def name_device(device: str) -> str:
    """The one name that a device goes by, and its lock with it.

    Raises:
        InputError: ``DEVICE_...``.
    """
    picked = pick_device(device)
    return f"cuda:{picked.index or 0}" if picked.type == "cuda" else "cpu"


def device_lock(store: RunStore, device: str) -> FileLock:
    """The lock of a device, for a run that works in this very process.

    Raises:
        InputError: ``DEVICE_...``, ``FOLDER_READ_ONLY`` or ``FOLDER_FULL``.
    """
    folder = store.root / "devices"
    with telling_disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try_writing(folder)
    return FileLock(folder / waiting.lock_name(name_device(device)))
