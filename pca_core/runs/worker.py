"""The work of a run, in whatever process: steps, reports, checkpoints, until it is done or told to stop."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pca_core.adaptation import Adaptation, AdaptationStep, adapt, distributed
from pca_core.checks import InputError
from pca_core.data import FolderDataset, content_hash
from pca_core.device import pick_device
from pca_core.models import Checkpoint, load_checkpoint, save_checkpoint
from pca_core.runs import checkpoints
from pca_core.runs.digest import read_digest
from pca_core.runs.faults import explain, is_disk_full
from pca_core.runs.folder import Run
from pca_core.runs.json_files import read_object
from pca_core.runs.previews import Previewer
from pca_core.runs.request import RunRequest
from pca_core.runs.signals import DELETED, Stopped, asked_to_stop, beating, heed, interrupts_pause, stop_signals
from pca_core.runs.waiting import identify_process
from pca_core.storage import write_atomic

TOLD_SECONDS = 0.5  # a status is synced to the disk, which takes longer than a quick step

Progress = Callable[[AdaptationStep, int], None]


def execute(run: Run, progress: Progress | None = None) -> str:
    """Work on a run until it is done, cancelled, paused or failed; it goes on from its newest complete checkpoint.

    The caller holds the run's lock and that of the device.

    Args:
        run: With a valid ``run.json``.
        progress: Told of every step and of how many there are in all.

    Returns:
        The state that it ended in; what went wrong is in its status and log. ``"deleted"`` when its folder is gone.
    """
    run.sweep()
    with beating(run), stop_signals(run):
        try:
            run.keep_reserve()
            run.write_status(state="starting", message="", code=None, started=time.time(), finished=None, **identify_process())
            _work(run, progress)
            end = {"state": "done", "message": ""}
        except Stopped as stop:
            end = {"state": stop.state, "message": ""}
        except KeyboardInterrupt:
            end = {"state": "interrupted", "message": "Stopped by hand. Resume to go on from the newest checkpoint."}
        except Exception as error:  # whatever it is, it must be found in the status
            end, story = explain(error), traceback.format_exc()
            with suppress(OSError):
                run.log(f"{type(error).__name__}: {error}" if isinstance(error, InputError) else story)
    return _end(run, end)


def _end(run: Run, end: dict[str, str | None]) -> str:
    """Tell how it ended, also on a full disk: what was half written and the reserve make room for a few lines.

    A run that was deleted has nobody to tell, and its folder does not come back.
    """
    if not run.is_there:
        return DELETED
    checkpoints.sweep(run.checkpoints_folder)
    run.free_reserve()
    with suppress(OSError):
        run.log(f"{end['state']} {end['message']}".strip())
    taken = read_digest(run).step
    step = run.read_status().step if taken is None else taken
    run.write_status(**end, step=step, finished=time.time(), pid=None, pid_started=None)
    run.lower_flags()  # last: whoever is killed before has not forgotten that it was cancelled
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
    heed(run)
    adaptation, source, target = open_adaptation(request)
    _check_inputs(run, source, target)
    previewer = Previewer(run, source, target.subset(target.names, is_labelled=False))
    _go_on(run, adaptation)
    heed(run)  # loading and scoring can take long
    if adaptation.step == 0:
        _write_start(run, adaptation)
        _preview(run, previewer, 0, lambda: adaptation.start_checkpoint)  # as it is scored: without statistics of the target
    run.write_status(step=adaptation.step, **_describe(adaptation))
    try:
        with interrupts_pause(run):
            _take_steps(run, adaptation, previewer, progress)
    finally:
        adaptation.close()
    save_checkpoint(run.adapted_path, adaptation.checkpoint(), makes_folder=False)


def _take_steps(run: Run, adaptation: Adaptation, previewer: Previewer, progress: Progress | None) -> None:
    told, begun = 0.0, time.monotonic()
    for step in adaptation:
        is_last = step.step == adaptation.num_steps
        if run.is_there:
            run.append_metrics({**step.to_dict(), "time": time.monotonic() - begun})  # of this life, whatever becomes of the date
            if is_last or time.monotonic() - told > TOLD_SECONDS:
                run.write_status(step=step.step, **_describe(adaptation))  # all of it: what stood there may be damaged
                told = time.monotonic()
            if progress:
                progress(step, adaptation.num_steps)
            if step.health is not None:
                _preview(run, previewer, step.step, adaptation.eval_checkpoint)
        stop = asked_to_stop(run)
        distributed.agree(stop is not None)
        if stop == DELETED:
            raise Stopped(stop)
        if stop:
            run.write_status(state="stopping", step=step.step)
        if stop or is_last or step.step % run.request.save_every == 0:
            _publish(run, adaptation)
        if stop and not is_last:
            raise Stopped(stop)


def _describe(adaptation: Adaptation) -> dict[str, object]:
    """The status of a run at work."""
    facts = {"num_steps": adaptation.num_steps, "device": str(adaptation.device)}
    return {"state": "running", "code": None, "message": "", **facts, **identify_process()}


def _publish(run: Run, adaptation: Adaptation) -> None:
    """Raise FloatingPointError when a weight is not finite: the loss before it may well have been."""
    try:
        checkpoints.publish(run.checkpoints_folder, adaptation.step, adaptation.save)
    except InputError as error:
        if error.code != "CHECKPOINT_NONFINITE":
            raise
        raise FloatingPointError(
            f"A weight became infinite or NaN by step {adaptation.step}. Use a lower learning rate."
        ) from None


def _preview(run: Run, previewer: Previewer, step: int, make: Callable[[], Checkpoint]) -> None:
    """Previews are to look at: what goes wrong with them goes to the log and costs nothing else."""
    try:
        previewer.write(step, make())
    except Exception as error:
        if is_disk_full(error):
            raise
        run.log(f"no preview of step {step}: {type(error).__name__}: {error}")


def _check_inputs(run: Run, source: FolderDataset, target: FolderDataset) -> None:
    """Keep hashes of what a run reads at its first start; once there is a checkpoint they must stay the same.

    Raises:
        InputError: ``RUN_INPUTS_CHANGED`` or ``RUN_BROKEN``.
    """
    path = run.folder / "inputs.json"
    found = {
        "checkpoint": content_hash(Path(run.request.checkpoint).read_bytes()),
        "source": source.fingerprint,
        "target": target.fingerprint,
    }
    if not path.exists() or checkpoints.find_newest(run.checkpoints_folder) is None:
        write_atomic(path, json.dumps(found, indent=1).encode(), makes_folder=False)
        return
    try:
        kept = read_object(path)
    except ValueError:
        raise InputError("RUN_BROKEN", f"What run {run.id} began with cannot be read. Start it anew.") from None
    changed = [name for name, value in found.items() if kept.get(name) != value]
    if changed:
        raise InputError(
            "RUN_INPUTS_CHANGED",
            f"The {' and the '.join(changed)} of run {run.id} changed since its start, so it cannot go on exactly. Start anew.",
        )


def _write_start(run: Run, adaptation: Adaptation) -> None:
    """Where the run starts from, in the form of a step's record."""
    look = adaptation.start
    record = AdaptationStep(0, {}, {}, None, None, 0.0, 0.0, 0.0, 0, look.health, look.scores).to_dict()
    run.append_metrics({name: record[name] for name in ("step", "losses", "association", "health", "scores")})


def _go_on(run: Run, adaptation: Adaptation) -> None:
    newest = checkpoints.find_newest(run.checkpoints_folder)
    if newest is None:
        run.drop_metrics_after(-1)
        return
    adaptation.load(newest)
    run.drop_metrics_after(adaptation.step)
    run.log(f"resumed after step {adaptation.step}")
