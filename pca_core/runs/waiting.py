"""A worker that waits for its turn, started by path: ``python waiting.py RUNFOLDER``.

Torch is loaded only once the device is free, so that a long queue costs little memory. Until then this file uses filelock and
the standard library alone. It ends with the process that started it: its standard input reaches its end then.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

POLL_SECONDS = 0.15
OWN_SECONDS = 3.0
WORK = "pca_core.runs.turn:work"


def main(folder: str, work: str = WORK) -> int:
    """Wait for the device, then do the work; returns the exit status."""
    threading.Thread(target=_end_with_parent, name="death-watch", daemon=True).start()
    run = Path(folder)
    own = FileLock(run / "worker.lock")
    try:
        own.acquire(timeout=OWN_SECONDS)  # others only ever take it for a moment, to see whether it is held
    except Timeout:
        return 3  # someone works on this run already
    if json.loads((run / "status.json").read_bytes())["state"] != "queued":
        return 3  # and has finished meanwhile
    device = json.loads((run / "run.json").read_bytes())["request"]["device"]
    lock = _wait_for_turn(run, device)
    if lock is None:
        return _cancel(run)
    try:
        sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
        module, _, name = work.partition(":")
        return getattr(importlib.import_module(module), name)(run)
    finally:
        lock.release()


def _end_with_parent() -> None:
    """The parent holds the other end of standard input; when it is gone, so is this."""
    try:
        while os.read(0, 1):  # not sys.stdin: its lock would be held when the interpreter ends
            pass
    finally:
        os._exit(4)


def _wait_for_turn(run: Path, device: str) -> FileLock | None:
    """The lock of the device once every earlier run has had it; None when the run is cancelled or paused before."""
    locks = run.parent.parent / "devices"
    locks.mkdir(exist_ok=True)
    lock = FileLock(locks / lock_name(device))
    while not (run / "cancel").exists() and not (run / "pause").exists():
        with suppress(Timeout):
            lock.acquire(timeout=0)
            if not is_someone_before(run, device):  # looked at last: it reads the folders of all runs
                return lock
            lock.release()
        time.sleep(POLL_SECONDS)
    return None


def lock_name(device: str) -> str:
    """File of a device's lock."""
    return re.sub(r"\W", "-", device) + ".lock"


def is_someone_before(run: Path, device: str) -> bool:
    """Whether an earlier run of the same device still waits; the device's lock, not this, keeps two from running."""
    return any(other < _order(run) for other in waiting_orders(run.parent, device))


def waiting_orders(runs: Path, device: str) -> list[tuple[float, str]]:
    """(created, id) of the runs that wait for a device, in order."""
    found = []
    for path in runs.glob("*-*"):
        try:
            status = json.loads((path / "status.json").read_bytes())
            if status["state"] != "queued" or json.loads((path / "run.json").read_bytes())["request"]["device"] != device:
                continue
        except (OSError, ValueError, KeyError):
            continue
        if _is_held(path):
            found.append((status["created"], path.name))
    return sorted(found)


def _order(run: Path) -> tuple[float, str]:
    return json.loads((run / "status.json").read_bytes())["created"], run.name


def _is_held(run: Path) -> bool:
    lock = FileLock(run / "worker.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _cancel(run: Path) -> int:
    status = json.loads((run / "status.json").read_bytes())
    status |= {"state": "cancelled" if (run / "cancel").exists() else "paused", "finished": time.time()}
    temporary = run / ".status.json"
    temporary.write_text(json.dumps(status))
    os.replace(temporary, run / "status.json")
    for name in ("cancel", "pause"):
        (run / name).unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.path.pop(0)  # this folder: its names are those of the package, not of modules
    sys.exit(main(*sys.argv[1:]))
