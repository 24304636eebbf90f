"""What ``pip install .`` gives: a wheel with every file that the app reads, that works away from the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from zipfile import ZipFile

import pytest

from scripts.served import find_free_port, wait_until_healthy
from tests.conftest import ROOT

NEEDED_TO_BUILD = ("pca_core", "app", "assets", "pyproject.toml", "setup.py", "README.md", "LICENSE")
OFFLINE = ("--no-deps", "--no-index")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing of an earlier build goes along."""
    copy, out = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("wheel")
    for name in NEEDED_TO_BUILD:
        place = ROOT / name
        (shutil.copytree if place.is_dir() else shutil.copy)(place, copy / name, **_without_caches(place))
    command = [sys.executable, "-m", "pip", "wheel", "-q", *OFFLINE, "--no-build-isolation", "-w", str(out), str(copy)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return next(out.glob("cyclelens-*.whl"))


def _without_caches(place: Path) -> dict:
    return {"ignore": shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc")} if place.is_dir() else {}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in a folder of its own; its dependencies are those of the tests."""
    site = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "-q", *OFFLINE, "--target", str(site), str(wheel)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return site


def start(installed: Path, *arguments: str, **options) -> subprocess.Popen:
    """The installed ``cyclelens``, from another folder."""
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(installed / "bin" / "cyclelens"), *arguments]
    return subprocess.Popen(command, cwd=installed.parent, env=environment, text=True, stdout=subprocess.PIPE, **options)


def test_every_file_that_code_may_read_is_in_the_wheel(wheel: Path):
    names = set(ZipFile(wheel).namelist())
    for top, place in {"pca_core": "pca_core", "app": "app", "assets": "pca_core/assets"}.items():
        for file in (file for file in (ROOT / top).rglob("*") if file.is_file() and "__pycache__" not in file.parts):
            name = file.relative_to(ROOT).as_posix()
            expected = name.replace(top, place, 1)
            assert expected in names, f"{name} should be in the wheel as {expected}: tell pyproject.toml or setup.py"


def test_nothing_else_is_in_the_wheel(wheel: Path):
    tops = {name.partition("/")[0] for name in ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"pca_core", "app"}


def test_doctor_from_the_wheel_finds_all(installed: Path):
    process = start(installed, "doctor")
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0, text
    assert text.strip().endswith("All is well.")


def test_doctor_names_what_a_broken_installation_lacks(installed: Path, tmp_path: Path):
    broken = tmp_path / "site"
    shutil.copytree(installed, broken, ignore=shutil.ignore_patterns("*.safetensors"))
    process = start(broken, "doctor")
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert f"Missing: {broken / 'pca_core/assets/compact_noon.safetensors'}." in text


def test_a_command_from_the_wheel_uses_the_built_in_data(installed: Path):
    process = start(installed, "inspect-data", "streets:noon", "--json")
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert str(installed / "pca_core" / "assets" / "streets" / "noon") in text


@pytest.fixture
def served(installed: Path) -> Iterator[str]:
    port = find_free_port()
    server = start(installed, "app", "--headless", "--port", str(port), stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_healthy(url, server)
        yield url
    finally:
        server.terminate()
        server.communicate(timeout=30)


def ask_socket(url: str, host: str) -> int:
    """HTTP status with which the address of the app's socket answers a page of ``host``."""
    connection = HTTPConnection(url.removeprefix("http://"), timeout=10)
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "A" * 22 + "==",
    }
    connection.request("GET", "/_stcore/stream", headers={"Host": host, **upgrade})
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_app_from_the_wheel_serves_under_the_shipped_settings(served: str):
    assert ask_socket(served, served.removeprefix("http://")) == 101
    assert ask_socket(served, "elsewhere.example") == 403  # .streamlit/config.toml came along and is read
