"""One job a device, in the order of their starts, whoever starts them."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import signal

import pytest

from pca_core.checks import InputError
from pca_core.runs import RunStore, Supervisor
from pca_core.runs import supervisor as supervisor_module
from tests.faults.conftest import is_running, wait_for

BRIEF = "tests.faults.work:brief"
STUBBORN = "tests.faults.work:stubborn"
STARTS, PROCESSES = 50, 8


def _start_some(root: str, request, numbers: list[int]) -> None:
    """What one of several servers does; it lives until its runs are done, because they end with it."""
    own = Supervisor(RunStore(root))
    runs = [own.start(request, work=BRIEF) for _ in numbers]
    wait_for(lambda: all(not own.reconcile(run).is_active for run in runs), 90, "the queue")


def test_of_fifty_starts_never_two_run(store, request_of):
    request = request_of()
    context = multiprocessing.get_context("fork")  # loading torch eight times would take longer than the test
    shares = [list(range(number, STARTS, PROCESSES)) for number in range(PROCESSES)]
    processes = [context.Process(target=_start_some, args=(str(store.root), request, share)) for share in shares]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    times = sorted(
        (json.loads(line) for line in (store.root / "times.jsonl").read_text().splitlines()), key=lambda row: row["began"]
    )
    assert len({row["id"] for row in times}) == len(times) == STARTS
    overlaps = [(a["id"], b["id"]) for a, b in itertools.pairwise(times) if a["ended"] > b["began"]]
    assert overlaps == []
    assert {run.read_status().state for run in store.list()} == {"done"}


def test_a_double_click_is_one_run(supervisor, request_of):
    first = supervisor.start(request_of(), token="click", work=BRIEF)
    second = supervisor.start(request_of(), token="click", work=BRIEF)
    assert first.id == second.id
    wait_for(lambda: supervisor.reconcile(first).state == "done", 20, "a brief run")
    assert len((supervisor.store.root / "times.jsonl").read_text().splitlines()) == 1
    assert supervisor.start(request_of(), token="click", work=BRIEF).id == first.id
    assert [run.id for run in supervisor.store.list()] == [first.id]


def test_the_queue_shows_places_and_lets_go(supervisor, request_of):
    first = supervisor.start(request_of(), work=STUBBORN)
    wait_for(lambda: first.read_status().state == "running", 20, "the first run")
    second, third = (supervisor.start(request_of(), work=BRIEF) for _ in range(2))
    wait_for(lambda: supervisor.queue_position(third) == 2, 20, "the third place")
    assert supervisor.queue_position(second) == 1
    assert supervisor.queue_position(first) is None
    supervisor.cancel(second)
    wait_for(lambda: supervisor.reconcile(second).state == "cancelled", 20, "leaving the queue")
    assert supervisor.queue_position(third) == 1
    supervisor.pause(third)
    wait_for(lambda: supervisor.reconcile(third).state == "paused", 20, "pausing in the queue")
    supervisor.resume(third, work=BRIEF)
    assert third.read_status().state == "queued"


def test_a_worker_that_heeds_nothing_is_killed(supervisor, request_of, monkeypatch):
    monkeypatch.setattr(supervisor_module, "GRACE_SECONDS", 0.4)
    run = supervisor.start(request_of(), work=STUBBORN)
    wait_for(lambda: run.read_status().state == "running", 20, "the run")
    pid = run.read_status().pid
    supervisor.cancel(run)
    wait_for(lambda: supervisor.reconcile(run).state == "cancelled", 10, "killing it")
    assert not is_running(pid)


def test_a_number_that_another_process_got_is_left_alone(supervisor, request_of, monkeypatch):
    monkeypatch.setattr(supervisor_module, "GRACE_SECONDS", 0.0)
    run = supervisor.start(request_of(), work=STUBBORN)
    wait_for(lambda: run.read_status().state == "running", 20, "the run")
    pid = run.read_status().pid
    run.write_status(pid=os.getpid())  # this very process: it would not live to tell
    supervisor.cancel(run)
    supervisor.reconcile(run)
    run.write_status(pid=pid)
    assert is_running(os.getpid())


def test_a_hung_worker_is_told(supervisor, request_of, monkeypatch):
    run = supervisor.start(request_of(), work=STUBBORN)
    wait_for(lambda: run.read_status().state == "running", 20, "the run")
    os.kill(run.read_status().pid, signal.SIGSTOP)
    run.beat()
    assert not run.is_stalled
    monkeypatch.setattr("pca_core.runs.folder.STALLED_AFTER", -1.0)
    assert run.is_stalled
    monkeypatch.setattr(supervisor_module, "GRACE_SECONDS", 0.2)
    supervisor.cancel(run)
    wait_for(lambda: supervisor.reconcile(run).state == "cancelled", 10, "killing a stopped worker")


def test_the_date_may_jump(supervisor, request_of, monkeypatch):
    run = supervisor.start(request_of(), work=STUBBORN)
    wait_for(lambda: run.read_status().state == "running", 20, "the run")
    run.beat()
    for jump in (-86400, 86400):
        monkeypatch.setattr("time.time", lambda jump=jump: 1.8e9 + jump)
        assert not run.is_stalled
        assert supervisor.reconcile(run).state == "running"


def test_a_state_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path, request_of):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="Nothing can be written") as error:
        Supervisor(RunStore(tmp_path / "file" / "state")).start(request_of())
    assert error.value.code == "FOLDER_READ_ONLY"
