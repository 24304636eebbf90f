"""Carry out the Dockerfile's steps in a clean root file system and ask the app there for its health: no Docker, no image.

    python -m scripts.check_image [--browser] [--keep] [--build-arg DEVICE=cuda]

It needs root and mmdebstrap (or debootstrap). Debian's SUITE with Debian's Python stands in for the base image
``python:X-slim-SUITE``, so what is proved is: the steps run, no shared library is missing, the container's own command starts as
the container's user without a network, answers its own HEALTHCHECK, and refuses to start without a token. Where no root file
system can be made, ``ldd`` over a fresh virtual environment is all that runs; a line says which form it was.
``--browser`` also installs Chromium as ``make test`` does, in the clean root, and has it draw a page.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from scripts.image.clean_root import CleanRoot, copy_root, find_maker, make_root, make_workplace
from scripts.image.dockerfile import Stage, Step, fill_in, read_dockerfile
from scripts.image.libraries import find_missing

ROOT = Path(__file__).resolve().parents[1]
PATH = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
TOKEN = "checked-by-scripts-check-image"
START = """
{command} > /tmp/app.log 2>&1 &
for second in $(seq 90); do
    if {health} 2>/dev/null; then echo "healthy after $second s"; exit 0; fi
    kill -0 $! 2>/dev/null || break
    sleep 1
done
cat /tmp/app.log; exit 1
"""


class StepError(RuntimeError):
    """A step of the Dockerfile failed."""


def check(result: subprocess.CompletedProcess, what: str) -> str:
    """The output of a command that went well.

    Raises:
        StepError: It did not; with the end of what it said.
    """
    if result.returncode:
        raise StepError(f"{what}\nended with exit status {result.returncode}:\n{(result.stdout + result.stderr)[-3000:]}")
    return result.stdout


class Builder:
    """Builds one stage after another, each in a copy of the clean root."""

    def __init__(self, workplace: Path, arguments: dict[str, str]) -> None:
        self.workplace, self.arguments = workplace, arguments
        self.built: dict[str, CleanRoot] = {}

    def build(self, stage: Stage) -> tuple[CleanRoot, dict[str, str], str]:
        """Carry out a stage: its root, its environment and its user."""
        base = self.workplace / "base"
        if not base.exists():
            suite = stage.base.rpartition("-")[2]
            print(f"base {stage.base}: Debian {suite} stands in for it", flush=True)
            make_root(base, suite)
        root = CleanRoot(self.workplace / stage.name)
        copy_root(base, root.folder)
        environment, arguments, user, workdir = dict(PATH), {}, "root", "/"
        for step in stage.steps:
            print(f"[{stage.name}] {step.word} {step.rest[:110]}", flush=True)
            if step.word == "ARG":
                name, _, default = step.rest.partition("=")
                arguments[name] = self.arguments.get(name, default)
            elif step.word == "ENV":
                pairs = (word.partition("=") for word in step.arguments)
                environment |= {name: fill_in(value, environment) for name, _, value in pairs}
            elif step.word == "WORKDIR":
                workdir = step.rest
                (root.folder / workdir.lstrip("/")).mkdir(parents=True, exist_ok=True)
            elif step.word == "USER":
                user = step.rest
            elif step.word == "COPY":
                self._copy(step, root.folder, workdir)
            elif step.word == "RUN":
                check(root.run(step.rest, {**arguments, **environment}, user=user, workdir=workdir), step.rest)
        self.built[stage.name] = root
        return root, environment, user

    def _copy(self, step: Step, root: Path, workdir: str) -> None:
        words = step.arguments
        stage = next((word.removeprefix("--from=") for word in words if word.startswith("--from=")), None)
        *sources, target = [word for word in words if not word.startswith("--")]
        start = self.built[stage].folder if stage else ROOT
        for source in sources:
            origin, place = start / source.lstrip("/"), root / str(Path(workdir, target)).lstrip("/")
            if origin.is_dir():
                ignored = None if stage else shutil.ignore_patterns("__pycache__")
                shutil.copytree(origin, place, symlinks=True, dirs_exist_ok=True, ignore=ignored)
            else:
                place = place / origin.name if place.is_dir() else place
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(origin, place)


def check_libraries(place: str, run: Callable[[str], str]) -> None:
    """Every shared library below ``place`` finds those that it needs.

    Raises:
        StepError: Some do not; names them.
    """
    missing = find_missing(place, run)
    if missing:
        raise StepError("Shared libraries are missing, install their packages in the Dockerfile:\n" + "\n".join(missing))
    print(f"every shared library below {place} finds those that it needs (ldd)", flush=True)


def check_app(root: CleanRoot, stage: Stage, environment: dict[str, str], user: str) -> None:
    """Libraries are all there, and the container's command serves, says what it lacks, and works without a network."""
    check_libraries("/opt/cyclelens", lambda command: root.run(command, environment).stdout)
    command, health = shlex.join(stage.read_command()), shlex.join(stage.read_health_check())
    inside = {"user": user, "workdir": "/state", "is_online": False}
    print(check(root.run("cyclelens doctor", environment, **inside), "cyclelens doctor"), flush=True)
    evaluated = "cyclelens evaluate --data streets:noon --include 'noon_000[12]*' --checkpoint {net}"
    net = check(
        root.run('python -c "from pca_core.data.streets import BUILT_IN_NET as n; print(n)"', environment, **inside), "net"
    )
    check(root.run(evaluated.format(net=net.strip()), environment, **inside), "cyclelens evaluate")
    script = START.format(command=command, health=health)
    print(check(root.run(script, {**environment, "CYCLELENS_TOKEN": TOKEN}, **inside), command).strip(), flush=True)
    refused = root.run(f"timeout 60 {command}", environment, **inside)
    if refused.returncode == 0 or "CYCLELENS_TOKEN" not in refused.stdout + refused.stderr:
        raise StepError(
            f"Without CYCLELENS_TOKEN the container should refuse and name it, but said:\n{refused.stdout}{refused.stderr}"
        )
    print(f"without a token: {refused.stderr.strip().splitlines()[-1]}", flush=True)


def check_browser(workplace: Path) -> None:
    """Chromium as ``make test`` installs it draws a page in the clean root."""
    root = CleanRoot(workplace / "browser")
    copy_root(workplace / "base", root.folder)
    shutil.copy(ROOT / "scripts/ensure_chromium.sh", root.folder / "root")
    check(root.run("sh /root/ensure_chromium.sh && command -v chromium", PATH), "scripts/ensure_chromium.sh")
    check_libraries("/usr/lib/chromium", lambda command: root.run(command, PATH).stdout)
    draw = "chromium --headless --no-sandbox --disable-gpu --screenshot=/tmp/page.png 'data:text/html,<h1>CycleLens</h1>'"
    check(root.run(f"{draw} && test -s /tmp/page.png", PATH, is_online=False), draw)
    print("Chromium as make test installs it draws a page", flush=True)


def check_in_venv(workplace: Path) -> None:
    """The fallback: what pip installs, and the libraries that this machine does not have for it."""
    python = workplace / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", workplace / "venv"], check=True)
    for arguments in (["-r", "requirements.txt"], ["--no-deps", "--no-build-isolation", "."]):
        subprocess.run([python, "-m", "pip", "install", "-q", *arguments], check=True, cwd=ROOT)
    run = lambda command: subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False).stdout  # noqa: E731
    print("Form: ldd over a fresh virtual environment; no clean root file system could be made (needs root and mmdebstrap).")
    check_libraries(str(workplace / "venv"), run)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--browser", action="store_true", help="also install Chromium in the clean root and draw a page")
    parser.add_argument("--keep", action="store_true", help="leave the root file systems where they are and say where")
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    values = dict(pair.split("=", 1) for pair in arguments.build_arg)
    stages = read_dockerfile(ROOT / "Dockerfile", values)
    workplace = make_workplace()
    try:
        if find_maker() is None:
            check_in_venv(workplace)
            return 0
        builder = Builder(workplace, values)
        for stage in stages:
            root, environment, user = builder.build(stage)
        check_app(root, stages[-1], environment, user)
        if arguments.browser:
            check_browser(workplace)
        print("Form: the Dockerfile's own steps in a clean root file system.")
    except (StepError, subprocess.CalledProcessError) as error:
        print(f"check_image: {error}", file=sys.stderr)
        return 1
    finally:
        print(f"left in {workplace}") if arguments.keep else shutil.rmtree(workplace, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
