"""A server that starts a run and then only lives, until it is killed: ``python -m tests.faults.server STATE REQUEST [WORK]``."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from pca_core.runs import RunRequest, RunStore, Supervisor
from pca_core.runs.waiting import WORK


def main(state: str, request: str, work: str = WORK) -> None:
    run = Supervisor(RunStore(state)).start(RunRequest.from_dict(json.loads(Path(request).read_text())), work=work)
    print(run.id, flush=True)
    time.sleep(600)


if __name__ == "__main__":
    main(*sys.argv[1:])
