"""A server that checks the same twice at once, until it is killed: ``python -m tests.faults.checking STATE REQUEST WORK``."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from pca_core.runs import RunRequest, RunStore
from pca_core.runs.preflight import check_in_child


def main(state: str, request: str, work: str) -> None:
    wanted = RunRequest.from_dict(json.loads(Path(request).read_text()))
    for _ in range(2):
        threading.Thread(target=check_in_child, args=(wanted, RunStore(state), work)).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
