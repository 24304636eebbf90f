"""Runs that are started, cancelled, paused, killed, resumed and deleted in any order, by servers that come and go.

The run folders, the queue and the supervisor are the real ones; only the training is replaced by :mod:`tests.property.run_work`.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from pca_core.checks import InputError
from pca_core.runs import DataChoice, Run, RunRequest, RunStore, Supervisor
from pca_core.runs.supervisor import _CHILDREN
from tests.faults.conftest import wait_for
from tests.property.run_work import STEPS

WORK = "tests.property.run_work:work"
FINAL = ("done", "cancelled", "paused", "interrupted")
REQUEST = RunRequest("net.safetensors", DataChoice("streets:noon"), DataChoice("streets:dusk-rain"), device="cpu")


class Runs(RuleBasedStateMachine):
    """What is known of each run: whether anybody meddled with it since it was last started, and whether it was done."""

    runs = Bundle("runs")

    @initialize()
    def open(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="cyclelens-runs-"))
        self.supervisor = Supervisor(RunStore(self.root))
        self.ids: set[str] = set()
        self.meddled: set[str] = set()
        self.done: set[str] = set()
        self.ended: list[dict] = []  # workers that were killed, and when at the latest they still worked

    @rule(target=runs, token=st.sampled_from([None, "one", "two"]))
    def start(self, token):
        """A token gives one run, however often."""
        run = self.supervisor.start(REQUEST, token=token, work=WORK)
        again = run if token is None else self.supervisor.start(REQUEST, token=token, work=WORK)
        assert run.id == again.id
        self.ids.add(run.id)
        return run.id  # also where it is known: what follows must not depend on what was quick enough to be deleted

    @rule(run_id=runs, what=st.sampled_from(["cancel", "pause"]))
    def stop(self, run_id, what):
        run = self._find(run_id)
        if run is not None:
            self.meddled.add(run_id)
            getattr(self.supervisor, what)(run)

    @rule(run_id=runs)
    def resume(self, run_id):
        run = self._find(run_id)
        if run is None:
            return
        before = self.supervisor.reconcile(run)
        code = _code_of(lambda: self.supervisor.resume(run, work=WORK))
        if code is None:
            assert before.is_resumable or before.is_active  # which came to its end meanwhile
        else:
            assert code in ("RUN_ACTIVE", "RUN_DONE")
            assert not before.is_resumable

    @rule(run_id=runs)
    def kill(self, run_id):
        """As the system does when memory runs out."""
        child = _CHILDREN.get(self.root / "runs" / run_id)
        if child is not None and child.poll() is None:
            self.meddled.add(run_id)
            self._note_end(run_id)
            child.kill()
            child.wait()

    @rule()
    def lose_the_server(self):
        """Its workers end with it; the next server knows only what lies in the folders."""
        for folder in [folder for folder in _CHILDREN if self.root in folder.parents]:
            child = _CHILDREN.pop(folder)
            if child.poll() is None:
                self.meddled.add(folder.name)
                self._note_end(folder.name)
            child.stdin.close()
            child.wait(20)
        self.supervisor = Supervisor(RunStore(self.root))

    @rule(run_id=consumes(runs))
    def delete(self, run_id):
        run = self._find(run_id)
        if run is None:
            return
        code = _code_of(lambda: self.supervisor.store.delete(run))
        assert code in (None, "RUN_ACTIVE")
        if code is not None:
            return  # it is no longer meddled with, but still listed
        child = _CHILDREN.pop(run.folder, None)
        if child is not None:  # just started: it finds no folder
            child.stdin.close()
            child.kill()
            child.wait()
        self.ids.discard(run_id)

    @rule(seconds=st.sampled_from([0.0, 0.05, 0.3]))
    def wait(self, seconds):
        time.sleep(seconds)

    @invariant()
    def the_list_is_what_was_started(self):
        if hasattr(self, "ids"):
            assert {run.id for run in self.supervisor.store.list()} == self.ids

    @invariant()
    def what_is_done_stays_done(self):
        for run_id in getattr(self, "ids", ()):
            if Run(self.root / "runs" / run_id).read_status().state == "done":
                self.done.add(run_id)
            assert run_id not in self.done or Run(self.root / "runs" / run_id).read_status().state == "done"

    def teardown(self):
        if not hasattr(self, "root"):
            return
        try:
            self._settle()
        finally:
            for folder in [folder for folder in _CHILDREN if self.root in folder.parents]:
                child = _CHILDREN.pop(folder)
                child.stdin.close()
                child.kill()
                child.wait()
            shutil.rmtree(self.root)

    def _settle(self) -> None:
        """Nothing is at work for ever, nobody's run is lost, and no two ever worked at once."""
        runs = [run for run in (self._find(run_id) for run_id in self.ids) if run is not None]
        wait_for(lambda: all(not self.supervisor.reconcile(run).is_active for run in runs), 60, "the end of all runs")
        for run in runs:
            status = run.read_status()
            assert status.state in FINAL
            assert status.pid is None
            assert run.id in self.meddled or status.state == "done"
            assert status.state != "done" or (run.folder / "steps").read_text() == str(STEPS)
            wait_for(lambda run=run: not run.is_alive, 20, "the end of a worker")
        self._check_one_at_a_time()

    def _check_one_at_a_time(self) -> None:
        path = self.root / "events.jsonl"
        told = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        working: set[str] = set()
        for event in sorted([*told, *self.ended], key=lambda event: event["time"]):
            if event["what"] == "began":
                assert not working, f"{event['id']} began while {working} worked"
                working.add(event["id"])
            else:
                working.discard(event["id"])

    def _note_end(self, run_id: str) -> None:
        self.ended.append({"id": run_id, "what": "ended", "time": time.monotonic()})

    def _find(self, run_id: str) -> Run | None:
        try:
            return self.supervisor.store.get(run_id)
        except InputError:
            return None


def _code_of(action: Callable[[], object]) -> str | None:
    try:
        action()
    except InputError as error:
        return error.code
    return None


class LongRuns(Runs):
    """The same for longer."""


SETTINGS = settings(
    max_examples=10,
    stateful_step_count=14,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to make a failure smaller would take minutes
    deadline=None,
    suppress_health_check=[*HealthCheck],
    print_blob=True,
)
TestRuns = Runs.TestCase
TestRuns.settings = SETTINGS
TestLongRuns = pytest.mark.soak(pytest.mark.timeout(7200)(LongRuns.TestCase))
TestLongRuns.settings = settings(SETTINGS, max_examples=int(os.environ.get("RUN_STATE_EXAMPLES", "300")), stateful_step_count=25)
