"""What killed processes left in a state folder goes when a server starts; what another is at work on stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app import warmup
from app.state import runs
from pca_core.runs import store as store_module
from pca_core.runs.leftovers import STALE_SECONDS, TOKEN_SECONDS, sweep
from tests.conftest import ROOT
from tests.faults.conftest import wait_for

UPLOAD = """
import sys, time
from pathlib import Path
from pca_core.runs import intake
real, written = intake.write_atomic, []
def slow(path, data):
    real(path, data)
    print(path, flush=True)
    time.sleep(600)
intake.write_atomic = slow
intake._write(Path(sys.argv[1]), Path(sys.argv[1]) / "whole", [b"picture"] * 2)
"""


def make_old(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    for one in (path, *(path.rglob("*") if not path.is_symlink() else ())):
        os.utime(one, (then, then), follow_symlinks=False)


@pytest.fixture
def uploader(tmp_path):
    """A process in the middle of keeping uploads, and the folder that it is at work on."""
    (tmp_path / "uploads").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", UPLOAD, str(tmp_path / "uploads")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    yield process, Path(process.stdout.readline().strip()).parents[1]
    process.kill()
    process.wait()


def test_an_upload_cut_off_by_a_kill_goes_after_an_hour(uploader, tmp_path):
    process, folder = uploader
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    sweep(tmp_path)
    assert folder.is_dir()
    make_old(folder, STALE_SECONDS + 60)
    sweep(tmp_path)
    assert list((tmp_path / "uploads").iterdir()) == []


def test_what_another_server_still_writes_stays(uploader, tmp_path):
    """Begun long ago, but its last file is young."""
    _, folder = uploader
    picture = next(folder.rglob("*.png"))
    make_old(folder, STALE_SECONDS + 60)
    picture.touch()
    sweep(tmp_path)
    assert picture.exists()


def test_half_made_and_half_deleted_runs_go_and_no_other(store, request_of):
    run = store.create(request_of())
    for name in (".new-abc", ".deleted-20260101-000000-abcdef", ".new-young"):
        (store.folder / name).mkdir()
        (store.folder / name / "run.json").write_text("{}")
    for path in store.folder.iterdir():
        if path.name != ".new-young":
            make_old(path, STALE_SECONDS + 60)
    sweep(store.root)
    assert {path.name for path in store.folder.iterdir()} == {run.id, ".new-young"}


def test_links_of_clicks_go_with_their_runs_and_after_a_day(store, request_of):
    kept, deleted, old = (store.create(request_of(), token=token) for token in ("kept", "deleted", "old"))
    links = {os.readlink(link): link for link in (store.root / "tokens").iterdir()}
    store.delete(deleted)
    for run, seconds in ((kept, STALE_SECONDS + 60), (deleted, STALE_SECONDS + 60), (old, TOKEN_SECONDS + 60)):
        make_old(links[run.id], seconds)
    sweep(store.root)
    assert list((store.root / "tokens").iterdir()) == [links[kept.id]]
    assert store.claim(request_of(), "kept")[0].id == kept.id


def test_a_server_sweeps_when_it_starts(tmp_path, monkeypatch):
    left = tmp_path / "runs" / ".new-abc"
    left.mkdir(parents=True)
    make_old(left, STALE_SECONDS + 60)
    monkeypatch.setenv(store_module.STATE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(warmup, "_step_back", lambda: None)
    runs.get_supervisor.clear()
    try:
        warmup._load_rest()
        wait_for(lambda: not left.exists(), 1, "the sweep")
    finally:
        runs.get_supervisor.clear()


def test_nothing_to_sweep_is_no_trouble(tmp_path):
    sweep(tmp_path / "not there")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "no link").write_text("")
    sweep(tmp_path)
