"""A finished run of the built-in net on the built-in streets, with its controls, for pictures of Adapt and Compare."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

from pca_core.adaptation import PRESETS
from pca_core.data.streets import BUILT_IN_NET
from pca_core.runs import DataChoice, Run, RunRequest, RunStore, Supervisor

METHODS = ("source-only", "adabn", "plca")
"""In this order: Compare opens on the newest run."""
PINNED = ("dusk_rain_0001", "dusk_rain_0002", "dusk_rain_0003")


def find_finished(store: RunStore) -> Run | None:
    """The newest ``plca`` run that is done."""
    return next((run for run in store.list() if run.read_status().state == "done" and run.request.config.method == "plca"), None)


def make_example(store: RunStore, steps: int) -> Run:
    """Start one run with both controls and wait until all three are done; their workers end with this process.

    Args:
        store: Where they are kept; the server that shows them must use the same.
        steps: Of each, as for ``--adapt-steps``.

    Raises:
        RuntimeError: One of them did not come to its end; with what it says.
    """
    supervisor, group = Supervisor(store), f"example-{time.time_ns()}"
    config = replace(PRESETS["quick"], steps=steps, evaluate_every=max(1, steps // 5))
    request = RunRequest(
        checkpoint=str(BUILT_IN_NET),
        source=DataChoice("streets:noon"),
        target=DataChoice("streets:dusk-rain"),
        scored_target=DataChoice("streets:dusk-rain-heldout"),
        config=config,
        name="Streets, noon to dusk in the rain",
        group=group,
        pinned_targets=PINNED,
    )
    runs = [supervisor.start(replace(request, config=replace(config, method=method))) for method in METHODS]
    for run in runs:
        while (status := supervisor.reconcile(run)).is_active:
            print(f"\r{run.request.config.method}: step {status.step} of {status.num_steps}   ", end="", file=sys.stderr)
            time.sleep(1)
        if status.state != "done":
            raise RuntimeError(f"The run {run.id} is {status.state}: {status.message}")
    print(file=sys.stderr)
    return runs[-1]
