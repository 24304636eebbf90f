"""Work on a run while no file may grow beyond a size, as on a full disk: ``python -m tests.faults.limited RUNFOLDER BYTES``."""

from __future__ import annotations

import resource
import signal
import sys

from pca_core.runs import Run, execute


def main(folder: str, limit: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails with an error then, as on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    print(execute(Run(folder)))


if __name__ == "__main__":
    main(*sys.argv[1:])
