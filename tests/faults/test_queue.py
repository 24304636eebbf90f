"""One job a device, in the order of their starts, whoever starts them."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from pca_core.checks import InputError
from pca_core.runs import Run, RunStore, Supervisor
from pca_core.runs.foreground import open_folder, working_on
from pca_core.runs.supervisor import device_lock
from pca_core.runs.waiting import STARTING_SECONDS
from tests.faults.conftest import wait_for

BRIEF = "tests.faults.work:brief"
STUBBORN = "tests.faults.work:stubborn"
STARTS, PROCESSES = 50, 8


def _start_some(root: str, request, numbers: list[int]) -> None:
    """What one of several servers does; it lives until its runs are done, because they end with it."""
    own = Supervisor(RunStore(root))
    runs = [own.start(request, work=BRIEF) for _ in numbers]
    wait_for(lambda: all(not own.reconcile(run).is_active for run in runs), 90, "the queue")


def test_of_fifty_starts_never_two_run(store, request_of, tell):
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
    tell(6, f"{len(times)} starts from {PROCESSES} processes: {len(overlaps)} times two at once")


def test_the_first_come_is_the_first_served(supervisor, request_of):
    with device_lock(supervisor.store, "cpu"):
        runs = [supervisor.start(request_of(), work=BRIEF) for _ in range(5)]
        wait_for(lambda: all(run.is_alive for run in runs), 20, "the queue")
    wait_for(lambda: all(supervisor.reconcile(run).state == "done" for run in runs), 30, "the runs")
    served = [json.loads(line)["id"] for line in (supervisor.store.root / "times.jsonl").read_text().splitlines()]
    assert served == [run.id for run in runs]


def test_a_clock_that_is_set_back_changes_no_place(supervisor, request_of, monkeypatch):
    """Neither does the second go first, nor is a run whose child is about to start taken for one that nobody works on."""
    with device_lock(supervisor.store, "cpu"):
        first = supervisor.start(request_of(), work=BRIEF)
        monkeypatch.setattr("time.time", lambda: 1e9)
        monkeypatch.setattr("pca_core.runs.supervisor.sys.executable", str(slow_python(supervisor.store.root, 1.0)))
        second = supervisor.start(request_of(), work=BRIEF)
        assert second.read_status().created < first.read_status().created
        with monkeypatch.context() as patch:
            patch.setattr("pca_core.runs.supervisor._CHILDREN", {})  # as another server sees it
            assert supervisor.reconcile(second).state == "queued"
        wait_for(lambda: first.is_alive and second.is_alive, 20, "the queue")
        assert supervisor.queue_position(second) == 2
    wait_for(lambda: all(supervisor.reconcile(run).state == "done" for run in (first, second)), 30, "the runs")
    served = [json.loads(line)["id"] for line in (supervisor.store.root / "times.jsonl").read_text().splitlines()]
    assert served == [first.id, second.id]


def test_a_resumed_run_takes_the_last_place(supervisor, request_of):
    run = supervisor.store.create(request_of())
    run.write_status(state="interrupted")
    with device_lock(supervisor.store, "cpu"):
        waiting = supervisor.start(request_of(), work=BRIEF)
        supervisor.resume(run, work=BRIEF)
        wait_for(lambda: run.is_alive and waiting.is_alive, 20, "the queue")
        assert (supervisor.queue_position(waiting), supervisor.queue_position(run)) == (1, 2)


def test_none_is_overtaken_while_its_child_starts(supervisor, request_of, monkeypatch):
    """The first child is slow to come; the second waits for it all the same."""
    monkeypatch.setattr("pca_core.runs.supervisor.sys.executable", str(slow_python(supervisor.store.root, 1.0)))
    first = supervisor.start(request_of(), work=BRIEF)
    monkeypatch.undo()
    second = supervisor.start(request_of(), work=BRIEF)
    assert supervisor.queue_position(second) == 1
    wait_for(lambda: all(supervisor.reconcile(run).state == "done" for run in (first, second)), 30, "the runs")
    served = [json.loads(line)["id"] for line in (supervisor.store.root / "times.jsonl").read_text().splitlines()]
    assert served == [first.id, second.id]


def test_a_child_killed_before_it_takes_its_place_holds_up_nobody(supervisor, request_of, monkeypatch):
    """Not even in the eyes of another server, which has not started it and waits for those that are about to come."""
    monkeypatch.setattr("pca_core.runs.supervisor.sys.executable", str(slow_python(supervisor.store.root, 30)))
    first = supervisor.start(request_of(), work=BRIEF)
    monkeypatch.undo()
    child = json.loads((first.folder / "child.json").read_bytes())["pid"]
    second = supervisor.start(request_of(), work=BRIEF)
    assert supervisor.queue_position(second) == 1
    os.killpg(child, signal.SIGKILL)
    began = time.monotonic()
    wait_for(lambda: second.read_status().state == "done", 15, "the second run")
    assert time.monotonic() - began < STARTING_SECONDS / 2
    with monkeypatch.context() as patch:
        patch.setattr("pca_core.runs.supervisor._CHILDREN", {})
        assert supervisor.reconcile(first).state == "interrupted"
    supervisor.resume(first, work=BRIEF)
    wait_for(lambda: supervisor.reconcile(first).state == "done", 30, "the first run")


def slow_python(folder: Path, seconds: float) -> Path:
    """An interpreter that takes its time to start."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "python"
    path.write_text(f'#!/bin/sh\nsleep {seconds}\nexec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    return path


def test_a_double_click_is_one_run(supervisor, request_of):
    first = supervisor.start(request_of(), token="click", work=BRIEF)
    second = supervisor.start(request_of(), token="click", work=BRIEF)
    assert first.id == second.id
    wait_for(lambda: supervisor.reconcile(first).state == "done", 20, "a brief run")
    assert len((supervisor.store.root / "times.jsonl").read_text().splitlines()) == 1
    assert supervisor.start(request_of(), token="click", work=BRIEF).id == first.id
    assert [run.id for run in supervisor.store.list()] == [first.id]


def _click(root: str, request, barrier, path: str) -> None:
    """One of several servers that are asked for the same at the same time."""
    own = Supervisor(RunStore(root))
    barrier.wait()
    run = own.start(request, token="click", work=BRIEF)
    Path(path).write_text(run.id)
    wait_for(lambda: not own.reconcile(run).is_active, 30, "the run")


def test_a_double_click_in_six_processes_is_one_run(store, request_of, tmp_path):
    context = multiprocessing.get_context("fork")
    barrier, request = context.Barrier(6), request_of()
    processes = [
        context.Process(target=_click, args=(str(store.root), request, barrier, str(tmp_path / f"told-{number}")))
        for number in range(6)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 6
    told = {(tmp_path / f"told-{number}").read_text() for number in range(6)}
    assert {run.id for run in store.list()} == told
    assert len(told) == len((store.root / "times.jsonl").read_text().splitlines()) == 1
    assert list(store.folder.iterdir()) == [store.folder / told.pop()], "the losers leave nothing"


def test_a_token_serves_again_once_its_run_is_deleted(supervisor, request_of):
    first = supervisor.start(request_of(), token="click", work=BRIEF)
    wait_for(lambda: supervisor.reconcile(first).state == "done" and not first.is_alive, 20, "a brief run")
    supervisor.store.delete(first)
    assert supervisor.start(request_of(), token="click", work=BRIEF).id != first.id
    assert [run.id for run in supervisor.store.list()] != [first.id]


def test_of_two_resumes_one_is_told_no(supervisor, request_of):
    run = supervisor.store.create(request_of())
    run.write_status(state="interrupted")
    barrier, answers = threading.Barrier(4), []

    def resume() -> None:
        barrier.wait()
        try:
            answers.append(Supervisor(supervisor.store).resume(run, work=STUBBORN).id)
        except InputError as error:
            answers.append(error.code)

    threads = [threading.Thread(target=resume) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == sorted([run.id, *["RUN_ACTIVE"] * 3])
    wait_for(lambda: run.read_status().state == "running", 20, "the run")


def test_looking_at_a_run_never_makes_it_seem_alive(supervisor, request_of):
    """Two that look at once must not take each other for the worker, or nobody would start the run."""
    run, stop, seen = supervisor.store.create(request_of()), threading.Event(), []
    assert not run.is_alive
    assert not (run.folder / "worker.lock").exists(), "a look leaves no file: it works where nothing can be written"
    (run.folder / "worker.lock").touch()

    def look() -> None:
        while not stop.is_set():
            seen.append(Run(run.folder).is_alive)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    mine = [run.is_alive for _ in range(500)]
    stop.set()
    for thread in threads:
        thread.join()
    assert not any(mine + seen)
    with run.lock():
        assert run.is_alive


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


def test_the_shell_and_the_app_share_a_device(supervisor, request_of, tmp_path, monkeypatch):
    """A run in a folder of its own holds, and waits for, the very lock of the runs of the app."""
    monkeypatch.setattr("pca_core.runs.foreground.OWN_SECONDS", 0.1)
    store = supervisor.store
    shell = open_folder(tmp_path / "deep" / "run", request_of(), is_resumed=False)
    with working_on(shell, store):
        queued = supervisor.start(request_of(), work=STUBBORN)
        wait_for(lambda: queued.is_alive, 20, "the waiting child")
        assert supervisor.queue_position(queued) == 1
        with pytest.raises(InputError) as error, working_on(shell, store):
            pass
        assert error.value.code == "RUN_ACTIVE"
    wait_for(lambda: queued.read_status().state == "running", 20, "the run of the app")
    (shell.folder / "heartbeat").write_text("0")  # of an earlier life
    timer = threading.Timer(1.0, supervisor.pause, (shell,))
    timer.start()
    with pytest.raises(InputError, match="paused while it waited"), working_on(shell, store):
        pass
    assert shell.read_status().state == "paused"
    assert shell.seconds_since_beat < 30, "who waits is not silent"
    supervisor.resume(shell, work=BRIEF)
    wait_for(lambda: shell.is_alive, 20, "the waiting child")
    assert supervisor.queue_position(shell) == 1
    assert [path.parent for path in tmp_path.rglob("devices")] == [store.root]


def test_a_device_has_one_lock_whatever_it_is_called(store, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    names = [Path(device_lock(store, name).lock_file).name for name in ("cuda", "cuda:0", "auto", "cuda:1", "cpu")]
    assert names == ["cuda-0.lock"] * 3 + ["cuda-1.lock", "cpu.lock"]


def test_a_state_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path, request_of):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="Nothing can be written") as error:
        Supervisor(RunStore(tmp_path / "file" / "state")).start(request_of())
    assert error.value.code == "FOLDER_READ_ONLY"
