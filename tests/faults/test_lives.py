"""One run, killed again and again: every life goes on from the last checkpoint, and the end is that of a run nobody killed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pca_core.runs import Run, checkpoints
from pca_core.runs.folder import create_folder
from pca_core.runs.store import describe_environment
from tests.faults.lives import Lives

KILLED = -9
SHORT = {"steps": 3, "evaluate_every": 3, "save_every": 1}
POINTS = (  # an operation (of Python's audit events), a part of its path, which of them
    ("os.rename", "/inputs.json", 1),
    ("os.rename", "/status.json", 2),
    ("open", "/metrics.jsonl", 2),
    ("os.rename", "/previews/step-000000", 1),
    ("os.mkdir", "/checkpoints/.writing-", 1),
    ("open", "/MANIFEST.json", 1),
    ("os.rename", "/checkpoints/step-000002", 1),
    ("os.rename", "/checkpoints/step-000004", 1),
    ("os.rename", "/metrics.jsonl", 1),
    ("shutil.rmtree", "/checkpoints/step-000002", 1),
    ("os.rename", "/heartbeat", 1),
    ("os.rename", "/previews/step-000008", 1),
    ("os.rename", "/adapted.safetensors", 1),
    ("os.remove", "/reserve", 1),
)


@pytest.fixture(scope="module")
def lives() -> Iterator[Lives]:
    lives = Lives()
    yield lives
    lives.close()


@pytest.fixture
def run_of(tmp_path: Path, request_of) -> Callable[[str], Run]:
    def make(name: str = "run", save_every: int = 2, **changes: object) -> Run:
        knobs = {"steps": 8, "evaluate_every": 3, "with_teacher": True, **changes}
        return create_folder(tmp_path / name, request_of(save_every, **knobs), describe_environment())

    return make


def check_checkpoints(run: Run, least: int) -> int:
    """The newest that is listed passes its hash and is no older than before; returns its step."""
    newest = checkpoints.find_newest(run.checkpoints_folder)
    assert newest == checkpoints.find_listed(run.checkpoints_folder)
    step = 0 if newest is None else checkpoints.step_of(newest)
    assert step >= least
    return step


def check_end(run: Run, whole: Run) -> None:
    assert run.read_status().state == "done"
    assert [record["step"] for record in run.read_metrics()] == [record["step"] for record in whole.read_metrics()]
    assert run.adapted_path.read_bytes() == whole.adapted_path.read_bytes()
    assert left_behind(run) == []


def left_behind(run: Run) -> list[str]:
    """What was half written, and the reserve."""
    return [
        str(path.relative_to(run.folder)) for path in run.folder.rglob("*") if path.name.startswith(".") or path.name == "reserve"
    ]


def test_killed_at_every_point(run_of, lives, tell):
    whole, run, step = run_of("whole"), run_of(), 0
    assert lives.live(whole) == 0
    for point in POINTS:
        assert lives.live(run, kill_before=point) == KILLED, f"{point} never came"
        step = check_checkpoints(run, step)
    assert lives.live(run) == 0
    check_end(run, whole)
    tell(4, f"{len(POINTS)} kills at named points of one run: every newest checkpoint whole")
    tell(5, f"{len(POINTS) + 1} lives equal one, bit for bit")


def kill_at_random(run_of, lives, kills: int, draw_fate: Callable[[Run, float], dict]) -> int:
    """Kill runs until so many kills are done; returns how many runs that were.

    ``draw_fate`` is given the run and the seconds within which to kill, which follow the pace of the machine: four kills a run.
    """
    whole, started, runs, done = run_of("whole", **SHORT), time.monotonic(), 0, 0
    assert lives.live(whole) == 0
    seconds = time.monotonic() - started
    while done < kills:
        run, step = run_of(f"run-{runs}", **SHORT), 0
        while lives.live(run, **draw_fate(run, seconds)) == KILLED:
            done, seconds = done + 1, seconds * 1.1
            step = check_checkpoints(run, step)
        check_end(run, whole)
        runs, seconds = runs + 1, seconds * 0.7
    return runs


def test_killed_before_any_write(run_of, lives, tell):
    draw = random.Random(0)  # a run writes 133 times, its last life 24 times
    runs = kill_at_random(run_of, lives, 20, lambda run, _: {"kill_before": ("", str(run.folder), draw.randint(1, 90))})
    tell(4, f"20 kills before random writes survived by {runs} runs, each with the weights of one that nobody killed")


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_killed_at_any_moment_two_hundred_times(run_of, lives, tell):
    draw = random.Random(0)
    runs = kill_at_random(run_of, lives, 200, lambda _, seconds: {"kill_after": draw.uniform(0.02, seconds)})
    tell(4, f"200 kills at random moments survived by {runs} runs, each with the weights of one that nobody killed")


def fill_disk(run_of, lives, most: int) -> tuple[int, int]:
    """Run beside a disk on which files of some sizes do not fit; returns how many sizes those were, and how many lives said so.

    The sizes are those of files of a whole run, each once, the smallest first: ``most`` of them, evenly chosen.
    """
    whole, run, step, told = run_of("whole"), run_of(), 0, 0
    assert lives.live(whole) == 0
    sizes = sorted({path.stat().st_size for path in whole.folder.rglob("*") if path.is_file()} - {0})
    sizes = sizes[:: -(-len(sizes) // most)]
    for size in sizes:
        assert lives.live(run, file_bytes=size - 1) in (1, 2)
        step = check_checkpoints(run, step)
        status = run.read_status()
        assert status.state in ("failed", "queued", "starting", "running")  # where not even a status fits, the one before stays
        if status.state == "failed":
            assert status.code == "disk", status.message
            told += 1
    assert told > 0, "no life could say what befell it"
    assert lives.live(run) == 0
    check_end(run, whole)
    return len(sizes), told


def test_a_disk_that_is_full_at_some_sizes(run_of, lives, tell):
    sizes, told = fill_disk(run_of, lives, 6)
    tell(4, f"a disk that is full at {sizes} sizes of file: no checkpoint lost, {told} lives failed with the code disk")


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_disk_that_is_full_at_every_size(run_of, lives, tell):
    sizes, told = fill_disk(run_of, lives, 10_000)
    tell(4, f"a disk that is full at each of {sizes} sizes of file: no checkpoint lost, {told} lives failed with the code disk")


def test_memory_that_runs_out_is_told_and_the_run_goes_on_where_there_is_more(run_of, lives):
    whole, run = (run_of(name, steps=4) for name in ("whole", "run"))
    assert lives.live(whole) == 0
    assert lives.live(run, room=24) == 2
    status = run.read_status()
    assert (status.state, status.code) == ("failed", "oom"), status.message
    assert lives.live(run) == 0
    assert run.adapted_path.read_bytes() == whole.adapted_path.read_bytes()
