"""The child of a check, started by path: ``python trying.py`` reads an order, one line of JSON, and answers with another.

As in :mod:`~pca_core.runs.waiting`, torch is loaded only once the device is free, and the child ends with whoever started it.
"""

from __future__ import annotations

import importlib
import json
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

if __name__ == "__main__":
    import waiting  # by its path, which is this folder: its package would load torch
else:
    from pca_core.runs import waiting

OTHERS_SECONDS = 120.0  # that other checks may take, one after the other
GLANCE_SECONDS = 1.0  # those who wait for a device, or look whether it is held, touch its lock for a moment


def main() -> None:
    """Take the turn of a check, hold the device like a run, answer.

    The order names ``state`` and ``device``, whose locks are taken, ``work`` (``module:function``, which is given ``request`` and
    returns what JSON can hold) and the ``seconds`` that it may take: the kernel ends it then, whatever it is doing.
    """
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=waiting.end_with_parent, name="death-watch", daemon=True).start()
    print(json.dumps(_answer(order)), flush=True)


def _answer(order: dict[str, Any]) -> dict[str, Any]:
    device, name = order["device"], waiting.lock_name(order["device"])
    turn, lock = (FileLock(Path(order["state"]) / "devices" / file) for file in (f"check-{name}", name))
    with suppress(Timeout), turn.acquire(timeout=OTHERS_SECONDS):
        with suppress(Timeout), lock.acquire(timeout=GLANCE_SECONDS):
            return _work(order)
        return {
            "code": "DEVICE_BUSY",
            "error": f"A run is at work on {device}, and two at once would slow each other down. Wait until it is done, or pause "
            "it, then check again.",
        }
    return {
        "code": "DEVICE_BUSY",
        "error": f"Other checks have kept {device} busy for {OTHERS_SECONDS:.0f} seconds. Check again in a moment.",
    }


def _work(order: dict[str, Any]) -> dict[str, Any]:
    signal.setitimer(signal.ITIMER_REAL, order["seconds"])
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    module, _, name = order["work"].partition(":")
    return getattr(importlib.import_module(module), name)(order["request"])


if __name__ == "__main__":
    if sys.path and sys.path[0] == str(Path(__file__).resolve().parent):
        sys.path.pop(0)  # this folder: its names are those of the package, not of modules
    main()
