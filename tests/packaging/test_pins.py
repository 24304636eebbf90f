"""Pinned releases: all of them, the same everywhere, and an audit that does not take silence for safety."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from scripts.audit import CLEAN, FILES, NOT_AUDITED, VULNERABLE, ask, judge, read_pins
from tests.conftest import ROOT

PINS = {"filelock": "4.2.11", "numpy": "2.4.6"}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needs_of(name: str) -> set[str]:
    """What an installed release needs on this machine, without its extras; nothing when it is not installed here."""
    try:
        lines = distribution(name).requires or []
    except PackageNotFoundError:
        return set()
    needs = (Requirement(line) for line in lines)
    return {canonical(need.name) for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})}


@pytest.mark.parametrize(
    "files",
    [
        ("requirements.txt",),
        ("requirements.txt", "requirements-models.txt"),
        ("requirements.txt", "requirements-login.txt"),
        ("requirements.txt", "requirements-bench.txt"),
        ("requirements-audit.txt",),
    ],
    ids=str,
)
def test_what_pinned_releases_need_is_pinned_too(files: tuple[str, ...]):
    pins = read_pins([ROOT / file for file in files])
    loose = {need: name for name in pins for need in needs_of(name) if need not in pins}
    # What torch's build with CUDA needs is pinned by torch itself, to the very release.
    assert {need: name for need, name in loose.items() if name != "torch"} == {}


def test_every_dependency_and_extra_of_the_project_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + [line for lines in project["optional-dependencies"].values() for line in lines]
    pins = read_pins([ROOT / name for name in ("requirements.txt", "requirements-models.txt", "requirements-login.txt")])
    for need in map(Requirement, wanted):
        assert need.specifier.contains(pins[canonical(need.name)]), f"{need} and the pin {pins[canonical(need.name)]} disagree"


def test_no_file_pins_another_release_than_its_neighbours():
    seen: dict[str, tuple[str, str]] = {}
    for file in FILES:
        for name, version in read_pins([ROOT / file]).items():
            other, where = seen.setdefault(name, (version, file))
            assert version == other, f"{name} is {version} in {file} and {other} in {where}"


def test_the_lock_has_the_runtime_pins_with_hashes():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    runtime = read_pins([ROOT / "requirements.txt"])
    assert read_pins([ROOT / "requirements.lock"]) == {name: version for name, version in runtime.items() if name != "torch"}
    blocks = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", block) for block in blocks)


def entry(name: str, *ids: str) -> dict:
    return {"name": name, "version": PINS[name], "vulns": [{"id": one} for one in ids]}


SKIPPED = {"name": "numpy", "skip_reason": "Dependency not found on PyPI and could not be audited: numpy (2.4.6)"}


@pytest.mark.parametrize(
    ("dependencies", "status", "says"),
    [
        ([entry("filelock"), entry("numpy")], CLEAN, "2 pinned releases looked up, none is known to be vulnerable."),
        ([entry("filelock"), entry("numpy", "CVE-1", "CVE-2")], VULNERABLE, "numpy 2.4.6: CVE-1, CVE-2"),
        ([entry("filelock"), SKIPPED], NOT_AUDITED, "NOT AUDITED: 1 of 2 pinned releases could not be looked up: numpy."),
        ([entry("filelock", "CVE-1"), SKIPPED], VULNERABLE, "could not be looked up: numpy."),
        ([entry("filelock")], NOT_AUDITED, "1 of 2"),  # one is not even spoken of
        ([SKIPPED], NOT_AUDITED, "no vulnerability service could be reached"),  # what pip-audit calls a success
    ],
)
def test_an_audit_is_clean_only_if_everything_was_looked_up(dependencies: list, status: int, says: str):
    found, text = judge({"dependencies": dependencies, "fixes": []}, PINS)
    assert found == status
    assert says in text


def test_an_auditor_that_fails_is_not_a_clean_audit(tmp_path: Path):
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('no network')")
    report = ask([sys.executable, str(broken)], [ROOT / "requirements.txt"])
    assert report is None
    assert judge(report, PINS)[0] == NOT_AUDITED


def test_the_auditor_is_asked_about_every_file(tmp_path: Path):
    stand_in = tmp_path / "auditor.py"
    stand_in.write_text("import json, sys; print(json.dumps({'dependencies': [], 'asked': sys.argv[1:]}))")
    files = [ROOT / name for name in FILES]
    asked = ask([sys.executable, str(stand_in)], files)["asked"]
    assert [word for word in asked if word.endswith(".txt")] == [str(file) for file in files]
    assert "--no-deps" in asked
