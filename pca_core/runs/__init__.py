"""Runs of adaptation that outlive the page, and survive the kill of their worker."""

from pca_core.runs.folder import Run
from pca_core.runs.request import DataChoice, PinnedPixel, RunRequest
from pca_core.runs.status import RunStatus
from pca_core.runs.store import RunStore
from pca_core.runs.supervisor import Supervisor
from pca_core.runs.worker import execute

__all__ = ["DataChoice", "PinnedPixel", "Run", "RunRequest", "RunStatus", "RunStore", "Supervisor", "execute"]
