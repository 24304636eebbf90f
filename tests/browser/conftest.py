"""Fixtures for tests in a real Chromium: ``serve`` an app, open a ``page``.

Set ``CYCLELENS_CHROMIUM`` to the path of a Chromium or Chrome that is not on PATH. Without a browser these tests are
skipped; with ``CI=true`` that is a failure.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pca_core.cli.doctor import find_chromium
from tests.conftest import stop_without

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]
START_SECONDS = 30


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A running Chromium, shared by all tests; open pages through ``page`` or ``new_page``."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        stop_without("Playwright is not installed: pip install playwright")
    with sync_playwright() as playwright:
        path = os.environ.get("CYCLELENS_CHROMIUM") or find_chromium()
        path = path or playwright.chromium.executable_path
        if not Path(path).exists():
            stop_without("No Chromium found: install chromium, or run `playwright install chromium`")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def new_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Open pages with context options, e.g. ``new_page(device_scale_factor=2)``; each has a session of its own."""
    contexts = []

    def open_page(**options: object) -> Page:
        context = chromium.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        contexts.append(context)
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """A blank page of 1440 x 900."""
    return new_page()


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Start ``streamlit run SCRIPT OPTIONS`` once per script and options, and return its address."""
    servers: dict[tuple[str, ...], tuple[str, subprocess.Popen]] = {}

    def start(script: Path, *options: str, settings: dict[str, str] | None = None) -> str:
        name = (str(script), *options, *map(str, (settings or {}).items()))
        if name not in servers:
            log = tmp_path_factory.mktemp("serve") / "log.txt"
            servers[name] = start_server(script, options, log, settings or {})
        return servers[name][0]

    yield start
    for _, server in servers.values():
        server.terminate()
        try:
            server.wait(timeout=5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def start_server(script: Path, options: tuple[str, ...], log: Path, changes: dict[str, str]) -> tuple[str, subprocess.Popen]:
    """Address and process of a server whose settings are changed like that."""
    port = find_free_port()
    settings = {
        "server.address": "127.0.0.1",
        "server.port": str(port),
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        **changes,
    }
    flags = [f"--{key}={value}" for key, value in settings.items()]
    command = [sys.executable, "-m", "streamlit", "run", str(script), *flags, *(["--", *options] if options else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    with log.open("w") as output:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START_SECONDS
    while not _is_healthy(address):
        if server.poll() is not None or time.monotonic() > deadline:
            server.kill()
            pytest.fail(f"{script.name} did not start within {START_SECONDS} s:\n{log.read_text()}")
        time.sleep(0.1)
    return address, server


def _is_healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=1) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
