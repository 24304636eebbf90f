from __future__ import annotations

import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.browser.conftest import start_server
from tests.conftest import ROOT

TAB_SECONDS = 2  # after which the state of a closed tab is let go; two minutes usually


@dataclass(frozen=True)
class Server:
    """A running app."""

    address: str
    pid: int

    @property
    def megabytes(self) -> float:
        """Resident memory of the server."""
        return psutil.Process(self.pid).memory_info().rss / 2**20

    def wait_until_idle(self, seconds: float = 90) -> None:
        """Until it computes nothing for a second."""
        process, deadline = psutil.Process(self.pid), time.monotonic() + seconds
        process.cpu_percent()
        while process.cpu_percent(1) > 5:
            assert time.monotonic() < deadline, f"the server was busy for {seconds:g} s though nobody asked for anything"

    def read_metrics(self, family: str) -> dict[str, float]:
        """What Streamlit counts itself: labels → value."""
        with urllib.request.urlopen(f"{self.address}/_stcore/metrics?families={family}", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        found = (re.fullmatch(rf"{family}({{.*}})? (\S+)", line) for line in lines)
        return {match[1] or "": float(match[2]) for match in found if match}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Server]]:
    """Starts servers that are ended after the tests of a file."""
    processes = []

    def start() -> Server:
        log: Path = tmp_path_factory.mktemp("server") / "log.txt"
        settings = {"server.disconnectedSessionTTL": str(TAB_SECONDS)}
        address, process = start_server(ROOT / "app/server.py", (), log, settings)
        processes.append(process)
        return Server(address, process.pid)

    yield start
    for process in processes:
        process.terminate()
        process.wait(20)
