from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pca_core.data import FolderDataset
from pca_core.models import save_checkpoint
from pca_core.runs import DataChoice, RunRequest, RunStore, Supervisor
from pca_core.runs.supervisor import _CHILDREN
from tests.unit.adaptation_data import TINY, make_checkpoint, make_domains


@pytest.fixture
def request_of(tmp_path: Path) -> Callable[..., RunRequest]:
    """Makes requests for runs on two tiny domains; changes are those of the config."""
    source, target = make_domains(tmp_path / "data")
    checkpoint = tmp_path / "data" / "net.safetensors"
    save_checkpoint(checkpoint, make_checkpoint(FolderDataset(source)))

    def make(save_every: int = 2, **changes: object) -> RunRequest:
        config = replace(TINY, **changes)
        data = DataChoice(str(source)), DataChoice(str(target))
        return RunRequest(str(checkpoint), *data, config, device="cpu", save_every=save_every)

    return make


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "state")


@pytest.fixture
def supervisor(store: RunStore) -> Iterator[Supervisor]:
    """Ends its children after the test, whatever came of it."""
    yield Supervisor(store)
    for folder, child in list(_CHILDREN.items()):
        if store.root in folder.parents:
            child.kill()
            child.wait()
            _CHILDREN.pop(folder, None)  # a thread that sees to a cancelled run may have come first


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> float:
    """Seconds that it took; fails when it takes longer."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            pytest.fail(f"{what} took more than {seconds:g} s")
        time.sleep(0.05)
    return time.monotonic() - started


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        with Path(f"/proc/{pid}/stat").open() as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
