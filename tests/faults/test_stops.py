"""Cancel cancels, whatever the worker does and whoever looks; a worker that hangs is told."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from pca_core.runs import supervisor as supervisor_module
from pca_core.runs.signals import Stopped, stop_signals
from pca_core.runs.waiting import identify_process, start_ticks
from tests.faults.conftest import is_running, wait_for

BRIEF, STUBBORN, BEATING = (f"tests.faults.work:{name}" for name in ("brief", "stubborn", "beating"))


@pytest.fixture
def started(supervisor, request_of):
    """Starts a run and waits until it is at work."""

    def start(work: str):
        run = supervisor.start(request_of(), work=work)
        wait_for(lambda: run.read_status().state == "running", 20, "the run")
        return run, run.read_status().pid

    return start


def test_a_worker_that_heeds_nothing_is_killed_though_nobody_looks(started, supervisor, monkeypatch):
    monkeypatch.setattr(supervisor_module, "GRACE_SECONDS", 0.4)
    run, pid = started(STUBBORN)
    supervisor.cancel(run)
    wait_for(lambda: not is_running(pid), 10, "killing it")
    wait_for(lambda: run.read_status().state == "cancelled", 5, "saying so")
    assert "did not stop by itself" in run.read_status().message


def test_asking_again_gives_no_new_grace(started, supervisor, monkeypatch):
    run, _ = started(STUBBORN)
    supervisor.cancel(run)
    now = time.monotonic
    monkeypatch.setattr("time.monotonic", lambda: now() + 5)
    supervisor.cancel(run)
    assert run.flag_age("cancel") >= 5


def test_a_number_that_another_process_got_is_left_alone(started, supervisor, monkeypatch):
    run, pid = started(STUBBORN)
    monkeypatch.setattr(supervisor_module, "GRACE_SECONDS", 0.0)
    run.write_status(pid=os.getpid())  # this very process: it would not live to tell
    supervisor.cancel(run)
    supervisor.reconcile(run)
    run.write_status(pid=pid)
    assert is_running(os.getpid())


def assert_told_and_cancelled(run, pid, supervisor, monkeypatch) -> None:
    """One that is stopped is told, told no more once it goes on, and ended by a cancel when it is stopped again."""
    wait_for(lambda: run.seconds_since_beat is not None, 10, "a sign of life")
    assert not run.is_stalled
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: run.is_stalled, 10, "noticing the silence")
    os.kill(pid, signal.SIGCONT)
    wait_for(lambda: not run.is_stalled, 10, "noticing the life")
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(supervisor_module, "GRACE_SECONDS", 0.2)
    supervisor.cancel(run)
    wait_for(lambda: supervisor.reconcile(run).state == "cancelled", 10, "killing a stopped worker")


def test_a_hung_worker_is_told_and_can_be_cancelled(started, supervisor, monkeypatch):
    monkeypatch.setattr("pca_core.runs.folder.STALLED_AFTER", 0.8)
    run, pid = started(BEATING)
    assert_told_and_cancelled(run, pid, supervisor, monkeypatch)


def test_one_that_hangs_in_the_queue_is_told_and_can_be_cancelled(started, supervisor, request_of, monkeypatch):
    started(STUBBORN)
    hung = supervisor.start(request_of(), work=BRIEF)
    wait_for(lambda: hung.read_status().pid is not None, 20, "the waiting child")
    pid = hung.read_status().pid
    monkeypatch.setattr("pca_core.runs.folder.STALLED_AFTER", 3.0)  # one that waits looks every second and a half
    assert_told_and_cancelled(hung, pid, supervisor, monkeypatch)
    assert not is_running(pid)


def test_the_date_may_jump(started, supervisor, monkeypatch):
    run, pid = started(BEATING)
    wait_for(lambda: run.seconds_since_beat is not None, 10, "a sign of life")
    for jump in (-86400, 86400):
        monkeypatch.setattr("time.time", lambda jump=jump: 1.8e9 + jump)
        assert not run.is_stalled
        assert supervisor.reconcile(run).state == "running"
        assert run.read_status().pid_started == start_ticks(pid), "counted from the start of the machine, not from 1970"
    monkeypatch.setattr(supervisor_module, "GRACE_SECONDS", 0.2)
    supervisor.cancel(run)
    wait_for(lambda: supervisor.reconcile(run).state == "cancelled", 10, "cancelling")


def test_a_process_is_known_by_number_and_start():
    own = identify_process()
    assert own == {"pid": os.getpid(), "pid_started": start_ticks(os.getpid())}
    assert start_ticks(1) <= own["pid_started"]
    assert start_ticks(2**22 + 1) is None


def test_sigterm_saves_first_and_ends_at_once_when_cancel_was_not_heeded(supervisor, request_of):
    run = supervisor.store.create(request_of())
    before = signal.getsignal(signal.SIGTERM)
    with stop_signals(run):
        os.kill(os.getpid(), signal.SIGTERM)
        assert run.has_flag("pause"), "the step ends and is saved"
        run.raise_flag("cancel")
        with pytest.raises(Stopped) as stopped:
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)  # while it tells how it ended
    assert stopped.value.state == "cancelled"
    assert not isinstance(stopped.value, Exception), "handlers of errors must let it pass"
    assert signal.getsignal(signal.SIGTERM) == before
    thread = threading.Thread(target=lambda: stop_signals(run).__enter__())  # a run in a thread has no signals to set
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) == before
