"""Runs side by side: the arithmetic, on figures that a person can check by hand, and the tables of the command."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pca_core.cli import main
from pca_core.runs import DataChoice, Run, RunRequest, RunStore
from pca_core.runs.summary import SCORED_ON_LABELS, compare, find_differences
from tests.unit.adaptation_data import TINY

REQUEST = RunRequest("net.safetensors", DataChoice("day"), DataChoice("dusk"), TINY, scored_target=DataChoice("dusk"))


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "state")


def reported(store: RunStore, after: float | None, *, state: str = "done", group: str = "g", **knobs: object) -> Run:
    """A run that reported 10 before and this after, on the target; 50 before and 40 after on the source."""
    run = store.create(replace(REQUEST, group=group, config=replace(TINY, **knobs)))
    for step, target, source in ((0, 10.0, 50.0), (4, after, 40.0)):
        scores = {"source": {"miou": source}, "target": {"miou": target}} if after is not None else {"source": {"miou": source}}
        health = {"entropy": 0.5, "class_balance": 0.75, "snd": 2.0, "rate": 0.25, "coverage": 0.125, "suggestion": None}
        run.append_metrics({"step": step, "losses": {}, "health": health, "scores": scores, "seconds": 2.0})
    run.write_status(state=state, step=4)
    return run


def test_a_method_over_its_seeds_beside_the_better_control(store):
    runs = [reported(store, after, method="plca", seed=seed) for seed, after in enumerate((30.0, 34.0, 38.0))]
    runs += [reported(store, 26.0, method="adabn"), reported(store, 12.0, method="source-only")]
    summaries, (plca, adabn, _) = compare(runs)
    assert [one.gain for one in summaries] == [20, 24, 28, 16, 2]
    assert (plca.label, plca.seeds, plca.target) == ("plca", (0, 1, 2), (30, 34, 38))
    assert (plca.mean, plca.gain, plca.spread, plca.over_control, plca.source) == (34, 24, 4, 8, 40)
    assert {"lowest": 30, "highest": 38, "mean": 34}.items() <= plca.to_dict().items()
    assert adabn.over_control is None, "a control is not compared with itself"


def test_only_finished_runs_count(store):
    """One that has just begun reports the net before; it would pull the mean down, or a control's."""
    begun = [reported(store, 11.0, state=state, method="plca", seed=9) for state in ("running", "failed", "cancelled")]
    summaries, (plca,) = compare([*begun, reported(store, 30.0, method="plca", seed=1)])
    assert (plca.seeds, plca.mean) == ((1,), 30)
    assert [one.state for one in summaries] == ["running", "failed", "cancelled", "done"]
    _, (plca, _) = compare([reported(store, 30.0, method="plca"), reported(store, 90.0, state="running", method="adabn")])
    assert plca.over_control is None, "the control has not finished"
    _, (none,) = compare(begun)
    assert (none.label, none.seeds, none.mean, none.spread) == ("plca", (), None, None)


def test_other_knobs_are_no_other_seeds(store):
    association = replace(TINY.association, alpha=0.25)
    runs = [reported(store, after, method="plca", seed=seed) for seed, after in ((0, 30.0), (1, 32.0))]
    runs.append(reported(store, 50.0, method="plca", association=association))
    _, (usual, other) = compare(runs)
    assert (usual.mean, other.mean) == (31, 50)
    assert usual.label == "plca (association.alpha=0.5)"
    assert other.label == "plca (association.alpha=0.25)"


def test_without_labels_there_is_no_figure_to_show(store, capsys):
    _, (method,) = compare([reported(store, None, method="plca")])
    assert (method.mean, method.gain, method.over_control, method.source) == (None, None, None, 40)
    assert main(["runs", "--state", str(store.root), "compare", "g"]) == 0
    assert SCORED_ON_LABELS not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"target": DataChoice("night")}, "adapt to different target images"),
        ({"checkpoint": "other.safetensors"}, "begin with different nets"),
        ({"scored_target": None}, "scored on different target images"),
        ({"config": replace(TINY, steps=5)}, "different numbers of steps"),
        ({"config": replace(TINY, seed=5)}, None),
        ({"config": replace(TINY, method="adabn", steps=1)}, None),  # it takes no steps
    ],
)
def test_an_unfair_comparison_is_said(store, change, expected):
    found = find_differences([store.create(REQUEST), store.create(replace(REQUEST, **change))])
    assert len(found) == (expected is not None)
    assert expected is None or expected in found[0]


def test_the_tables_for_people_and_for_machines(store, capsys):
    reported(store, 30.0, method="plca")
    reported(store, 34.0, method="plca", seed=1)
    reported(store, 26.0, method="adabn")
    command = ["runs", "compare", "g", "--state", str(store.root)]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 + 1 + 3 + 1
    assert lines[0].split()[:5] == ["run", "state", "method", "seed", "steps"]
    assert "10.0 → 30.0" in lines[1]
    assert "50.0 → 40.0" in lines[1]
    assert lines[1].split()[-5:] == ["0.5", "0.75", "2", "0.25", "0.125"]
    assert lines[6].split() == ["plca", "2", "32.0", "±", "2.8", "30.0–34.0", "+22.0", "+6.0", "40.0"]
    assert lines[-1] == SCORED_ON_LABELS
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["mean"] for one in found["methods"]] == [32, 26]
    assert found["notices"] == []
    assert len(found["runs"]) == 3


def test_runs_can_be_named_one_by_one_and_none_counts_twice(store, capsys):
    first, second = reported(store, 30.0, group="a"), reported(store, 34.0, group="b", seed=1)
    state = ["--state", str(store.root), "--json"]
    assert main(["runs", "compare", first.id, str(second.folder), second.id, "b", *state]) == 0
    assert [one["run_id"] for one in json.loads(capsys.readouterr().out)["runs"]] == [first.id, second.id]


def test_a_run_that_cannot_be_read_hides_no_other(store, capsys):
    good, torn, later = (reported(store, 30.0) for _ in range(3))
    (torn.folder / "run.json").write_text("{")
    facts = json.loads((later.folder / "run.json").read_text())
    facts["request"]["config"]["knob_of_a_later_version"] = 1
    (later.folder / "run.json").write_text(json.dumps(facts))
    assert [run.id for run in store.list()] == [good.id]
    assert main(["runs", "list", "--state", str(store.root)]) == 0
    assert good.id in capsys.readouterr().out
    assert main(["runs", "show", later.id, "--state", str(store.root)]) == 2
    error = capsys.readouterr().err
    assert "RUN_BROKEN" in error
    assert "knob_of_a_later_version" in error


def test_the_list_and_one_run(store, capsys):
    run = reported(store, 30.0)
    assert main(["runs", "--state", str(store.root)]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "run"
    assert row.split()[:5] == [run.id, "done", "plca", "0", "4"]
    assert main(["runs", "show", run.id[:17], "--state", str(store.root)]) == 0
    text = capsys.readouterr().out
    assert "10.0 → 30.0" in text
    assert "entropy" in text
    assert SCORED_ON_LABELS in text


@pytest.mark.parametrize("name", ["../state", "..", "a" * 300, "x\0y", "", "20", "/etc"])
def test_no_name_leads_out_of_the_store(store, name, capsys):
    reported(store, 30.0)
    assert main(["runs", "show", name, "--state", str(store.root)]) == 2
    assert "RUN_NOT_FOUND" in capsys.readouterr().err


def test_a_state_folder_is_the_same_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = RunStore("state").create(replace(REQUEST, source=DataChoice("streets:noon"), target=DataChoice("data:val")))
    monkeypatch.chdir("/")
    assert run.is_there
    assert run.request.checkpoint == str(tmp_path / "net.safetensors")
    assert run.request.source.where == "streets:noon"
    assert run.request.target.where == str(tmp_path / "data:val")
