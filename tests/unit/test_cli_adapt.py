"""``cyclelens adapt`` and ``cyclelens runs``: from the shell, on real files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pca_core.cli import main
from pca_core.data import FolderDataset
from pca_core.models import load_checkpoint, save_checkpoint
from pca_core.runs import Run, RunStore, Supervisor
from pca_core.runs.supervisor import device_lock
from tests.unit.adaptation_data import make_checkpoint, make_domains


@pytest.fixture
def arguments(tmp_path, monkeypatch) -> list[str]:
    monkeypatch.setenv("CYCLELENS_STATE", str(tmp_path / "state"))  # the device's lock of this machine is not for tests
    source, target = make_domains(tmp_path / "data")
    net = tmp_path / "data/net.safetensors"
    save_checkpoint(net, make_checkpoint(FolderDataset(source)))
    return ["adapt", "--source", str(source), "--target", str(target), "--checkpoint", str(net), "--steps", "2"]


def out(tmp_path) -> list[str]:
    return ["--out", str(tmp_path / "run")]


@contextmanager
def pausing_after_the_first_step(monkeypatch) -> Iterator[None]:
    real = Run.append_metrics

    def interrupt(run, record):
        real(run, record)
        if record["step"] == 1:
            run.raise_flag("pause")

    with monkeypatch.context() as patch:
        patch.setattr(Run, "append_metrics", interrupt)
        yield


def test_a_run_from_the_shell(arguments, tmp_path, capsys):
    assert main([*arguments, *out(tmp_path), "--method", "source-only", "--target-labels"]) == 0
    text = capsys.readouterr().out
    assert "adapted.safetensors (source-only, 2 steps)" in text
    assert "Scored on labels that were not used for training or selection." in text
    assert load_checkpoint(tmp_path / "run/adapted.safetensors").notes["adapted_with"] == "source-only"
    assert main(["runs", "show", str(tmp_path / "run")]) == 0
    assert "done" in capsys.readouterr().out
    assert main([*arguments, *out(tmp_path), "--method", "source-only", "--target-labels"]) == 2
    assert "RUN_EXISTS" in capsys.readouterr().err


def test_seeds_and_controls_side_by_side(arguments, tmp_path, capsys):
    assert main([*arguments, *out(tmp_path), "--seeds", "2", "--controls", "--target-labels", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["method"], one["seed"]) for one in found] == [("plca", 0), ("plca", 1), ("source-only", 0), ("adabn", 0)]
    folders = [str(tmp_path / name) for name in ("run", "run-seed1", "run-source-only", "run-adabn")]
    assert main(["runs", "compare", *folders]) == 0
    text = capsys.readouterr().out
    assert "over the better control" in text
    assert any(line.split()[:2] == ["plca", "2"] for line in text.splitlines())


def test_knobs_reach_the_run(arguments, tmp_path):
    knobs = ["--set", "association.alpha=0.25", "--set", "optimizer.name=sgd", "--set", "weights.lovasz=0"]
    assert main([*arguments, *out(tmp_path), *knobs]) == 0
    config = Run(tmp_path / "run").request.config
    assert (config.association.alpha, config.optimizer.name, config.weights.lovasz, config.steps) == (0.25, "sgd", 0, 2)


def test_a_stopped_run_goes_on(arguments, tmp_path, capsys, monkeypatch):
    options = [*arguments, *out(tmp_path), "--save-every", "1"]
    with pausing_after_the_first_step(monkeypatch):
        assert main(options) == 130
    assert "--resume" in capsys.readouterr().err
    assert main([*options, "--resume"]) == 0
    assert [record["step"] for record in Run(tmp_path / "run").read_metrics()] == [0, 1, 2]
    assert main([*arguments, *out(tmp_path), "--save-every", "1", "--seed", "5", "--resume"]) == 2
    assert "other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (["--steps", "0"], "steps must be at least 1, got 0"),
        (["--set", "alpha=1"], "alpha: Unexpected"),
        (["--set", "steps.x=1"], "steps has no parts"),
        (["--set", "alpha"], "--set must be KNOB=VALUE"),
        (["--target-include", "000"], "at least 2 target images, got 1"),
        (["--target", "nowhere"], "nowhere"),
    ],
)
def test_wrong_input_is_one_sentence(arguments, extra, expected, tmp_path, capsys):
    assert main([*arguments, *out(tmp_path), *extra]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert expected in error[-1]
    assert "Traceback" not in "".join(error)


def test_the_same_name_serves_again_after_a_refusal(arguments, tmp_path):
    assert main([*arguments, *out(tmp_path), "--target-include", "000"]) == 2
    assert main([*arguments, *out(tmp_path)]) == 0


def test_runs_of_the_machine(arguments, tmp_path, capsys):
    state = ["--state", str(tmp_path / "state")]
    assert main(["runs", *state]) == 0
    assert "No runs yet" in capsys.readouterr().out
    assert main(["runs", *state, "show", "nobody"]) == 2
    assert "RUN_NOT_FOUND" in capsys.readouterr().err
    assert main(["runs", *state, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.fixture
def paused(arguments, tmp_path, monkeypatch) -> Run:
    """A run in a folder of its own that was paused after its first of two steps."""
    real = Run.append_metrics
    with monkeypatch.context() as patch:
        patch.setattr(
            Run, "append_metrics", lambda run, record: (real(run, record), record["step"] == 1 and run.raise_flag("pause"))
        )
        assert main([*arguments, *out(tmp_path), "--method", "source-only", "--save-every", "100"]) == 130
    return Run(tmp_path / "run")


def test_a_run_of_the_shell_goes_on_from_anywhere(paused, tmp_path, capsys, monkeypatch):
    """Its worker is a child then, with torch and all; the device's lock is that of the state folder."""
    monkeypatch.chdir("/")
    assert main(["runs", "resume", str(paused.folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["state"], found["step"]) == ("done", 2), paused.read_log()
    assert [record["step"] for record in paused.read_metrics()] == [0, 1, 2]
    assert load_checkpoint(paused.adapted_path).notes["adaptation_step"] == 2
    assert (tmp_path / "state/devices/cpu.lock").exists()
    assert main(["runs", "resume", str(paused.folder)]) == 2
    assert "RUN_DONE" in capsys.readouterr().err


def test_what_waits_can_be_paused_and_cancelled(paused, capsys):
    """The device is held by this test, so that its run waits in the queue."""
    store = RunStore()
    with device_lock(store, "cpu"):
        waiting = Supervisor(store).start(paused.request)
        assert main(["runs", "list"]) == 0
        assert "queued, 1 before" in capsys.readouterr().out
        assert main(["runs", "pause", waiting.id]) == 0
        assert capsys.readouterr().out.startswith(f"{waiting.id} is paused at step 0.")
        Supervisor(store).resume(waiting)
        assert main(["runs", "cancel", waiting.id, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["state"] == "cancelled"
    assert main(["runs", "cancel", str(paused.folder)]) == 0
    assert "cancelled at step 1" in capsys.readouterr().out


def test_a_stopped_run_ends_its_series(arguments, tmp_path, monkeypatch):
    options = [*arguments, *out(tmp_path), "--seeds", "2", "--save-every", "1"]
    with pausing_after_the_first_step(monkeypatch):
        assert main(options) == 130
    assert not (tmp_path / "run-seed1").exists()
    assert main([*options, "--resume"]) == 0
    assert Run(tmp_path / "run-seed1").read_status().state == "done"
