"""A check trains a little: never beside a run or another check, never longer than its server lives, never for ever."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from pca_core.checks import InputError
from pca_core.runs import preflight, trying, waiting
from pca_core.runs.preflight import check_in_child
from pca_core.runs.supervisor import device_lock
from tests.conftest import ROOT
from tests.faults.conftest import is_running, wait_for

BRIEF, TRY = (f"tests.faults.work:{name}" for name in ("brief", "try_briefly"))


@pytest.fixture
def told(tmp_path: Path):
    """The lines that checks have written."""
    path = tmp_path / "checks.jsonl"
    return lambda: [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def request_for(request_of, tmp_path):
    """A request whose check takes so many seconds."""
    return lambda seconds: replace(request_of(), name=f"{tmp_path / 'checks.jsonl'} {seconds}")


def refusal(request, store) -> str:
    with pytest.raises(InputError) as error:
        check_in_child(request, store, TRY)
    return error.value.code


def test_three_checks_take_their_turns(store, request_for, told):
    codes = []
    threads = [threading.Thread(target=lambda: codes.append(refusal(request_for(0.5), store))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == ["A_CODE"] * 3
    times = sorted((line["began"], line["ended"]) for line in told() if "ended" in line)
    assert len(times) == 3
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(times))


def test_a_check_does_not_train_beside_a_run(store, request_for, told):
    with device_lock(store, "cpu"):
        assert refusal(request_for(0), store) == "DEVICE_BUSY"
    assert told() == []
    assert refusal(request_for(0), store) == "A_CODE"


def test_a_run_waits_for_a_check(supervisor, request_for, told):
    thread = threading.Thread(target=refusal, args=(request_for(2), supervisor.store))
    thread.start()
    wait_for(told, 20, "the check")
    run = supervisor.start(request_for(0), work=BRIEF)
    wait_for(lambda: supervisor.reconcile(run).state == "done", 30, "the run")
    thread.join()
    began = json.loads((supervisor.store.root / "times.jsonl").read_text())["began"]
    assert began >= told()[-1]["ended"]


def test_others_that_take_too_long_are_told(store, request_for, told, monkeypatch):
    """Real children read the real constants: what is shortened here is the lock that others hold, not theirs."""
    monkeypatch.setattr(trying, "OTHERS_SECONDS", 0.3)
    order = {"state": str(store.root), "device": "cpu", "request": {}, "work": TRY, "seconds": 1}
    with trying.FileLock(store.root / "devices" / "check-cpu.lock"):
        found = trying._answer(order)
    assert found["code"] == "DEVICE_BUSY"
    assert "Check again" in found["error"]


def test_a_check_ends_with_its_server(store, request_for, told, tmp_path):
    """One at work and one that waits for it."""
    path = tmp_path / "request.json"
    path.write_text(json.dumps(request_for(60).to_dict()))
    command = [sys.executable, "-m", "tests.faults.checking", str(store.root), str(path), TRY]
    server = subprocess.Popen(command, cwd=ROOT)
    wait_for(told, 30, "the check")
    process = psutil.Process(server.pid)
    wait_for(lambda: len(process.children()) == 2, 20, "both children")
    pids = [child.pid for child in process.children()]
    assert told()[0]["pid"] in pids
    server.kill()
    server.wait()
    wait_for(lambda: not any(map(is_running, pids)), 5, "their end")
    assert not waiting.is_held(store.root / "devices" / "cpu.lock")


def test_a_check_that_hangs_is_ended(store, request_for, told, monkeypatch):
    monkeypatch.setattr(preflight, "CHILD_SECONDS", 1.0)
    began = time.monotonic()
    with pytest.raises(InputError, match="took more than five minutes") as error:
        check_in_child(request_for(60), store, TRY)
    assert error.value.code == "PREFLIGHT_FAILED"
    assert time.monotonic() - began < 15
    assert not is_running(told()[0]["pid"])


def test_whoever_waits_has_not_loaded_torch(store, request_for):
    with device_lock(store, "cpu"):
        child = subprocess.run(
            [sys.executable, "-X", "importtime", trying.__file__],
            input=json.dumps({"state": str(store.root), "device": "cpu"}) + "\n",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert "filelock" in child.stderr
    assert "torch" not in child.stderr
