"""What README and docs say: fenced blocks, commands in them, links, pictures, inline code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
SHELL = ("", "sh", "bash", "shell", "console")
COMMANDS = (
    "cyclelens",
    "make",
    "pip",
    "python",
    "python3",
    "torchrun",
    "docker",
    "streamlit",
    "unzip",
    "openssl",
    "git",
    "uv",
    "curl",
)
"""A plain block counts as shell if its first line begins with one of these, else it is a drawing or a file."""


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_shell(self) -> bool:
        if self.language not in SHELL:
            return False
        first = next((line for line in self.text.splitlines() if line.strip() and not line.startswith("#")), "")
        return bool(self.language) or strip_settings(first).partition(" ")[0] in COMMANDS

    def commands(self) -> list[str]:
        """One string a command: comments dropped, continued lines joined, ``$ `` prompts taken off."""
        joined = self.text.replace("\\\n", " ")
        lines = (re.sub(r"(^|\s)#.*", "", line).removeprefix("$ ").strip() for line in joined.splitlines())
        return [re.sub(r"\s+", " ", line) for line in lines if line]


def strip_settings(command: str) -> str:
    """A command without the ``NAME=value`` before it."""
    return re.sub(r"^(?:[A-Z_]+=(?:\$\([^)]*\)|\S*)\s+)+", "", command)


def read_blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, also within lists."""
    blocks, opened, lines = [], None, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = re.match(r"\s*```(\w*)", line)
        if fence and opened is None:
            opened, lines = (number, fence[1]), []
        elif fence:
            blocks.append(Block(page, opened[0], opened[1], "\n".join(lines)))
            opened = None
        elif opened:
            lines.append(line.strip() if opened[1] in SHELL else line)
    assert opened is None, f"{page}: a block that begins on line {opened} never ends"
    return blocks


def read_prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^\s*```.*?^\s*```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def find_links(page: Path) -> list[str]:
    """Targets of links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", read_prose(page))


def find_inline_code(page: Path) -> list[str]:
    return [re.sub(r"\s+", " ", code) for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", read_prose(page))]


def make_anchor(heading: str) -> str:
    """The anchor that a heading gets on the web: lower case, punctuation dropped, spaces to hyphens."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).strip().lower()).replace(" ", "-")


def find_anchors(page: Path) -> set[str]:
    return {make_anchor(heading) for heading in re.findall(r"^#+ (.+)$", read_prose(page), re.MULTILINE)}
