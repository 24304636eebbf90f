"""docs/errors.md tells of every error code, and of no other."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from pca_core.checks import InputError, tidy
from pca_core.runs.faults import explain
from tests.conftest import ROOT

PAGE = ROOT / "docs/errors.md"
SOURCES = [path for folder in ("pca_core", "app") for path in sorted((ROOT / folder).rglob("*.py"))]
ERRORS = ("InputError", "AccessError", "_RefusedError")
CODE = re.compile(r"[A-Z]+(_[A-Z]+)*")
MADE_ELSEWHERE = {  # calls whose code is no text in that place, and where it comes from
    "pca_core/cli/adapt.py": "RUN_ and the code of a failed run",
    "pca_core/data/untrusted.py": "what the decoding child answered",
    "pca_core/models/pickled.py": "what the unpickling child printed",
    "pca_core/runs/preflight.py": "what the trying child answered",
}


def codes_in(source: str) -> tuple[set[str], int]:
    """Codes of the errors that a file makes, and how many of its errors have a code from elsewhere."""
    found, elsewhere = set(), 0
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ERRORS:
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant):
                found.add(first.value)
            else:
                elsewhere += 1
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).strip("()").startswith("code,"):
            found |= {part.value for part in getattr(node.value, "elts", [])[:1] if isinstance(part, ast.Constant)}
        elif isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            values = [value for key, value in pairs if getattr(key, "value", None) == "code"]
            found |= {value.value for value in values if isinstance(value, ast.Constant)}
    return {code for code in found if isinstance(code, str) and CODE.fullmatch(code)}, elsewhere


def failed_run_codes() -> set[str]:
    """``RUN_`` and what a run that failed says of itself."""
    source = Path(ROOT / "pca_core/runs/faults.py").read_text(encoding="utf-8")
    function = next(node for node in ast.walk(ast.parse(source)) if getattr(node, "name", "") == explain.__name__)
    words = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            value = node.value.elts[0] if isinstance(node.value, ast.Tuple) else node.value
            if ast.unparse(node.targets[0]).strip("()").startswith("code") and isinstance(value, ast.Constant):
                words.add(f"RUN_{value.value}".upper())
    return words


def used_codes() -> set[str]:
    return failed_run_codes().union(*(codes_in(path.read_text(encoding="utf-8"))[0] for path in SOURCES))


def told_codes() -> list[str]:
    return re.findall(r"^\| `([A-Z_]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_code_is_told_once_and_no_other():
    told = Counter(told_codes())
    assert {code for code, count in told.items() if count > 1} == set()
    assert used_codes() - set(told) == set(), "add these to docs/errors.md"
    assert set(told) - used_codes() == set(), "docs/errors.md tells of these, but nothing raises them"


def test_each_has_a_sentence_and_something_to_do():
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    for row in rows:
        _, _, meaning, to_do, _ = map(str.strip, row.split("|"))
        assert meaning.endswith("."), row
        assert to_do, row


def test_codes_from_elsewhere_are_those_that_are_known():
    """Whoever makes a code out of other texts would be missed above."""
    counts = {path.relative_to(ROOT).as_posix(): codes_in(path.read_text(encoding="utf-8"))[1] for path in SOURCES}
    assert {name for name, count in counts.items() if count} == set(MADE_ELSEWHERE)


def test_a_sentence_stays_one_line_whatever_is_named_in_it():
    error = InputError("A_CODE", "a\nb\tc\x1b[31md\u202ee\ud800 → × é 漢")
    assert str(error) == "a b c [31md e  → × é 漢"
    assert tidy("../x\n\u202e") == "x"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('raise InputError("A_CODE", "x")', {"A_CODE"}),
        ('raise checks.InputError("B_CODE", f"x {y}")', {"B_CODE"}),
        ('code, message = "C_CODE", "x"', {"C_CODE"}),
        ('answer = {"code": "D_CODE", "message": m}', {"D_CODE"}),
        ('raise ValueError("E_CODE")', set()),
    ],
)
def test_codes_are_seen_however_they_are_written(source, found):
    assert codes_in(source)[0] == found
