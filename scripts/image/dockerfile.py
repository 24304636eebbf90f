"""Read a Dockerfile of the simple kind that ours is: no heredocs, no ``ONBUILD``, no shell form of ``CMD``."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Step:
    """One instruction, e.g. ``Step("RUN", "pip install .")``."""

    word: str
    rest: str

    @property
    def arguments(self) -> list[str]:
        """The JSON form as a list, else words as a shell takes them apart."""
        return json.loads(self.rest) if self.rest.startswith("[") else shlex.split(self.rest)


@dataclass
class Stage:
    """What follows one ``FROM``."""

    base: str
    name: str
    steps: list[Step] = field(default_factory=list)

    def find(self, word: str) -> list[Step]:
        return [step for step in self.steps if step.word == word]

    def read_command(self) -> list[str]:
        """What the container runs: ``ENTRYPOINT`` followed by ``CMD``."""
        return [part for word in ("ENTRYPOINT", "CMD") for step in self.find(word)[-1:] for part in step.arguments]

    def read_health_check(self) -> list[str]:
        """The command of ``HEALTHCHECK``."""
        return json.loads(self.find("HEALTHCHECK")[-1].rest.partition("CMD ")[2])


def split_steps(text: str) -> list[Step]:
    """Instructions in order, comments dropped, continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [
        Step(word.upper(), rest.strip())
        for word, _, rest in (line.strip().partition(" ") for line in joined.splitlines())
        if word
    ]


def read_dockerfile(path: Path, arguments: dict[str, str] | None = None) -> list[Stage]:
    """The stages of a Dockerfile.

    Args:
        path: The file.
        arguments: Values of ``ARG`` that stand before the first ``FROM``, over the defaults written there.

    Raises:
        ValueError: An instruction stands before the first ``FROM`` that is no ``ARG``.
    """
    stages: list[Stage] = []
    known: dict[str, str] = {}
    for step in split_steps(path.read_text(encoding="utf-8")):
        if step.word == "FROM":
            base, _, name = fill_in(step.rest, known).partition(" AS ")
            stages.append(Stage(base, name or str(len(stages))))
        elif stages:
            stages[-1].steps.append(step)
        elif step.word == "ARG":
            name, _, default = step.rest.partition("=")
            known[name] = (arguments or {}).get(name, default)
        else:
            raise ValueError(f"{path}: {step.word} stands before the first FROM, where only ARG may. Move it below.")
    return stages


def fill_in(text: str, values: dict[str, str]) -> str:
    """``$NAME`` and ``${NAME}`` replaced; a name that is not known becomes nothing, as in Docker."""
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found[1], ""), text)
