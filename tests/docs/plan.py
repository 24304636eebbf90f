"""What the tests do with each command of the docs: run it on small data, hold it against the parser, or say why not.

A command that none of the tables knows fails the test: add it where it belongs.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Literal

from tests.docs.pages import strip_settings

SHORTER = (
    # What is written → what is run instead, the same command on less.
    (r"streets:(noon|dusk-rain)(-heldout)?\b", r"assets/streets/\1\2"),  # three frames of 128 × 64 pixels
    (r"^(cyclelens train .*)", r"\1 --short-side 64 --steps 2 --batch-size 2"),
    (
        r"^cyclelens adapt (.*)",
        r"cyclelens adapt --checkpoint net.safetensors \1 --steps 2 --set batch_size=2 --set held_out=1 --set short_side=64",
    ),
    (r"^(cyclelens import-checkpoint .*)", r"\1 --short-side 64"),
    (r"--seeds \d+", "--seeds 1"),
    (r"--architecture smp:\S+ --pretrained", "--architecture compact"),  # weights of a hub
    (r"--architecture deeplab_v2_resnet101 --label-space plca-19", "--architecture compact --label-space camvid-11"),  # 170 MB
    (r"random:\d+", "random:2"),
)
PARSED = (
    # Options and sub-command are held against the command's own parser, nothing is started.
    (r"^cyclelens app\b", "serves until it is stopped; tests/packaging and tests/browser start it"),
    (r"^torchrun ", "several processes; tests/unit/test_adaptation_distributed.py and test_many.py start two"),
)
SKIPPED = (
    # Nothing of ours in them, or not to be done by a test.
    (r"^docker ", "needs a Docker engine; python -m scripts.check_image carries the Dockerfile's steps out without one"),
    (r"^uv ", "makes requirements.lock from an index; tests/packaging/test_pins.py holds the two together"),
    (r"^pip install ", "downloads"),
    (r"^(openssl|git|export|ssh|chmod) ?", "other people's programs"),
    (r"^cyclelens: ", "what a command answers"),
)


@dataclass(frozen=True)
class Plan:
    """``action`` says what to do with ``argv``, or why nothing is done."""

    action: Literal["run", "parse", "dry-run", "unzip", "script", "skip"]
    argv: tuple[str, ...] = ()
    reason: str = ""


def make_plan(command: str) -> Plan:
    """The plan for one command of the docs.

    Raises:
        LookupError: No table knows it.
    """
    command = strip_settings(command)
    command = re.sub(r"^python3? -m pca_core\.cli\b", "cyclelens", command)
    for pattern, reason in PARSED:
        if re.search(pattern, command):
            return Plan("parse", tuple(find_arguments(command)), reason)
    for pattern, reason in SKIPPED:
        if re.search(pattern, command):
            return Plan("skip", reason=reason)
    words = shlex.split(command)
    if words[0] == "make":
        return Plan("dry-run", tuple(words))
    if words[0] == "unzip":
        return Plan("unzip", tuple(words[1:]))
    if words[0] in ("python", "python3"):
        return Plan("script", tuple(words[1:]))
    if words[0] == "cyclelens":
        for pattern, shorter in SHORTER:
            command = re.sub(pattern, shorter, command)
        return Plan("run", tuple(shlex.split(command)[1:]))
    raise LookupError(f"No test knows what to do with `{command}`: add it to a table in tests/docs/plan.py")


def find_arguments(command: str) -> list[str]:
    """What ``cyclelens`` gets, also behind ``torchrun … -m``."""
    words = shlex.split(command)
    if words[0] == "torchrun":
        module = words.index("-m") + 1
        return [*(["adapt"] if words[module] == "pca_core.adaptation" else []), *words[module + 1 :]]
    return words[1:]
