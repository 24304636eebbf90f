"""``cyclelens runs``: what was run, what is running, and what came of it."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from pca_core.cli import common
from pca_core.runs import Run, RunStore, Supervisor
from pca_core.runs.summary import SCORED_ON_LABELS, MethodSummary, RunSummary, compare, summarise_run


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("runs", help="list, stop, resume and compare adaptation runs", description=__doc__)
    parser.add_argument(
        "--state", metavar="DIR", help="folder of all runs (default: $CYCLELENS_STATE, or the user's state folder)"
    )
    common.add_json(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("list", help="all runs, the newest first (default)")
    for action, text in (
        ("show", "everything about one run"),
        ("cancel", "stop after the step that is under way"),
        ("pause", "save the state and free the device"),
        ("resume", "go on from the newest checkpoint, here until it is done"),
    ):
        actions.add_parser(action, help=text).add_argument("id", metavar="RUN", help="id, its beginning, or a folder")
    actions.add_parser("compare", help="side by side, with the controls and the spread over seeds").add_argument(
        "ids", nargs="+", metavar="RUN", help="ids, folders, or the name of a group"
    )
    parser.set_defaults(run=run, action="list")


def run(arguments: argparse.Namespace) -> int:
    store = RunStore(arguments.state)
    supervisor = Supervisor(store)
    action = {"list": _list, "show": _show, "compare": _compare}.get(arguments.action, _act)
    return action(arguments, store, supervisor)


def find(store: RunStore, text: str) -> Run:
    """A run by id or by folder."""
    path = Path(text)
    return Run(path) if (path / "run.json").is_file() else store.get(text)


def _list(arguments: argparse.Namespace, store: RunStore, supervisor: Supervisor) -> int:
    rows = [(summarise_run(one), supervisor.queue_position(one)) for one, _ in supervisor.reconcile_all()]
    lines = [_line(summary, place) for summary, place in rows] or ["No runs yet. Start one with cyclelens adapt, or in the app."]
    common.emit(arguments.json, [summary.to_dict() for summary, _ in rows], "\n".join(lines))
    return 0


def _line(summary: RunSummary, place: int | None) -> str:
    state = summary.state if place is None else f"queued, {place} before"
    gain = "" if summary.gain is None else f"  target mIoU {summary.target_before:.1f} → {summary.target_after:.1f}"
    name = f"  {summary.name}" if summary.name else ""
    return f"{summary.run_id}  {state:18} {summary.method:14} seed {summary.seed}  step {summary.steps}{gain}{name}"


def _show(arguments: argparse.Namespace, store: RunStore, supervisor: Supervisor) -> int:
    found = find(store, arguments.id)
    status, summary = supervisor.reconcile(found), summarise_run(found)
    facts = {**summary.to_dict(), "status": vars(status), "folder": str(found.folder), "is_stalled": found.is_stalled}
    lines = [_line(summary, supervisor.queue_position(found)), f"  folder   {found.folder}", f"  device   {status.device or '-'}"]
    lines += [f"  message  {status.message}"] if status.message else []
    lines += ["  The worker has been silent for a minute: it may hang. Cancel it, or wait."] if found.is_stalled else []
    health = summary.health_after or {}
    lines += [f"  {name:9}{value}" for name, value in health.items() if value not in (None, [], ())]
    lines += ["", found.read_log(10)]
    common.emit(arguments.json, facts, "\n".join(lines))
    return 0


def _act(arguments: argparse.Namespace, store: RunStore, supervisor: Supervisor) -> int:
    found = find(store, arguments.id)
    if arguments.action == "resume":
        supervisor.resume(found)
        _wait(found, supervisor, until_done=True)
    else:
        getattr(supervisor, arguments.action)(found)
        _wait(found, supervisor)
    status = supervisor.reconcile(found)
    common.emit(
        arguments.json, {"id": found.id, **vars(status)}, f"{found.id} is {status.state} at step {status.step}. {status.message}"
    )
    return 0 if status.state != "failed" else 2


def _wait(run: Run, supervisor: Supervisor, *, until_done: bool = False) -> None:
    """Until the run has stopped; while it is resumed here, Ctrl-C pauses it."""
    bar = common.progress("step")(iter(lambda: supervisor.reconcile(run), None))
    try:
        for status in bar:
            if not status.is_active:
                return
            time.sleep(0.5)
    except KeyboardInterrupt:
        if not until_done:
            raise
        supervisor.pause(run)
        _wait(run, supervisor)


def _compare(arguments: argparse.Namespace, store: RunStore, supervisor: Supervisor) -> int:
    runs = [one for text in arguments.ids for one in _find_all(store, text)]
    for one in runs:
        supervisor.reconcile(one)
    summaries, methods = compare(runs)
    lines = [_line(summary, None) for summary in summaries] + [""] + [_method_line(method) for method in methods]
    if any(method.target for method in methods):
        lines.append(SCORED_ON_LABELS)
    facts = {"runs": [one.to_dict() for one in summaries], "methods": [vars(one) | {"mean": one.mean} for one in methods]}
    common.emit(arguments.json, facts, "\n".join(lines))
    return 0


def _find_all(store: RunStore, text: str) -> list[Run]:
    group = [one for one in store.list() if one.request.group == text]
    return group or [find(store, text)]


def _method_line(method: MethodSummary) -> str:
    if method.mean is None:
        return f"{method.method:14} {len(method.seeds)} seeds, no labels to score on"
    spread = "" if method.spread is None else f" ± {method.spread:.1f}"
    over = "" if method.over_control is None else f", {method.over_control:+.1f} over the better control"
    return f"{method.method:14} target mIoU {method.mean:.1f}{spread} ({method.gain:+.1f}{over}), {len(method.seeds)} seeds"
