"""Lives of a run, each in a process of its own that ends as it is told: ``python -m tests.faults.lives``.

Reads one JSON object a line: the folder of a run and what befalls the process that works on it. Each is a fork of this one, which
has loaded torch and computed nothing: a life costs a second. Writes the exit status of each, negative for a signal.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # optimisers load it when they are made: half of a life

from pca_core.runs import Run, execute
from tests.conftest import ROOT

WRITES = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree")


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _live(**order)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _live(folder: str, **fate: Any) -> None:
    code = 1
    try:
        torch.set_num_threads(1)  # a fork has none of the threads of a pool
        for name, value in fate.items():
            {"kill_before": _kill_before, "kill_after": _kill_after, "file_bytes": _limit_files, "room": _limit_memory}[name](
                value
            )
        run = Run(folder)
        with run.lock():
            code = 0 if execute(run) == "done" else 2
    finally:
        os._exit(code)


def _kill_before(point: list) -> None:
    """Die before an operation: its name among Python's audit events ("": any that writes), a part of its path, which of them."""
    event, part, left = point

    def watch(name: str, arguments: tuple) -> None:
        nonlocal left
        if name in (WRITES if event == "" else (event,)) and any(part in str(one) for one in arguments[:2]):
            left -= name != "open" or bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def _kill_after(seconds: float) -> None:
    def kill() -> None:
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()


def _limit_files(size: int) -> None:
    """No file may grow beyond it: the write fails with an error then, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _limit_memory(megabytes: int) -> None:
    """So much address space beyond what is taken already."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


FATES = {"kill_before": _kill_before, "kill_after": _kill_after, "file_bytes": _limit_files, "room": _limit_memory}


class Lives:
    """The other end: gives a run one life after the other."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
        command = [sys.executable, "-m", "tests.faults.lives"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def live(self, run: Run, **fate: Any) -> int:
        """Work on a run until it is done or its fate has come; returns the exit status."""
        self._process.stdin.write(json.dumps({"folder": str(run.folder), **fate}) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(20)


if __name__ == "__main__":
    main()
