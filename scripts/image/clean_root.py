"""A clean root file system, and commands in it as a container would run them: own mounts and processes, no network if wished."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

IN_BASE = ("python3", "python3-venv", "ca-certificates")
"""What Debian needs to stand in for the image ``python:X-slim``."""
PASSED_ON = ("PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


def find_maker() -> str | None:
    """The program here that makes a root file system; it has to be run as root."""
    return next(filter(None, map(shutil.which, ("mmdebstrap", "debootstrap"))), None) if os.geteuid() == 0 else None


def make_root(folder: Path, suite: str) -> None:
    """A minimal Debian of ``suite`` in ``folder``, from the mirror that this machine's apt is set to."""
    packages = ",".join(IN_BASE)
    maker = find_maker()
    command = {"mmdebstrap": [maker, "-q", "--variant=minbase", "--mode=root", f"--include={packages}", suite, str(folder)]}.get(
        Path(maker).name, [maker, "--variant=minbase", f"--include={packages}", suite, str(folder)]
    )
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (folder / "usr/local/bin/python").symlink_to("/usr/bin/python3")


def copy_root(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True)


def list_pip_places() -> list[Path]:
    """Files and folders of this machine that its pip is set to use, beside its index."""
    text = subprocess.run(["python3", "-m", "pip", "config", "list"], capture_output=True, text=True, check=False).stdout
    words = text.replace("file://", " ").replace("'", " ").replace("=", " ").split()
    places = {Path(word) for word in words if word.startswith("/")}
    return sorted(place for place in places if place.exists())


def find_pip_settings() -> list[Path]:
    """The settings files of pip that apply to this user."""
    return [file for file in (Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf")) if file.is_file()]


@dataclass(frozen=True)
class CleanRoot:
    """A root file system whose commands see only it, and what pip here is set to read."""

    folder: Path

    def run(
        self,
        command: str,
        environment: dict[str, str],
        *,
        user: str = "root",
        workdir: str = "/",
        is_online: bool = True,
    ) -> subprocess.CompletedProcess:
        """Run a shell command inside, its output to the terminal's stderr and returned.

        Args:
            command: For ``/bin/sh -c``.
            environment: All that it sees, apart from proxies and pip's settings of this machine while it is online.
            user: Name of a user inside.
            workdir: Folder inside.
            is_online: Whether it may reach the network; without, only its own loopback is there.
        """
        given = {"HOME": "/root" if user == "root" else f"/home/{user}", **environment}
        if is_online:
            given = {**{name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}, **given}
        words = " ".join(shlex.quote(f"{name}={value}") for name, value in given.items())
        inner = f"cd {shlex.quote(workdir)} && {command}"
        shell = f"/usr/bin/env -i {words} /bin/sh -c {shlex.quote(inner)}"
        enter = f"exec chroot --userspec={user} {shlex.quote(str(self.folder))} {shell}"
        steps = [*self._mounts(is_online), *([] if is_online else ["ip link set lo up"]), enter]
        isolate = ["unshare", "--mount", "--pid", "--fork", "--kill-child", *([] if is_online else ["--net"])]
        return subprocess.run([*isolate, "sh", "-ec", "\n".join(steps)], capture_output=True, text=True, check=False)

    def _mounts(self, is_online: bool) -> list[str]:
        """Shell lines that mount what a container has; they vanish with the process."""
        inside = shlex.quote(str(self.folder))
        lines = [f"mount -t proc proc {inside}/proc", f"mount --rbind /dev {inside}/dev"]
        places = [Path("/etc/resolv.conf"), Path("/etc/hosts"), *find_pip_settings(), *list_pip_places()] if is_online else []
        for place in places:
            target = self.folder / place.relative_to("/")
            if place.is_dir():
                target.mkdir(parents=True, exist_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.touch()
            lines.append(f"mount --bind {shlex.quote(str(place))} {shlex.quote(str(target))}")
        return lines


def make_workplace() -> Path:
    """A temporary folder for root file systems; mind to remove it."""
    return Path(tempfile.mkdtemp(prefix="cyclelens-image-"))
