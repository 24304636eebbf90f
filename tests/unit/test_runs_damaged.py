"""Run folders that a disk, an editor or a later version left odd: told in a sentence and in nobody's way."""

from __future__ import annotations

import json
import math
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pca_core.checks import InputError
from pca_core.cli import main
from pca_core.runs import DataChoice, Run, RunRequest, RunStatus, RunStore, Supervisor, waiting
from pca_core.runs.json_files import MOST_BYTES, read_object, replace_object
from pca_core.runs.previews import read_pictures, read_traces
from pca_core.types import LabelSpace
from tests.unit.adaptation_data import TINY

REQUEST = RunRequest("net.safetensors", DataChoice("day"), DataChoice("dusk"), TINY, device="cpu")
CONTENTS = {
    "empty": b"",
    "null": b"null",
    "list": b"[1, 2]",
    "number": b"7",
    "text": b'"run"',
    "torn": b'{"request": {"che',
    "no names": b"{}",
    "no text": b"\xff\xfe\x00\x80 \xc3",
    "deep": b"[" * 200_000,
    "deep within": b'{"request": ' + b'{"config":' * 100_000,
    "NaN": b"NaN",
    "many digits": b'{"created": ' + b"9" * 5000 + b', "request": ' + b"9" * 5000 + b"}",
    "wrong kinds": b'{"request": [], "state": {}, "created": "x"}',
    "null within": b'{"request": null, "state": null}',
    "endless": b" " * (MOST_BYTES + 1),
}


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "state")


def changed(run: Run, name: str, change) -> None:
    """Rewrite a JSON file of a run."""
    path = run.folder / name
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def is_listed(store: RunStore, good: Run, bad: Run, capsys) -> str:
    """That both ways to list runs show the good one and tell of the bad one; its sentence."""
    assert [run.id for run, _ in Supervisor(store).reconcile_all()] == [good.id]
    ((run, fault),) = store.list_unreadable()
    assert run.id == bad.id
    assert main(["runs", "list", "--state", str(store.root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith(good.id)
    assert lines[2].startswith(f"{bad.id}  unreadable  ")
    assert main(["runs", "list", "--json", "--state", str(store.root)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["run_id"] for row in rows] == [good.id, bad.id]
    assert rows[0].keys() <= rows[1].keys()
    assert (rows[1]["state"], rows[1]["message"]) == ("unreadable", fault)
    return fault


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_a_damaged_description_is_told_and_can_be_deleted(store, content, capsys):
    good, bad = store.create(REQUEST), store.create(REQUEST)
    (bad.folder / "run.json").write_bytes(content)
    fault = is_listed(store, good, bad, capsys)
    assert bad.id in fault
    assert len(fault) < 500
    assert main(["runs", "show", bad.id, "--state", str(store.root)]) == 2
    assert "RUN_BROKEN" in capsys.readouterr().err
    assert main(["runs", "delete", bad.id, "--state", str(store.root)]) == 0
    assert [path.name for path in store.folder.iterdir()] == [good.id]
    assert store.list_unreadable() == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda facts: facts["request"].update(config={"method": "of a later version"}), "no method 'of a later version'"),
        (lambda facts: facts["request"].update(config={"learning_rate_of_later": 1}), "learning_rate_of_later"),
        (lambda facts: facts["request"]["config"].update(steps=-3), "steps must be at least 1"),
        (lambda facts: facts["request"]["config"].update(steps=math.nan), "config.steps"),
        (lambda facts: facts["request"].update(device=["cpu"]), "device"),
        (lambda facts: facts["request"].update(target=7), "target"),
        (lambda facts: facts.pop("request"), "it is missing"),
    ],
)
def test_a_request_that_cannot_be_used_says_why(store, change, expected, capsys):
    good, bad = store.create(REQUEST), store.create(REQUEST)
    changed(bad, "run.json", change)
    assert expected in is_listed(store, good, bad, capsys)


def test_a_folder_without_a_description_is_told_too(store, capsys):
    good, bad = store.create(REQUEST), store.create(REQUEST)
    (bad.folder / "run.json").unlink()
    is_listed(store, good, bad, capsys)
    store.delete(bad)
    assert store.list_unreadable() == []


@pytest.mark.parametrize("content", [*CONTENTS.values(), b'{"state": "flying"}'], ids=[*CONTENTS, "no state"])
def test_a_damaged_status_hides_no_run_and_stops_no_queue(store, content, capsys):
    good, bad = store.create(REQUEST), store.create(REQUEST)
    (bad.folder / "status.json").write_bytes(content)
    found = {run.id: status for run, status in Supervisor(store).reconcile_all()}
    assert found.keys() == {good.id, bad.id}
    if content != b"{}":  # every value of a status has a default
        assert (found[bad.id].state, found[bad.id].message) == ("interrupted", "The status of this run cannot be read.")
    assert main(["runs", "--state", str(store.root)]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == {"run", good.id, bad.id}
    for run in (good, bad):
        with run.lock():
            assert waiting.count_before(run.folder, store.folder, "cpu") == 0
            assert Supervisor(store).queue_position(run) in (0, None)


ODD = {
    "state": [None, 3, "", "Running", [], {}],
    "step": [-1, 1.5, "3", True, None, 10**400, math.nan],
    "num_steps": [-1, "3", 2**70, False],
    "code": [3, [], True],
    "message": [None, 3, ["x"]],
    "device": [1, {}],
    "pid": [0, -1, -7, True, "1", 1.0, 2**31, 2**80, [1]],
    "pid_started": ["1", True, -1, math.inf, math.nan, 10**400],
    "created": [None, "x", math.nan, -math.inf, True, [], 10**400],
    "asked": ["x", math.nan, True, -5, [1]],
    "of a later version": [1],
}


def test_what_a_worker_writes_is_read_as_it_was(store):
    run = store.create(REQUEST)
    assert run.read_status().state == "queued"
    told = {"state": "failed", "step": 3, "num_steps": 2**40, "code": "oom", "message": "Memory ran out.", "device": "cuda:0"}
    status = run.write_status(**told, started=time.time(), finished=time.time(), **waiting.identify_process())
    assert run.read_status() == status
    assert status.pid == os.getpid()
    waiting._write_status(run.folder, state="starting", asked=7)
    assert run.read_status() == replace(status, state="starting", asked=7.0)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in ODD.items() for value in values], ids=repr)
def test_a_status_with_an_odd_value_is_none(store, name, value):
    good, bad, other = (store.create(REQUEST) for _ in range(3))
    changed(bad, "status.json", lambda status: status.update({name: value}))
    assert bad.read_status() == RunStatus(state="interrupted", message="The status of this run cannot be read.")
    assert {run.id for run in store.list()} == {good.id, bad.id, other.id}
    with good.lock(), bad.lock(), other.lock():  # as they wait
        assert waiting.count_before(other.folder, store.folder, "cpu") in (1, 2)  # the waiting child does not judge all of it


def test_a_damaged_status_keeps_the_place_of_its_run_in_the_list(store):
    runs = [store.create(REQUEST) for _ in range(3)]
    for age, run in enumerate(runs):
        os.rename(run.folder, run.folder.with_name(f"2026010{age + 1}-120000-00000{age}"))
    runs = [store.get(f"2026010{number}") for number in (1, 2, 3)]
    for age, run in enumerate(runs):
        run.write_status(created=time.mktime((2026, 1, age + 1, 12, 0, 0, 0, 0, -1)))
    (runs[1].folder / "status.json").write_text("null")
    assert [run.id for run in store.list()] == [run.id for run in reversed(runs)]


@pytest.mark.parametrize("pid", [0, -1, True, "self", 2**70, 2**22 + 5])
@pytest.mark.parametrize("started", [None, 12])
def test_no_odd_process_is_ever_signalled(store, monkeypatch, pid, started):
    """0 and below are whole groups of processes to the system; a number that nobody has is not known by ``None``."""
    signalled, run = [], store.create(REQUEST)
    monkeypatch.setattr(os, "kill", lambda *told: signalled.append(told))  # the real one would end this very test
    changed(run, "status.json", lambda status: status.update(state="running", pid=pid, pid_started=started))
    (run.folder / "cancel").write_text(str(time.monotonic() - 3600))
    with run.lock():
        Supervisor(store).reconcile(run)
    assert signalled == []


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("name", ["metrics.jsonl", "heartbeat", "cancel", "child.json", "log.txt"])
def test_a_damaged_report_breaks_no_list(store, name, content, capsys):
    run = store.create(REQUEST)
    run.write_status(state="running", pid=os.getpid(), pid_started=waiting.start_ticks(os.getpid()) - 1)
    (run.folder / name).write_bytes(content)
    assert main(["runs", "--state", str(store.root)]) == 0
    assert main(["runs", "show", run.id, "--state", str(store.root)]) == 0
    assert main(["runs", "compare", run.id, "--state", str(store.root)]) == 0
    assert run.id in capsys.readouterr().out


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_a_damaged_preview_or_checkpoint_is_left_out(store, content):
    run, space = store.create(REQUEST), LabelSpace("two", ("a", "b"), ((0, 0, 0), (255, 255, 255)))
    for name in ("previews/step-000000", "previews/step-000002", "checkpoints/step-000002"):
        folder = run.folder / name
        folder.mkdir(parents=True)
        for file in ("0.png", "image-0.png", "traces.json", "MANIFEST.json"):
            (folder / file).write_bytes(content)
    (run.folder / "previews/step-of nobody").mkdir()
    (run.folder / "previews/step-٠٠٠٠٠١").mkdir()
    assert list(run.previews()) == [0, 2]
    assert read_pictures(run, 2, space) == read_pictures(run, 4, space) == []
    assert read_traces(run, 2) == read_traces(run, 4) == []
    assert run.checkpoints() == []


def test_an_object_is_replaced_synced(tmp_path, monkeypatch):
    """A crash of the machine leaves the old one or the new one: the content is on the disk before its name is."""
    done = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *told, name=name, real=real: done.append(name) or real(*told))
    path = tmp_path / "status.json"
    replace_object(path, {"state": "queued"})
    assert done == ["fsync", "replace", "fsync"]
    assert read_object(path) == {"state": "queued"}
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]


def test_what_is_deleted_is_not_at_work(store, capsys):
    run = store.create(REQUEST)
    (run.folder / "run.json").write_text("null")
    with run.lock():
        assert main(["runs", "delete", run.id, "--state", str(store.root)]) == 2
        assert "RUN_ACTIVE" in capsys.readouterr().err
    for path in (run.folder, Path("/")):
        assert main(["runs", "delete", str(path), "--state", str(store.root)]) == 2
        assert "RUN_NOT_FOUND" in capsys.readouterr().err
    assert run.folder.is_dir()
    with pytest.raises(InputError, match="cannot be read"):
        _ = run.request
