"""Coverage-guided fuzzing of the decoder for some seconds: ``FUZZ_SECONDS``, or ``make fuzz SECONDS=600`` for longer."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT, stop_without

SECONDS = int(os.environ.get("FUZZ_SECONDS", "60"))
LONG_SECONDS = int(os.environ.get("FUZZ_SECONDS_LONG", "600"))


@pytest.mark.slow
@pytest.mark.timeout(max(SECONDS, LONG_SECONDS) + 280)
@pytest.mark.parametrize("seconds", [SECONDS, pytest.param(LONG_SECONDS, marks=pytest.mark.soak)], ids=["short", "long"])
def test_the_decoder_withstands_guided_fuzzing(tmp_path, tell, seconds):
    if importlib.util.find_spec("atheris") is None:
        stop_without("atheris is missing, so the decoder was NOT fuzzed; requirements-dev.txt has it for Python 3.11 to 3.13")
    command = [sys.executable, "-m", "tests.fuzz.decode", f"-max_total_time={seconds}", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(
        [*command, str(tmp_path / "corpus")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=seconds + 240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert re.search(r"\d{3} files found in \S*tests/fuzz/corpus\b", done.stdout), done.stdout[:2000]
    runs = re.search(r"Done (\d+) runs", done.stdout)
    assert runs, done.stdout[-4000:]
    tell(1, f"{int(runs[1]):,} files in {seconds} s of guided fuzzing, none ended otherwise than decoded or refused")
    assert int(runs[1]) > 100
