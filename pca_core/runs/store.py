"""All runs of a machine: a folder of run folders, which are the truth."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
import shutil
import tempfile
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from platformdirs import user_state_path

from pca_core.checks import InputError, shorten
from pca_core.device import name_processor
from pca_core.runs.claims import gone
from pca_core.runs.faults import telling_disk
from pca_core.runs.folder import Run, create_folder
from pca_core.runs.request import RunRequest
from pca_core.storage import sync_folder

STATE_VARIABLE = "CYCLELENS_STATE"
_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")


def default_root() -> Path:
    """Where runs are kept: ``$CYCLELENS_STATE``, or the user's folder for state."""
    given = os.environ.get(STATE_VARIABLE)
    return Path(given).expanduser() if given else user_state_path("cyclelens")


class RunStore:
    """The runs below a folder; any number of processes may look at and add to it.

    Args:
        root: The folder; None takes :func:`default_root`.
    """

    def __init__(self, root: str | Path | None = None) -> None:
        self.root = (default_root() if root is None else Path(root)).absolute()

    @property
    def folder(self) -> Path:
        return self.root / "runs"

    def create(self, request: RunRequest, token: str | None = None) -> Run:
        """Add a run; see :meth:`claim`."""
        return self.claim(request, token)[0]

    def claim(self, request: RunRequest, token: str | None = None) -> tuple[Run, bool]:
        """Add a run; it appears whole or not at all.

        Args:
            request: What it is to do; its paths are kept absolute.
            token: The same token gives the same run, however often and from wherever it is asked for.

        Returns:
            The run, and whether this call made it: only then is it the caller's to start.

        Raises:
            InputError: ``FOLDER_READ_ONLY`` or ``FOLDER_FULL``.
        """
        request = request.resolve()
        with telling_disk(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            run = self._publish(self._make(request))
            if token is None:
                return run, True
            try:
                owner = self._own(run, token)
            except OSError:
                shutil.rmtree(run.folder, ignore_errors=True)
                raise
        if owner.id != run.id:
            shutil.rmtree(run.folder, ignore_errors=True)
        return owner, owner.id == run.id

    def _own(self, run: Run, token: str) -> Run:
        """The run that a token stands for: this one, unless it stands for an earlier one that is still there."""
        link = self.root / "tokens" / hashlib.sha256(token.encode()).hexdigest()
        link.parent.mkdir(exist_ok=True)
        while True:
            try:
                os.symlink(run.id, link)  # the one call of two that finds the name free
                return run
            except FileExistsError:
                with suppress(FileNotFoundError):  # swept this moment
                    earlier = Run(self.folder / os.readlink(link))
                    if earlier.is_there:
                        return earlier
            link.unlink(missing_ok=True)  # its run was deleted since

    def _make(self, request: RunRequest) -> Path:
        temporary = Path(tempfile.mkdtemp(dir=self.folder, prefix=".new-"))
        try:
            temporary.chmod(0o755)
            create_folder(temporary, request, describe_environment())
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        return temporary

    def _publish(self, made: Path) -> Run:
        run_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
        os.rename(made, self.folder / run_id)
        sync_folder(self.folder)
        return Run(self.folder / run_id)

    def get(self, run_id: str) -> Run:
        """A run by its id, or by the beginning of it that only one has.

        Raises:
            InputError: ``RUN_NOT_FOUND``.
        """
        ids = [path.name for path in self._folders()]
        matching = [own for own in ids if own == run_id] or [own for own in ids if len(run_id) >= 4 and own.startswith(run_id)]
        if len(matching) != 1:
            how_many = "More than one" if matching else "No"
            raise InputError("RUN_NOT_FOUND", f"{how_many} run is called {shorten(run_id, 40)!r}. List them with cyclelens runs.")
        return Run(self.folder / matching[0])

    def list(self) -> list[Run]:
        """All runs that can be read, the newest first: one of another version, or a damaged one, must not hide the others."""
        return sorted((run for run in map(Run, self._folders()) if run.fault is None), key=_age_order, reverse=True)

    def list_unreadable(self) -> list[tuple[Run, str]]:
        """The others, each with a sentence on why: for :meth:`delete`."""
        runs = sorted(map(Run, self._folders()), key=lambda run: run.id, reverse=True)
        return [(run, fault) for run in runs if (fault := run.fault) is not None and run.folder.is_dir()]

    def _folders(self) -> list[Path]:
        try:
            return [self.folder / name for name in os.listdir(self.folder) if _ID.fullmatch(name)]
        except OSError:  # none yet, or not for us to read
            return []

    def delete(self, run: Run) -> None:
        """Remove a run that is not at work.

        Raises:
            InputError: ``RUN_ACTIVE``, ``RUN_NOT_FOUND`` or ``FOLDER_READ_ONLY``.
        """
        if run.is_alive:
            raise InputError("RUN_ACTIVE", f"Run {run.id} is at work. Cancel it first.")
        hidden = run.folder.with_name(f".deleted-{run.id}")
        with telling_disk(self.folder):
            try:
                os.rename(run.folder, hidden)  # gone at once for everybody who looks
            except FileNotFoundError:
                raise gone(run) from None
        shutil.rmtree(hidden, ignore_errors=True)


def _age_order(run: Run) -> tuple[float, str]:
    """When it was created; by its name where its status does not say so."""
    created = run.read_status().created
    if not created:
        with suppress(ValueError, OverflowError):
            created = time.mktime(time.strptime(run.id[:15], "%Y%m%d-%H%M%S"))
    return created, run.id


def describe_environment() -> dict[str, object]:
    """What a number may depend on beside the request."""
    try:
        own = version("cyclelens")
    except PackageNotFoundError:
        own = "unknown"
    versions = {"cyclelens": own, "torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()}
    machine = {"machine": platform.machine(), "processor": name_processor(), "threads": torch.get_num_threads()}
    return {"versions": versions, **machine, "commit": _commit()}


def _commit() -> str | None:
    """The commit of the checkout that this runs from, if it is one."""
    git = Path(__file__).resolve().parents[2] / ".git"
    try:
        head = (git / "HEAD").read_text().strip()
        return (git / head.removeprefix("ref: ")).read_text().strip() if head.startswith("ref: ") else head
    except OSError:
        return None
