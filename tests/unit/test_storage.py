"""A file that is being replaced is always the old one or the new one, whatever happens in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from pca_core.storage import write_atomic
from tests.conftest import ROOT

OLD = b"old" * 1000

FULL_DISK = """
import resource, runpy, signal, sys
write_atomic = runpy.run_path("pca_core/storage.py")["write_atomic"]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_atomic(sys.argv[1], b"n" * 1_000_000)
except OSError as error:
    print(type(error).__name__, error.errno)
"""

WRITE_FOREVER = """
import runpy, sys
write_atomic = runpy.run_path("pca_core/storage.py")["write_atomic"]
number = 0
while True:
    number += 1
    write_atomic(sys.argv[1], bytes([number % 251]) * (2_000_000 + number))
    print(number, flush=True)
"""


def child(code: str, path, **options) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True, **options)


def test_writes_and_replaces_and_makes_folders(tmp_path):
    path = tmp_path / "a" / "b" / "file.bin"
    write_atomic(path, OLD)
    assert path.read_bytes() == OLD
    write_atomic(str(path), b"")
    assert path.read_bytes() == b""
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(OLD)
    output, _ = child(FULL_DISK, path).communicate(timeout=60)
    assert output.split() == ["OSError", "27"]  # EFBIG, what a write beyond the limit raises
    assert path.read_bytes() == OLD
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "chmod", "replace"])
def test_a_failure_at_any_point_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch, call):
    path = tmp_path / "file.bin"
    path.write_bytes(OLD)

    def fail(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(KeyboardInterrupt):
            write_atomic(path, b"new")
    assert path.read_bytes() == OLD
    assert list(tmp_path.iterdir()) == [path]


def test_killed_while_writing_the_file_is_whole(tmp_path):
    """Write number n holds 2,000,000 + n bytes, all n: any mixture or cut of two writes would show."""
    path = tmp_path / "file.bin"
    for pause in (0.0, 0.002, 0.004, 0.007, 0.011, 0.013, 0.017, 0.029):
        with child(WRITE_FOREVER, path) as process:
            done = int(process.stdout.readline())
            time.sleep(pause)
            process.send_signal(signal.SIGKILL)
            done = max([done, *map(int, process.stdout.read().split())])
        data = path.read_bytes()
        number = len(data) - 2_000_000
        assert number in (done, done + 1)
        assert data == bytes([number % 251]) * len(data)


def test_a_folder_in_the_way_is_an_error(tmp_path):
    (tmp_path / "file.bin").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomic(tmp_path / "file.bin", OLD)
    assert [path.name for path in tmp_path.iterdir()] == ["file.bin"]
