"""Every command in README and docs is run on small data, held against its parser, or it is written down why not."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import zipfile
from glob import glob
from pathlib import Path

import pytest
import torch

from pca_core.cli import build_parser, main
from tests.conftest import ROOT, make_pair
from tests.docs.pages import PAGES, Block, find_inline_code, read_blocks
from tests.docs.plan import PARSED, SHORTER, SKIPPED, Plan, make_plan
from tests.docs.world import make_world

BLOCKS = [block for page in PAGES for block in read_blocks(page)]
WITH_COMMANDS = [page for page in PAGES if any(block.is_shell or block.language == "python" for block in read_blocks(page))]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("docs") / "world"
    make_world(root)
    return root


@pytest.fixture
def place(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the world to run one page's commands in, one after the other, as a reader would."""
    shutil.copytree(world, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    monkeypatch.setenv("CYCLELENS_STATE", str(tmp_path / "state"))
    return tmp_path / "place"


def carry_out(plan: Plan, where: str) -> None:
    if plan.action == "run":
        argv = [name for word in plan.argv for name in (sorted(glob(word)) or [word])]  # as a shell does
        assert main(argv) == 0, f"{where}: cyclelens {shlex.join(plan.argv)} failed"
    elif plan.action == "parse":
        build_parser().parse_args(list(plan.argv))
    elif plan.action == "dry-run":
        subprocess.run([plan.argv[0], "-n", *plan.argv[1:]], cwd=ROOT, check=True, capture_output=True)
    elif plan.action == "unzip":
        archive, _, folder = plan.argv
        zipfile.ZipFile(archive).extractall(folder)
    elif plan.action == "script":
        check_script(plan.argv, where)


def check_script(words: tuple[str, ...], where: str) -> None:
    """The script is there and its source names every option: running it would take minutes."""
    name = words[1].replace(".", "/") + ".py" if words[0] == "-m" else words[0]
    text = (ROOT / name).read_text(encoding="utf-8")
    for option in (word.partition("=")[0] for word in words if word.startswith("--")):
        assert f'"{option}"' in text, f"{where}: {name} has no option {option}"


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.stem)
def test_the_commands_of_a_page_work_in_their_order(page: Path, place: Path):
    for block in read_blocks(page):
        if block.language == "python":
            run_python(block)
        for command in block.commands() if block.is_shell else ():
            carry_out(make_plan(command), block.name)


def run_python(block: Block) -> None:
    """Execute a block with what its page takes for granted; long loops are cut short."""
    pair = make_pair(seed=1)
    given = {
        "source_features": pair.source_features, "target_features": pair.target_features, "source_labels": pair.source_labels,
        "source": pair.source_features[None].requires_grad_(), "target": pair.target_features[None],
        "labels": pair.source_labels[None],
    }  # fmt: skip
    text = block.text
    for pattern, shorter in PYTHON_SHORTER:
        text = re.sub(pattern, shorter, text)
    with torch.enable_grad():
        exec(compile(ast.parse(text, block.name), block.name, "exec"), given)


PYTHON_SHORTER = (
    (r"seed=1\)", "seed=1, steps=1, batch_size=2, held_out=1, short_side=64)"),
    (r"index=1234", "index=3"),
    (r"streets:(noon|dusk-rain)", r"assets/streets/\1"),
    (r"divmod\([^)]*\)", r"divmod(3, 9)"),
)


def test_a_command_that_no_table_knows_is_told():
    with pytest.raises(LookupError, match="No test knows what to do with `frobnicate"):
        make_plan("frobnicate --now")


def test_an_option_that_is_not_there_fails():
    with pytest.raises(SystemExit):
        carry_out(make_plan("cyclelens app --no-such-option"), "here")
    with pytest.raises(subprocess.CalledProcessError):
        carry_out(make_plan("make no-such-target"), "here")
    with pytest.raises(AssertionError, match="no option --no-such"):
        carry_out(make_plan("python scripts/take_screenshots.py --no-such 1"), "here")


def test_no_line_of_the_tables_is_left_over():
    """What the docs no longer say has no line here: a table of dead exceptions hides new ones."""
    commands = [command for block in BLOCKS if block.is_shell for command in block.commands()]
    for pattern, reason in PARSED + SKIPPED:
        assert reason
        assert any(re.search(pattern, command) for command in commands), f"nothing in the docs matches {pattern}"
    for pattern, _ in SHORTER:
        assert any(re.search(pattern, command) for command in commands), f"nothing in the docs matches {pattern}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_within_sentences_exist(page: Path):
    parser = build_parser()
    choices = next(action for action in parser._actions if action.dest == "command").choices
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for code in find_inline_code(page):
        words = code.split()
        if words[0] == "make" and len(words) > 1:
            assert words[1] in targets, f"{page.name}: `{code}` names no target of the Makefile"
        if words[0] == "cyclelens" and len(words) > 1 and re.fullmatch(r"[a-z-]+", words[1]):
            assert words[1] in choices, f"{page.name}: `{code}` names no command"
            known = choices[words[1]].format_help()
            for option in (word for word in words if re.fullmatch(r"--[a-z-]+", word)):
                assert words[1] == "runs" or option in known, f"{page.name}: `{code}` names an option that is not there"
