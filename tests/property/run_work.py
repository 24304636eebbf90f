"""What a worker does while hypothesis starts, stops and kills it: steps of 10 ms that heed flags, without loading torch."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

STEPS = 8


def work(folder: Path) -> int:
    """Take the steps that are left; tells when it began and ended in a file that all runs share."""
    events, steps = folder.parent.parent / "events.jsonl", folder / "steps"
    _tell(events, folder.name, "began")
    _write_status(folder, state="running")
    end = "done"
    for step in range(int(steps.read_text() or 0) if steps.exists() else 0, STEPS):
        time.sleep(0.01)
        _replace(steps, str(step + 1))
        asked = [name for name in ("cancel", "pause") if (folder / name).exists()]
        if asked:
            end = {"cancel": "cancelled", "pause": "paused"}[asked[0]]
            break
    _tell(events, folder.name, "ended")
    _write_status(folder, state=end, pid=None, pid_started=None, finished=time.time())
    for name in ("cancel", "pause"):
        (folder / name).unlink(missing_ok=True)
    return 0


def _tell(events: Path, name: str, what: str) -> None:
    with events.open("a") as file:
        file.write(json.dumps({"id": name, "what": what, "time": time.monotonic()}) + "\n")


def _write_status(folder: Path, **changes: object) -> None:
    _replace(folder / "status.json", json.dumps(json.loads((folder / "status.json").read_bytes()) | changes))


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    temporary.write_text(text)
    os.replace(temporary, path)
