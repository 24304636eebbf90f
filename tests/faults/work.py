"""What a worker does in the tests of the queue, in place of training: short, and without loading torch."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path


def _write_status(folder: Path, **changes: object) -> None:
    path = folder / "status.json"
    status = json.loads(path.read_bytes()) | changes
    temporary = folder / f".status-{os.getpid()}"
    temporary.write_text(json.dumps(status))
    os.replace(temporary, path)


def brief(folder: Path) -> int:
    """Say when it began and ended, in a file that all runs share."""
    began = time.monotonic()
    _write_status(folder, state="running")
    time.sleep(0.02)
    with (folder.parent.parent / "times.jsonl").open("a") as file:
        file.write(json.dumps({"id": folder.name, "began": began, "ended": time.monotonic()}) + "\n")
    _write_status(folder, state="done", pid=None, pid_started=None)
    return 0


def stubborn(folder: Path) -> int:
    """Heed neither flag nor SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _write_status(folder, state="running")
    time.sleep(120)
    return 0


def beating(folder: Path) -> int:
    """Heed nothing, but show signs of life all the time."""
    _write_status(folder, state="running")
    while True:
        temporary = folder / ".heartbeat"
        temporary.write_text(str(time.monotonic()))
        os.replace(temporary, folder / "heartbeat")
        time.sleep(0.05)


def try_briefly(request: dict) -> dict:
    """A check that says when it began and ended, in a file that all checks share; ``name`` of the request says which."""
    path, _, seconds = request["name"].rpartition(" ")
    began = time.monotonic()
    with Path(path).open("a") as file:
        file.write(json.dumps({"pid": os.getpid(), "began": began}) + "\n")
    time.sleep(float(seconds))
    with Path(path).open("a") as file:
        file.write(json.dumps({"began": began, "ended": time.monotonic()}) + "\n")
    return {"code": "A_CODE", "error": "It came to its end."}
