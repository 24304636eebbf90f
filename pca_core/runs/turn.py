"""What a waiting worker loads once it is its turn."""

from __future__ import annotations

from pathlib import Path

from pca_core.runs.folder import Run
from pca_core.runs.worker import execute


def work(folder: Path) -> int:
    """Work on a run whose locks are held; exit status 0 unless it failed."""
    return 1 if execute(Run(folder)) == "failed" else 0
