"""What ``docs/deploy.md`` and ``docs/reliability.md`` say is there; the proxies of the first are tried by ``make soak``."""

from __future__ import annotations

import re
import shlex

import pytest

from app.access import AccessError, check_address, has_login
from app.entrance import read_flags
from pca_core.cli import build_parser, main
from tests.conftest import ROOT

DEPLOY = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
RELIABILITY = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(?:ExecStart=\S*/)?(cyclelens [^:\n]*)$", DEPLOY, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_understood(command):
    arguments = build_parser().parse_args(shlex.split(command)[1:])
    assert arguments.command == "app"


def test_the_documentation_has_commands():
    assert len(COMMANDS) >= 7


def test_the_server_is_told_all_that_the_command_was(monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr("os.execv", lambda _, command: given.extend(command))
    monkeypatch.chdir(tmp_path)
    flags = ["--address", "0.0.0.0", "--public", "--token-file", "token", "--allow-host", "box", "--allow-host", "*.lab"]
    main(["app", *flags])
    settings, own = given[: given.index("--")], given[given.index("--") + 1 :]
    assert "--server.address=0.0.0.0" in settings
    assert own == ["--token-file", str(tmp_path / "token"), "--allow-host=box", "--allow-host=*.lab", "--public"]
    monkeypatch.setattr("sys.argv", ["server.py", *own])
    found = read_flags()
    assert (found.public, found.token_file, found.allow_host) == (True, str(tmp_path / "token"), ["box", "*.lab"])


def test_the_refusal_is_as_it_is_told():
    with pytest.raises(AccessError) as error:
        check_address("0.0.0.0", is_public=False, is_guarded=True)
    assert f"cyclelens: {error.value} [{error.value.code}]" in DEPLOY


def test_the_example_of_a_login_is_one(tmp_path):
    (tmp_path / "secrets.toml").write_text(re.search(r"```toml\n(.*?)```", DEPLOY, re.DOTALL)[1], encoding="utf-8")
    assert has_login([tmp_path])


def test_every_promise_names_tests_that_are_there():
    rows = re.findall(r"^\| (\d+) \|[^|]*\|([^|]*)\|", RELIABILITY, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 11))
    known = {path.name: path for path in (ROOT / "tests").rglob("test_*.py")}
    for number, cell in rows[3:]:  # the first three are written beside the pipelines that they test
        for name in re.findall(r"`([^`]*)`", cell):
            path, _, test = name.partition("::")
            file = known.get(path.rpartition("/")[2])
            assert file is not None, f"promise {number}: {name}"
            assert file.as_posix().endswith(path)
            assert f"def {test}(" in file.read_text(encoding="utf-8") or not test, f"promise {number}: {name}"
