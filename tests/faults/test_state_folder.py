"""A state folder that cannot be written, or that two servers share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.state import runs
from pca_core.checks import InputError
from pca_core.runs import RunStore, Supervisor
from tests.app.pages import open_page
from tests.conftest import ROOT, stop_without
from tests.faults.conftest import is_running, wait_for

BRIEF, BEATING = (f"tests.faults.work:{name}" for name in ("brief", "beating"))


@pytest.fixture
def seal() -> Iterator[Callable[[Path], None]]:
    """Makes a folder and all in it read-only, for root too."""
    sealed = []

    def seal(folder: Path) -> None:
        sealed.append(folder)
        if os.geteuid():
            subprocess.run(["chmod", "-R", "a-w", str(folder)], check=True)
        elif subprocess.run(["chattr", "-R", "+i", str(folder)], capture_output=True, check=False).returncode:
            stop_without("root may write everywhere here, and nothing can be made immutable")

    yield seal
    for folder in sealed:
        change = ["chmod", "-R", "u+w"] if os.geteuid() else ["chattr", "-R", "-i"]
        subprocess.run([*change, str(folder)], check=False)


def test_what_cannot_be_written_can_still_be_looked_at(supervisor, request_of, seal):
    """Every change is refused in one sentence, and what stands there stays as it is."""
    done, lost, queued, paused, interrupted = (supervisor.store.create(request_of()) for _ in range(5))
    done.write_status(state="done", step=4)
    lost.write_status(state="running", step=2)
    queued.write_status(asked=0.0)
    paused.write_status(state="paused")
    interrupted.write_status(state="interrupted")
    before = {path: path.read_bytes() for path in supervisor.store.root.rglob("*") if path.is_file()}
    seal(supervisor.store.root)
    found = {run.id: status.state for run, status in supervisor.reconcile_all()}
    assert found == {run.id: run.read_status().state for run in (done, lost, queued, paused, interrupted)}
    assert found[lost.id] == "running"
    actions = (
        lambda: supervisor.start(request_of()),
        lambda: supervisor.cancel(lost),
        lambda: supervisor.pause(lost),
        lambda: supervisor.resume(lost),
        lambda: supervisor.cancel(paused),
        lambda: supervisor.cancel(interrupted),
        lambda: supervisor.store.delete(done),
    )
    for act in actions:
        with pytest.raises(InputError, match="Nothing can be written"):
            act()
    assert {path: path.read_bytes() for path in supervisor.store.root.rglob("*") if path.is_file()} == before


def test_the_app_opens_on_a_state_folder_that_cannot_be_written(store, request_of, seal, monkeypatch):
    run = store.create(request_of())
    run.write_status(state="interrupted", step=2)
    seal(store.root)
    monkeypatch.setattr(runs, "get_supervisor", lambda: Supervisor(store))
    app = open_page("adapt", run=run.id)
    app.button(key="run_resume").click().run()
    assert not app.exception
    assert "Nothing can be written" in " ".join(error.value for error in app.error)
    assert not open_page("trace").error


def test_a_state_folder_that_is_none_of_ours_has_no_runs(tmp_path, monkeypatch):
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.listdir", refuse)
    assert RunStore(tmp_path).list() == []


def test_two_servers_share_a_state_folder(store, supervisor, request_of, tmp_path):
    """Each sees the other's runs and leaves them alone; the kill of one ends its own worker and none of the other's."""
    path = tmp_path / "request.json"
    path.write_text(json.dumps(request_of().to_dict()))
    command = [sys.executable, "-m", "tests.faults.server", str(store.root), str(path), BEATING]
    other = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        theirs = store.get(other.stdout.readline().strip())
        wait_for(lambda: theirs.read_status().state == "running", 30, "the other server's run")
        mine = supervisor.start(request_of(), work=BEATING)
        wait_for(lambda: mine.is_alive, 20, "the waiting child")
        assert supervisor.queue_position(mine) == 1
        assert supervisor.reconcile(theirs).state == "running"
        with pytest.raises(InputError, match="is at work already"):
            supervisor.resume(theirs)
        worker = theirs.read_status().pid
    finally:
        other.kill()
        other.wait()
    wait_for(lambda: not is_running(worker) and not theirs.is_alive, 5, "the end of the other's worker")
    assert supervisor.reconcile(theirs).state == "interrupted"
    wait_for(lambda: mine.read_status().state == "running", 20, "my run")
    supervisor.resume(theirs, work=BRIEF)
    assert supervisor.queue_position(theirs) == 1
