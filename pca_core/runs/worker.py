"""The work of a run, in whatever process: steps, reports, checkpoints, until it is done or told to stop."""

from __future__ import annotations

import errno
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from pca_core.adaptation import Adaptation, AdaptationStep, OutOfMemory, adapt, distributed
from pca_core.checks import InputError
from pca_core.data import FolderDataset, content_hash
from pca_core.device import pick_device
from pca_core.models import load_checkpoint, save_checkpoint
from pca_core.runs import checkpoints
from pca_core.runs.folder import Run, worker_identity
from pca_core.runs.previews import Previewer
from pca_core.runs.request import RunRequest
from pca_core.storage import write_atomic

BEAT_SECONDS = 2.0

Progress = Callable[[AdaptationStep, int], None]


class _Stopped(Exception):  # noqa: N818 (no error)
    """Told to stop: ``state`` is what the run is then."""

    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.state = state


def execute(run: Run, progress: Progress | None = None) -> str:
    """Work on a run until it is done, cancelled, paused or failed; it goes on from its newest complete checkpoint.

    The caller holds the run's lock and that of the device.

    Args:
        run: With a valid ``run.json``.
        progress: Told of every step and of how many there are in all.

    Returns:
        The state that it ended in; what went wrong is in its status and log.
    """
    run.write_status(state="starting", message="", code=None, started=time.time(), finished=None, **worker_identity())
    with _beating(run), _stop_signals(run):
        try:
            _work(run, progress)
            end = {"state": "done", "message": ""}
        except _Stopped as stop:
            end = {"state": stop.state, "message": ""}
        except KeyboardInterrupt:
            end = {"state": "interrupted", "message": "Stopped by hand. Resume goes on from the newest checkpoint."}
        except Exception as error:  # whatever it is, it must be found in the status
            end = _explain(error)
            run.log(f"{type(error).__name__}: {error}")
    checkpoints.sweep(run.checkpoints_folder)
    run.lower_flags()
    run.log(f"{end['state']} {end['message']}".strip())
    run.write_status(**end, finished=time.time(), pid=None, pid_started=None)
    return end["state"]


def follow(run: Run) -> None:
    """The work of a process beside the first one under ``torchrun``: the same steps, nothing written."""
    adaptation, _, _ = open_adaptation(run.request)
    newest = checkpoints.find_newest(run.checkpoints_folder)
    if newest is not None:
        adaptation.load(newest)
    for _ in adaptation:
        if distributed.agree(False):
            break
    adaptation.close()


def open_adaptation(request: RunRequest) -> tuple[Adaptation, FolderDataset, FolderDataset]:
    """Load what a request names and prepare its run; the data sets as they were opened come with it.

    Raises:
        InputError: When anything of it cannot be used.
    """
    device = pick_device(request.device)
    checkpoint = load_checkpoint(request.checkpoint, device=device)
    space = checkpoint.label_space
    source, target = request.source.open("source", space), request.target.open("target", space)
    held_out = request.held_out and request.held_out.open("source", space, for_scoring=True)
    scored = request.scored_target and request.scored_target.open("target", space, for_scoring=True)
    adaptation = adapt(checkpoint, source, target, request.config, device=device, held_out=held_out, scored_target=scored)
    return adaptation, source, target


def _work(run: Run, progress: Progress | None) -> None:
    request = run.request
    checkpoints.sweep(run.checkpoints_folder)
    adaptation, source, target = open_adaptation(request)
    _check_inputs(run, source, target)
    previewer = Previewer(run, source, target.subset(target.names, is_labelled=False))
    _go_on(run, adaptation)
    if adaptation.step == 0:
        _write_start(run, adaptation)
        previewer.write(0, adaptation.eval_checkpoint())
    run.write_status(state="running", step=adaptation.step, num_steps=adaptation.num_steps, device=str(adaptation.device))
    try:
        for step in adaptation:
            run.append_metrics({**step.to_dict(), "time": time.time()})
            run.write_status(step=step.step)
            if progress:
                progress(step, adaptation.num_steps)
            if step.health is not None:
                previewer.write(step.step, adaptation.eval_checkpoint())
            stop = _asked_to_stop(run)
            distributed.agree(stop is not None)
            if stop:
                run.write_status(state="stopping")
            if stop or step.step % request.save_every == 0 or step.step == adaptation.num_steps:
                checkpoints.publish(run.checkpoints_folder, step.step, adaptation.save)
            if stop and step.step < adaptation.num_steps:
                raise _Stopped(stop)
    finally:
        adaptation.close()
    save_checkpoint(run.adapted_path, adaptation.checkpoint())


def _check_inputs(run: Run, source: FolderDataset, target: FolderDataset) -> None:
    """Keep hashes of what a run reads at its first start; at a resume they must be the same.

    Raises:
        InputError: ``RUN_INPUTS_CHANGED``.
    """
    path = run.folder / "inputs.json"
    found = {
        "checkpoint": content_hash(Path(run.request.checkpoint).read_bytes()),
        "source": source.fingerprint,
        "target": target.fingerprint,
    }
    if not path.exists():
        write_atomic(path, json.dumps(found, indent=1).encode())
        return
    kept = json.loads(path.read_bytes())
    changed = [name for name, value in found.items() if kept.get(name) != value]
    if changed:
        raise InputError(
            "RUN_INPUTS_CHANGED",
            f"The {' and the '.join(changed)} of run {run.id} changed since its start, so it cannot go on exactly. Start anew.",
        )


def _write_start(run: Run, adaptation: Adaptation) -> None:
    """Where the run starts from, in the form of a step's record."""
    look = adaptation.start
    run.append_metrics({"step": 0, "losses": {}, "association": {}, "health": look.health.to_dict(), "scores": look.scores})


def _go_on(run: Run, adaptation: Adaptation) -> None:
    newest = checkpoints.find_newest(run.checkpoints_folder)
    if newest is None:
        run.drop_metrics_after(-1)
        return
    adaptation.load(newest)
    run.drop_metrics_after(adaptation.step)
    run.log(f"resumed after step {adaptation.step}")


def _asked_to_stop(run: Run) -> str | None:
    if run.has_flag("cancel"):
        return "cancelled"
    return "paused" if run.has_flag("pause") else None


def _explain(error: Exception) -> dict[str, str | None]:
    """State, code and one sentence of what ended a run."""
    if isinstance(error, InputError):
        return {"state": "failed", "code": "input", "message": str(error)}
    if isinstance(error, OutOfMemory):
        return {"state": "failed", "code": "oom", "message": str(error)}
    if isinstance(error, FloatingPointError):
        return {"state": "failed", "code": "nonfinite", "message": f"{error} The last checkpoint is from before."}
    if _is_disk_full(error):
        sentence = "The disk is full, or its quota is used up. Make room and resume; the last checkpoint is intact."
        return {"state": "failed", "code": "disk", "message": sentence}
    return {"state": "failed", "code": "input", "message": f"{type(error).__name__}: {error}"}


def _is_disk_full(error: Exception) -> bool:
    """A full disk is an OSError from files, but a RuntimeError or SafetensorError from those who write tensors."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    words = ("No space left", "File too large", "Disk quota", "write failed", "IoError")
    return isinstance(error, (RuntimeError, SafetensorError)) and any(word in str(error) for word in words)


@contextmanager
def _beating(run: Run) -> Iterator[None]:
    """Beat from a thread, so that a long step is no silence."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.is_set():
            with suppress(OSError):  # a full disk is told by whoever writes what matters
                run.beat()
            ended.wait(BEAT_SECONDS)

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def _stop_signals(run: Run) -> Iterator[None]:
    """SIGTERM asks for a stop at the end of the step, as the cancel flag does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, lambda *_: run.raise_flag("cancel"))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
