"""What a run reported, followed while it is written: always what a reading from the beginning would find, with less work."""

from __future__ import annotations

import itertools
import json
import os
import random
import threading
from pathlib import Path

import pytest

from pca_core.runs import Run, digest
from pca_core.runs.curves import trace_losses, trace_shares
from pca_core.runs.digest import MOST_LOOKS, MOST_POINTS, Digest, Follower, read_digest
from pca_core.runs.records import BLOCK_BYTES, MAX_LINE, encode


@pytest.fixture
def run(tmp_path) -> Run:
    """As much of a run as its metrics need."""
    (tmp_path / "run.json").write_text("{}")
    return Run(tmp_path)


@pytest.fixture
def parsed(monkeypatch) -> list[bytes]:
    """Every line that a follower parses from now on."""
    lines, real = [], digest.parse
    monkeypatch.setattr(digest, "parse", lambda line: lines.append(line) or real(line))
    return lines


def record(step: int, *, look: bool = False, life: int = 0) -> dict:
    """A record as a worker writes it; ``life`` tells those of before a resume from those of after it."""
    scores = {"source": {"miou": 50.0 + step % 7}, "target": {"miou": 10.0 + life}}
    return {
        "step": step,
        "losses": {"cross_entropy": 1 / (step + 1), "total": 2.0},
        "association": {"feature": {"rate": 0.5, "coverage": 0.25, "hubness": 0.1}},
        "seconds": 0.1 * (step % 5),
        "time": 1e9 + step + 1e6 * life,
        "health": {"entropy": 0.5, "retention": None, "vanished": ["sky"], "suggestion": "Go on."} if look else None,
        "scores": scores if look else None,
    }


def append(run: Run, steps, **kind) -> None:
    with run.metrics_path.open("ab") as file:
        file.writelines(encode(record(step, **kind)) for step in steps)


def test_only_what_was_added_is_read(run, parsed):
    follower = Follower(run)
    assert follower.look() == Digest()
    append(run, range(1000))
    first = follower.look()
    assert (first.step, len(parsed)) == (999, 1000)
    assert follower.look() is first
    append(run, [1000])
    assert follower.look().step == 1000
    assert len(parsed) == 1001


def test_figures_are_exact_and_points_are_few(run):
    for step in range(20_000):
        if step % 50 == 0:
            append(run, [step], look=True)
        else:
            append(run, [step])
    found, records = read_digest(run), run.read_metrics()
    assert len(records) == 20_000
    assert found.seconds == sum(one["seconds"] for one in records)
    assert found.step == 19_999
    assert (found.first["step"], found.last["step"]) == (0, 19_950)
    assert found.last["health"] == {"entropy": 0.5, "vanished": ["sky"], "suggestion": "Go on."}
    assert found.seconds_per_step == 1.0
    steps = [point["step"] for point in found.points]
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1]) == (0, 19_999)
    assert MOST_POINTS <= len(steps) <= 2 * (MOST_POINTS + MOST_LOOKS) + 1
    assert max(two - one for one, two in itertools.pairwise(steps)) <= 20_000 / MOST_POINTS
    by_step = {one["step"]: one for one in records}
    for curve in (*trace_losses(found.points), *trace_shares(found.points)):
        told = trace_losses if curve.kind == "loss" else trace_shares
        (exact,) = [one for one in told([by_step[step] for step in curve.steps]) if (one.kind, one.of) == (curve.kind, curve.of)]
        assert curve == exact


def test_a_short_run_is_kept_whole(run):
    append(run, range(MOST_POINTS), look=True)
    assert [point["step"] for point in read_digest(run).points] == list(range(MOST_POINTS))


def test_a_line_under_way_waits_for_its_end(run, parsed):
    follower, line = Follower(run), encode(record(1))
    with run.metrics_path.open("ab", buffering=0) as file:
        for byte in range(len(line) - 1):
            file.write(line[byte : byte + 1])
            if byte % 10 == 0:
                assert follower.look().step is None
        file.write(b"\n")
    assert follower.look().step == 1
    assert len(parsed) == 1


@pytest.mark.parametrize("last", [3, 30, 8])
def test_a_resume_takes_its_steps_again(run, last):
    """The file is then another one, be it shorter, longer or of the same length."""
    follower = Follower(run)
    append(run, range(8))
    assert follower.look().step == 7
    run.drop_metrics_after(2)
    append(run, range(3, last), life=1)
    assert follower.look() == read_digest(run)
    assert follower.look().step == last - 1


def test_a_file_of_the_same_number_is_told_by_its_content(run):
    """A system gives the number of a file that has gone to the next one."""
    follower = Follower(run)
    append(run, range(8))
    assert follower.look().step == 7
    number = run.metrics_path.stat().st_ino
    with run.metrics_path.open("r+b") as file:
        file.truncate()
        file.writelines(encode(record(step, life=1)) for step in range(20, 50))
    assert run.metrics_path.stat().st_ino == number
    assert follower.look() == read_digest(run)
    assert follower.look().points[0]["step"] == 20


def test_a_run_that_is_deleted_and_one_of_the_same_name(run):
    follower = Follower(run)
    append(run, range(8))
    assert follower.look().step == 7
    os.rename(run.metrics_path, run.folder / "old")
    assert follower.look() == Digest()
    append(run, range(2))
    assert follower.look().step == 1
    run.metrics_path.unlink()
    run.metrics_path.mkdir()
    assert follower.look() == read_digest(run) == Digest()
    assert run.read_metrics() == []


def test_whatever_happens_to_the_file_it_is_as_read_from_the_beginning(run):
    choose = random.Random(4)
    follower, step, life = Follower(run), 0, 0
    for _ in range(300):
        what = choose.choice(["append", "append", "append", "tear", "resume", "replace", "delete"])
        if what == "append":
            append(run, range(step, step + choose.randrange(60)), look=choose.random() < 0.2, life=life)
            step += 60
        elif what == "tear":
            with run.metrics_path.open("ab") as file:
                file.write(encode(record(step))[: choose.randrange(1, 80)])
        elif what == "resume":
            step, life = choose.randrange(step + 1), life + 1
            run.drop_metrics_after(step)
        elif what == "replace":
            run.metrics_path.write_bytes(b"".join(encode(record(one, life=life)) for one in range(choose.randrange(50))))
        else:
            run.metrics_path.unlink(missing_ok=True)
        if choose.random() < 0.7:
            assert follower.look() == read_digest(run), what


def test_many_viewers_share_one_reading(run, parsed):
    follower, barrier, found = Follower(run), threading.Barrier(9), []

    def watch() -> None:
        barrier.wait()
        told = []
        while not told or told[-1] != 499:
            step = follower.look().step
            if step is not None:
                told.append(step)
        found.append(told)

    threads = [threading.Thread(target=watch) for _ in range(8)]
    for thread in threads:
        thread.start()
    barrier.wait()
    for step in range(500):
        append(run, [step])
    for thread in threads:
        thread.join(60)
    assert len(found) == 8
    assert all(told == sorted(told) for told in found)
    assert len(parsed) == 500


DAMAGED = [
    b"null",
    b"[]",
    b"7",
    b'"text"',
    b"",
    b"{",
    b"{}",
    b"\xff\xfe\x00 no text \x80",
    b"\x00" * 100,
    b"[" * 100_000,
    b'{"step":' * 50_000,
    b'{"step": "3"}',
    b'{"step": true}',
    b'{"step": -1}',
    b'{"step": 1.5}',
    b'{"step": null}',
    b'{"step": 1e999}',
    b'{"step": ' + b"9" * 400 + b"}",
    b'{"step": ' + b"9" * 5000 + b"}",
    b'{"step": 3, "text": "' + b"x" * MAX_LINE + b'"}',
    b"x" * (2 * BLOCK_BYTES + 17),
]


@pytest.mark.parametrize("line", DAMAGED, ids=lambda line: repr(line[:24]))
def test_a_damaged_line_hides_no_other(run, line):
    follower = Follower(run)
    for step in (1, 2):
        append(run, [step], look=True)
        with run.metrics_path.open("ab") as file:
            file.write(line + b"\n")
        assert follower.look().step == step
    assert [one["step"] for one in run.read_metrics()] == [1, 2]
    assert follower.look() == read_digest(run)
    run.drop_metrics_after(1)
    assert run.metrics_path.read_bytes() == encode(record(1, look=True))


ODD = [
    None,
    [],
    [1],
    "text",
    True,
    7,
    float("nan"),
    float("inf"),
    -float("inf"),
    1e300,
    10**400,
    {},
    {"miou": "x"},
    {"rate": None},
]


@pytest.mark.parametrize("field", ["losses", "association", "seconds", "time", "health", "scores"])
@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:12])
def test_what_a_damaged_field_holds_is_left_out(run, field, value):
    append(run, [0, 1], look=True)
    levels = {"losses": "cross_entropy", "association": "feature", "health": "entropy", "scores": "source"}
    odd = [value, {levels[field]: value}] if field in levels else [value]
    if field == "association":
        odd.append({"feature": {"rate": value, "coverage": 0.5}})
    for one in odd:
        run.append_metrics(record(2, look=True) | {field: one})
    found = read_digest(run)
    assert found.step == 2
    json.dumps([found.points, found.first, found.last, found.seconds, found.seconds_per_step], allow_nan=False)
    for curve in (*trace_losses(found.points), *trace_shares(found.points)):
        assert all(abs(number) <= 1e102 for number in curve.values)
        assert curve.steps[:2] in ((0, 1), (0,))


def test_a_field_of_a_million_names_is_not_kept(run):
    run.append_metrics(record(0, look=True) | {"losses": {f"loss {number}": 1.0 for number in range(20_000)}})
    run.append_metrics(record(1) | {"health": {"vanished": ["x" * 5000] * 100, "entropy": 0.5, "other": 1}})
    found = read_digest(run)
    assert found.points[0]["losses"] == {}
    assert found.last["health"].keys() == {"entropy", "vanished"}
    assert len(json.dumps(found.points)) < 2 * 100 * 1100


def test_a_line_without_an_end_takes_no_memory(run):
    """Of a disk that went wild: what is kept of it is bounded, and the next line counts again."""
    follower = Follower(run)
    append(run, [1])
    with Path(run.metrics_path).open("ab") as file:
        for _ in range(6):
            file.write(b"y" * BLOCK_BYTES)
            file.flush()
            assert follower.look().step == 1
            assert len(follower._cutter._rest) <= MAX_LINE
        file.write(b'{"step": 9}\n')  # the end of that line, and no line
    assert follower.look() == read_digest(run)
    assert follower.look().step == 1
    append(run, [2])
    assert follower.look().step == 2
