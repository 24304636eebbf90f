"""A worker that waits for its turn, started by path: ``python waiting.py RUNFOLDER STATE [WORK]``.

Torch is loaded only once the device is free, so that a long queue costs little memory. Until then this file uses filelock, its
neighbour :mod:`~pca_core.runs.json_files` and the standard library alone. It ends with the process that started it: its standard
input reaches its end then.
"""

from __future__ import annotations

import fcntl
import importlib
import os
import re
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

if __package__:
    from pca_core.runs.json_files import read_object, replace_object
else:
    from json_files import read_object, replace_object  # by its path, as this file: its package would load torch

POLL_SECONDS = 0.15
MOST_POLL_SECONDS = 1.5
OWN_SECONDS = 3.0
CHILD = "child.json"
STARTING_SECONDS = 20.0  # a child that was just started may not hold its lock yet
WORK = "pca_core.runs.turn:work"


def main(folder: str, state: str, work: str = WORK) -> int:
    """Wait for the device, then do the work; returns the exit status.

    Args:
        folder: Of the run; anywhere.
        state: Whose ``devices/`` holds the locks and whose ``runs/`` is the queue.
        work: ``module:function`` that is given the folder.
    """
    threading.Thread(target=end_with_parent, name="death-watch", daemon=True).start()
    run = Path(folder)
    if not is_there(run):  # deleted since: the lock would make its folder again
        return 3
    own = FileLock(run / "worker.lock")
    try:
        own.acquire(timeout=OWN_SECONDS)  # others only ever take it for a moment
    except Timeout:
        return 3  # someone works on this run already
    status, device = _read_status(run), read_device(run)
    if status is None or status["state"] != "queued" or device is None:
        return 3  # it has finished meanwhile, or is damaged, which whoever looks at it is told
    try:
        _write_status(run, **identify_process())  # from here on it can be made to end
        lock = _wait_for_turn(run, Path(state), device)
        if lock is None:
            return _cancel(run) if is_there(run) else 3
    except FileNotFoundError:
        return 3  # deleted this moment
    try:
        _beat(run)  # an old one would look like silence while torch is loaded
        _write_status(run, state="starting")
        sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
        module, _, name = work.partition(":")
        return getattr(importlib.import_module(module), name)(run)
    finally:
        lock.release()


def end_with_parent() -> None:
    """The parent holds the other end of standard input; when it is gone, so is this."""
    try:
        while os.read(0, 1):  # not sys.stdin: its lock would be held when the interpreter ends
            pass
    finally:
        os._exit(4)


def _wait_for_turn(run: Path, state: Path, device: str) -> FileLock | None:
    """The lock of the device once every earlier run has had it; None when it is cancelled, paused or deleted before."""
    locks = state / "devices"
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / lock_name(device))
    while is_there(run) and not (run / "cancel").exists() and not (run / "pause").exists():
        _beat(run)
        before = 0
        with suppress(Timeout):
            lock.acquire(timeout=0)
            before = count_before(run, state / "runs", device)  # looked at last: it reads the folders of all runs
            if not before:
                return lock
            lock.release()
        # Those far behind look seldom: a hundred that try the lock all the time would keep it from the one whose turn it is.
        time.sleep(min(POLL_SECONDS * (1 + before), MOST_POLL_SECONDS))
    return None


def _beat(run: Path) -> None:
    """Say that whoever waits lives, as :meth:`~pca_core.runs.folder.Run.beat` says of a worker; who looks misses no older one."""
    with suppress(OSError):  # deleted this moment, or no room: nothing hangs on it
        temporary = run / ".heartbeat"
        temporary.write_text(str(time.monotonic()))
        os.replace(temporary, run / "heartbeat")


def child_environment() -> dict[str, str]:
    """For a child that computes: threads of its that wait leave the cores to others."""
    return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}


def is_there(run: Path) -> bool:
    """Whether a run was not deleted."""
    return (run / "run.json").is_file()


def lock_name(device: str) -> str:
    """File of a device's lock."""
    return re.sub(r"\W", "-", device) + ".lock"


def count_before(run: Path, runs: Path, device: str) -> int:
    """How many earlier runs of a device still wait; the device's lock, not this, keeps two from running.

    None is before a run that was deleted or whose status is damaged.
    """
    status = _read_status(run)
    if status is None:
        return 0
    own = status["asked"] or 0.0, run.name
    return sum(other < own for other in waiting_orders(runs, device))


def waiting_orders(runs: Path, device: str) -> list[tuple[float, str]]:
    """(asked, id) of the runs that wait for a device, in order."""
    found = []
    for path in runs.glob("*-*"):
        status = _read_status(path)
        if status is None or status["state"] != "queued" or read_device(path) != device:
            continue
        if is_held(path / "worker.lock") or is_about_to_start(path, status["asked"], status["pid"]):
            found.append((status["asked"] or 0.0, path.name))
    return sorted(found)


def is_about_to_start(run: Path, asked: float | None, pid: int | None) -> bool:
    """Whether the child of a queued run may not hold its lock yet; the first thing that it writes under it is its pid.

    By the clock of the machine, which no change of the date moves; after a restart of it the child is gone. A child that was
    killed before it could write is known by what the process that started it has written.
    """
    if pid is not None or asked is None or not 0 <= time.monotonic() - asked < STARTING_SECONDS:
        return False
    try:
        child = read_object(run / CHILD)
        return child["pid_started"] is not None and start_ticks(child["pid"]) == child["pid_started"]
    except (OSError, ValueError, KeyError):
        return True  # not started yet, or this very moment


def write_child(run: Path, pid: int) -> None:
    """Tell which process was started for a run, for :func:`is_about_to_start`."""
    with suppress(OSError):  # it may have been done and deleted since
        replace_object(run / CHILD, identify_process(pid))


def read_device(run: Path) -> str | None:
    """The device that a run asked for; None when its description cannot be read."""
    try:
        device = read_object(run / "run.json")["request"]["device"]
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    return device if isinstance(device, str) else None


def _read_status(run: Path) -> dict[str, Any] | None:
    """``state``, ``asked`` and ``pid`` as far as they can be used; None when there is none that can."""
    try:
        status = read_object(run / "status.json")
    except (OSError, ValueError):
        return None
    state, asked, pid = (status.get(name) for name in ("state", "asked", "pid"))
    is_time = asked is None or (type(asked) in (int, float) and 0 <= asked < float("inf"))  # NaN is not
    is_process = pid is None or (type(pid) is int and pid > 0)
    return {"state": state, "asked": asked, "pid": pid} if is_time and is_process else None


def is_held(lock: Path) -> bool:
    """Whether a living process holds a lock file.

    Asked with a shared lock: of two that ask at once, neither must take the other for the holder. Makes no file.
    """
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def identify_process(pid: int | None = None) -> dict[str, object]:
    """What tells a process, this one by default, from another that is given the same number later."""
    pid = os.getpid() if pid is None else pid
    return {"pid": pid, "pid_started": start_ticks(pid)}


def start_ticks(pid: int) -> int | None:
    """When a process began, in clock ticks since the machine did: no change of the date moves it. None when it has ended."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if state in "ZX" else int(rest[18])  # a zombie has ended, though nobody has asked how
    except (OSError, ValueError, IndexError):
        return None


def _write_status(run: Path, **changes: object) -> None:
    """Replace what changed; only the holder of the run's lock may do so."""
    replace_object(run / "status.json", read_object(run / "status.json") | changes)


def _cancel(run: Path) -> int:
    state = "cancelled" if (run / "cancel").exists() else "paused"
    for name in ("cancel", "pause"):
        (run / name).unlink(missing_ok=True)
    _write_status(run, state=state, finished=time.time(), pid=None, pid_started=None)
    return 0


if __name__ == "__main__":
    if sys.path and sys.path[0] == str(Path(__file__).resolve().parent):
        sys.path.pop(0)  # this folder: its names are those of the package, not of modules
    sys.exit(main(*sys.argv[1:]))
