"""A sweep over pairs that is killed, interrupted or shared among processes ends with the bytes of one that was not."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pca_core.cli import main
from tests.conftest import ROOT
from tests.unit.test_adaptation_distributed import TORCHRUN
from tests.unit.test_many import many, write_list
from tests.unit.training_data import make_data

PAIRS = 120
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """Images, a net of one step, a list of pairs of which two cannot be read, and what comes of it without a stop."""
    root = tmp_path_factory.mktemp("sweep")
    make_data(root / "data", 12)
    (root / "data/images/11.png").write_bytes(b"no picture")
    arguments = ["--source", str(root / "data"), "--exclude", "11", "--steps", "1", "--batch-size", "1", "--short-side", "32"]
    assert main(["train", *arguments, "--out", str(root / "net.safetensors")]) == 0
    draw = random.Random(0)
    pairs = [(draw.randrange(11), draw.randrange(11)) for _ in range(PAIRS - 2)]
    write_list(root, [*pairs[:60], (3, 11), (11, 3), *pairs[60:]])
    assert finish([sys.executable, "-m", "pca_core.cli", *many(root, root / "whole")]) == 0
    return root


def finish(command: list[str]) -> int:
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=240, check=False)
    return done.returncode


def start(command: list[str], out: Path, count: int) -> subprocess.Popen:
    """A child in a session of its own that has written so many more lines."""
    before = count_lines(out)
    child = subprocess.Popen(
        command, cwd=ROOT, env=ENVIRONMENT, start_new_session=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 120
    while count_lines(out) < before + count:
        assert child.poll() is None, child.communicate()[1][-2000:]
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return child


def count_lines(out: Path) -> int:
    files = [out / "pairs.jsonl", *out.glob("parts/*.jsonl")]
    return sum(path.read_bytes().count(b"\n") for path in files if path.exists())


def assert_whole(world: Path, out: Path) -> None:
    for name in ("pairs.jsonl", "summary.json", "config.json"):
        assert (out / name).read_bytes() == (world / "whole" / name).read_bytes(), name
    assert {path.name for path in out.iterdir()} == {"pairs.jsonl", "summary.json", "config.json", ".lock"}


def test_killed_alone_and_beside_another_it_ends_with_the_same_bytes(world, tmp_path):
    arguments = ["-m", "pca_core.cli", *many(world, tmp_path / "out")]
    alone = start([sys.executable, *arguments], tmp_path / "out", 20)
    os.killpg(alone.pid, signal.SIGKILL)
    alone.communicate()
    with (tmp_path / "out/pairs.jsonl").open("ab") as file:
        file.write(b'{"pair":99,"id":"half a li')
    together = start([*TORCHRUN, *arguments], tmp_path / "out", 30)
    assert {path.name for path in (tmp_path / "out/parts").iterdir()} <= {"rank-0000.jsonl", "rank-0001.jsonl"}
    for process in [*psutil.Process(together.pid).children(recursive=True), together]:  # workers outlive their torchrun
        process.kill()
    together.communicate()
    assert 50 <= count_lines(tmp_path / "out") < PAIRS, "it was killed in the middle"
    assert finish([sys.executable, *arguments]) == 0
    assert_whole(world, tmp_path / "out")


def test_two_processes_equal_one(world, tmp_path):
    assert finish([*TORCHRUN, "-m", "pca_core.cli", *many(world, tmp_path / "out")]) == 0
    assert_whole(world, tmp_path / "out")


def test_ctrl_c_keeps_everything(world, tmp_path):
    child = start([sys.executable, "-m", "pca_core.cli", *many(world, tmp_path / "out")], tmp_path / "out", 20)
    child.send_signal(signal.SIGINT)
    out, errors = child.communicate(timeout=60)
    assert (child.returncode, out, errors.strip()) == (130, "", "cyclelens: interrupted.")
    kept = (tmp_path / "out/pairs.jsonl").read_bytes()
    assert 20 <= kept.count(b"\n") < PAIRS
    assert (world / "whole/pairs.jsonl").read_bytes().startswith(kept)
    assert not (tmp_path / "out/summary.json").exists()


def test_memory_is_flat(world):
    """Four times the pairs in the same process: kept maps would take 40 KiB a pair, 12 MiB in all. The first loads libraries."""
    lists = [write_list(world, [(a % 11, a // 11 % 11) for a in range(count)], f"{count}.csv") for count in (20, 100, 400)]
    command = [sys.executable, "-c", MEASURED, str(world / "net.safetensors"), *map(str, lists)]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=240, check=True)
    _, few, many_more = json.loads(done.stdout.splitlines()[-1])
    assert many_more < few + 4, f"{few:.1f} MiB for 100 pairs, {many_more:.1f} MiB for 400"


MEASURED = """
import json, sys
from pathlib import Path
from pca_core.cli import main
peaks = []
for pairs in sys.argv[2:]:
    Path("/proc/self/clear_refs").write_text("5")
    assert main(["associate", "--pairs", pairs, "--out", pairs + ".out", "--checkpoint", sys.argv[1]]) == 0
    status = Path("/proc/self/status").read_text().splitlines()
    peaks.append(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024)
print(json.dumps(peaks))
"""
