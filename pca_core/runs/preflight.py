"""A short try of a run before it is started: does everything fit together, how long will it take, what will the net be fed?

:func:`check_in_child` does it in a process of its own, :mod:`~pca_core.runs.trying`, while nothing else trains on its device.
"""

from __future__ import annotations

import base64
import json
import math
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from pca_core.adaptation import METHODS
from pca_core.adaptation.views import describe_views
from pca_core.checks import InputError
from pca_core.children import start_child
from pca_core.data import FolderDataset, encode_png
from pca_core.data.files import open_checked
from pca_core.runs import trying, waiting
from pca_core.runs.request import RunRequest
from pca_core.runs.store import RunStore
from pca_core.runs.supervisor import device_lock, name_device
from pca_core.runs.worker import open_adaptation

TIMED_STEPS = 2
CHILD_SECONDS = 300.0
SHOWN_VIEWS = 4  # of each domain
LOOKED_AT = 200  # target images whose size is looked up
SPARE_SECONDS = 10.0  # beyond the limits that the child sets itself
VIEWS = ("source_views", "target_views")
WORK = "pca_core.runs.preflight:answer"


@dataclass(frozen=True)
class Preflight:
    """What a short try found.

    Attributes:
        seconds_per_step: Measured, after one step to warm up.
        seconds_in_all: Estimate for the whole run: start, steps, evaluations.
        memory_mb: Peak of the process, MiB.
        num_source, num_target, num_held_out: Images.
        notices: Sentences on what is unusual, though it can be run.
        source_views, target_views: Views of the first step as PNG bytes.
    """

    seconds_per_step: float
    seconds_in_all: float
    memory_mb: float
    num_source: int
    num_target: int
    num_held_out: int
    notices: tuple[str, ...] = ()
    source_views: tuple[bytes, ...] = ()
    target_views: tuple[bytes, ...] = ()


def check(request: RunRequest) -> Preflight:
    """Take a few steps of a run in this process; nothing is kept.

    Raises:
        InputError: When anything that the request names cannot be used.
    """
    started = time.perf_counter()
    every = request.config.evaluate_every
    request = replace(request, config=replace(request.config, evaluate_every=10**9))
    adaptation, source, target = open_adaptation(request)
    prepared = time.perf_counter() - started
    adaptation.start  # noqa: B018 (one look, timed)
    look = time.perf_counter() - started - prepared
    num_looks = 1 + math.ceil(adaptation.num_steps / every)
    sources: list[bytes] = []
    targets: list[bytes] = []
    if METHODS[request.config.method].is_gradient_based:
        views = adaptation.views.make(0)
        images = [encode_png(image) for image in describe_views(views, adaptation.start_checkpoint.normalisation)]
        sources, targets = images[: len(views)][:SHOWN_VIEWS], images[len(views) :][:SHOWN_VIEWS]
    seconds = [next(adaptation).seconds for _ in range(min(1 + TIMED_STEPS, adaptation.num_steps))]
    adaptation.close()
    per_step = sum(seconds[1:] or seconds) / len(seconds[1:] or seconds)
    inputs = adaptation.inputs
    return Preflight(
        per_step,
        prepared + per_step * adaptation.num_steps + look * num_looks,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        len(inputs.source),
        len(target),
        len(inputs.held_out) if inputs.held_out else 0,
        tuple(_notice(request, source, target)),
        tuple(sources),
        tuple(targets),
    )


def _notice(request: RunRequest, source: FolderDataset, target: FolderDataset) -> list[str]:
    notices = []
    sizes = {open_checked(target.image_path(name)).picture.size for name in target.names[:LOOKED_AT]}
    if len(sizes) > 1:
        notices.append(
            f"The {len(target)} target images have {len(sizes)} sizes; views are cropped to the proportions of the first one."
        )
    if len(target) < 8:
        notices.append(f"Only {len(target)} target images: the net may learn them rather than their domain. Thirty are better.")
    if request.scored_target is not None:
        notices.append("Target labels will be scored on. They are not used for training or selection.")
    if len(source.labelled_indices) < len(source):
        notices.append(f"{len(source) - len(source.labelled_indices)} source images have no label and are left out.")
    return notices


def check_in_child(request: RunRequest, store: RunStore, work: str = WORK) -> Preflight:
    """As :func:`check`, in a child process that holds the device as a run does; it waits for other checks, not for runs.

    Args:
        request: What to try.
        store: Whose runs use the same devices.
        work: What the child does; tests put something short here.

    Raises:
        InputError: What the child found, ``DEVICE_BUSY``, or ``PREFLIGHT_FAILED`` when it could not tell.
    """
    device = name_device(request.device)
    device_lock(store, device)  # that its folder can be written
    order = {"state": str(store.root), "device": device, "request": request.to_dict(), "work": work, "seconds": CHILD_SECONDS}
    answer = _ask_child(order)
    if "error" in answer:
        raise InputError(answer["code"], answer["error"])
    for name in VIEWS:
        answer[name] = tuple(base64.b64decode(text) for text in answer[name])
    return Preflight(**{**answer, "notices": tuple(answer["notices"])})


def _ask_child(order: dict[str, Any]) -> dict[str, Any]:
    """What the child answers; it lives no longer than this process, nor than its limits."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    command, environment = [sys.executable, trying.__file__], waiting.child_environment()
    with start_child(command, **pipes, start_new_session=True, env=environment) as child:
        held, child.stdin = child.stdin, None  # communicate() would close it, and the child ends when it is closed
        try:
            with suppress(BrokenPipeError):  # it has ended already
                held.write(json.dumps(order).encode() + b"\n")
                held.flush()
            said, _ = child.communicate(timeout=trying.OTHERS_SECONDS + trying.GLANCE_SECONDS + CHILD_SECONDS + SPARE_SECONDS)
        except subprocess.TimeoutExpired:
            said = b""
        finally:
            child.kill()
            with suppress(BrokenPipeError):
                held.close()
    try:
        return json.loads(said.splitlines()[-1])
    except (ValueError, IndexError):
        reason = (
            "took more than five minutes"
            if child.returncode == -signal.SIGALRM
            else "ended without an answer, perhaps for want of memory"
        )
        return {"code": "PREFLIGHT_FAILED", "error": f"The try {reason}. Use a smaller batch or short side."}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The work of the child: what :func:`check` finds, as JSON can hold it, or the code and sentence of an error."""
    try:
        found = asdict(check(RunRequest.from_dict(request)))
    except InputError as error:
        return {"error": str(error), "code": error.code}
    except (ValueError, FloatingPointError, RuntimeError, OSError) as error:
        return {"error": str(error), "code": "PREFLIGHT_FAILED"}
    for name in VIEWS:
        found[name] = [base64.b64encode(view).decode() for view in found[name]]
    return found
