"""``cyclelens runs``: what was run, what is running, and what came of it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from tqdm import tqdm

from pca_core.checks import exists, one_line
from pca_core.cli import common
from pca_core.runs import Run, RunStore, Supervisor
from pca_core.runs.summary import SCORED_ON_LABELS, MethodSummary, RunSummary, compare, find_differences, summarise_run

HEALTH = ("entropy", "class_balance", "snd", "rate", "coverage")
UNREADABLE = "unreadable"  # a state of the list alone
WATCH_SECONDS = 0.5
_NOTHING_KNOWN = dict.fromkeys(field.name for field in fields(RunSummary)) | {"gain": None, "queue_position": None}


def add_parser(subparsers) -> None:
    text = "list, stop, resume and compare adaptation runs"
    parser = subparsers.add_parser("runs", help=text, description=__doc__, parents=[_shared()])
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    for action, text in (
        ("list", "all runs, the newest first (default)"),
        ("show", "everything about one run"),
        ("cancel", "stop after the step that is under way, by force where that does not come"),
        ("pause", "save the state and free the device"),
        ("resume", "go on from the newest checkpoint, here until it is done"),
        ("delete", "remove a run that is not at work, also one that cannot be read"),
        ("compare", "side by side, with the controls and the spread over seeds"),
    ):
        added = actions.add_parser(action, help=text, parents=[_shared()])
        if action == "compare":
            added.add_argument("ids", nargs="+", metavar="RUN", help="ids, folders, or the name of a group")
        elif action != "list":
            added.add_argument("id", metavar="RUN", help="id, its beginning, or a folder")
    parser.set_defaults(run=run, action="list", state=None, json=False)


def _shared() -> argparse.ArgumentParser:
    """What may stand before the action or after it: left out in one place, it must not undo the other."""
    parser = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    parser.add_argument(
        "--state", metavar="DIR", help="folder of all runs (default: $CYCLELENS_STATE, or the user's state folder)"
    )
    common.add_json(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    store = RunStore(arguments.state)
    supervisor = Supervisor(store)
    actions = {"list": _list, "show": _show, "compare": _compare, "resume": _resume, "delete": _delete}
    return actions.get(arguments.action, _stop)(arguments, store, supervisor)


def find(store: RunStore, text: str) -> Run:
    """A run by id or by folder."""
    path = Path(text)
    return Run(path.absolute()) if exists((path / "run.json").is_file) else store.get(text)


def _list(arguments: argparse.Namespace, store: RunStore, supervisor: Supervisor) -> int:
    rows = [(summarise_run(one), supervisor.queue_position(one)) for one, _ in supervisor.reconcile_all()]
    head = ["run", "state", "method", "seed", "steps", "target mIoU", "name"]
    cells = [
        [one.run_id, _state(one, place), one.method, one.seed, one.steps, _change(one.target_before, one.target_after), one.name]
        for one, place in rows
    ]
    others = store.list_unreadable()
    parts = [_table([head, *cells])] if rows else []
    parts += [_table([[one.id, UNREADABLE, fault] for one, fault in others])] if others else []
    facts = [{**one.to_dict(), "queue_position": place} for one, place in rows]
    facts += [{**_NOTHING_KNOWN, "run_id": one.id, "state": UNREADABLE, "message": fault} for one, fault in others]
    common.emit(arguments.json, facts, "\n".join(parts) or "No runs yet. Start one with cyclelens adapt, or in the app.")
    return 0


def _show(arguments: argparse.Namespace, store: RunStore, supervisor: Supervisor) -> int:
    found = find(store, arguments.id)
    status, summary, place = supervisor.reconcile(found), summarise_run(found), supervisor.queue_position(found)
    facts = {
        **summary.to_dict(),
        "status": vars(status),
        "queue_position": place,
        "folder": str(found.folder),
        "is_stalled": found.is_stalled,
    }
    rows = [
        ["state", _state(summary, place)],
        ["method", f"{summary.method}, seed {summary.seed}, step {status.step} of {status.num_steps}"],
        ["folder", found.folder],
        ["device", status.device or "–"],
        ["message", status.message],
        ["target mIoU", _change(summary.target_before, summary.target_after)],
        ["source mIoU", _change(summary.source_before, summary.source_after)],
        *((name, _number(value)) for name, value in (summary.health_after or {}).items() if value not in (None, [], ())),
    ]
    lines = [summary.run_id, _table([row for row in rows if row[1]], indent="  ")]
    lines += ["  The worker has been silent for a minute: it may hang. Cancel it, or wait."] if found.is_stalled else []
    lines += [SCORED_ON_LABELS] if summary.target_after is not None else []
    common.emit(arguments.json, facts, "\n".join([*lines, "", found.read_log(10)]))
    return 0


def _delete(arguments: argparse.Namespace, store: RunStore, supervisor: Supervisor) -> int:
    """Of the store alone: another folder is its user's to remove."""
    found = store.get(arguments.id)
    supervisor.reconcile(found)
    store.delete(found)
    common.emit(arguments.json, {"id": found.id, "state": "deleted"}, f"{found.id} is deleted.")
    return 0


def _stop(arguments: argparse.Namespace, store: RunStore, supervisor: Supervisor) -> int:
    found = find(store, arguments.id)
    getattr(supervisor, arguments.action)(found)
    while supervisor.reconcile(found).is_active:  # a worker that does not heed is ended by these looks
        time.sleep(WATCH_SECONDS)
    return _tell_end(arguments, supervisor, found)


def _resume(arguments: argparse.Namespace, store: RunStore, supervisor: Supervisor) -> int:
    """Its worker is a child of this process, which stays until it is done; Ctrl-C pauses it."""
    found = find(store, arguments.id)
    supervisor.resume(found)
    with tqdm(unit="step", file=sys.stderr, disable=None, desc=found.id) as bar:
        while True:
            try:
                status = supervisor.reconcile(found)
                if not status.is_active:
                    break
                bar.total = status.num_steps or None
                bar.set_postfix_str(status.state, refresh=False)
                bar.update(status.step - bar.n)
                time.sleep(WATCH_SECONDS)
            except KeyboardInterrupt:
                if found.has_flag("pause"):
                    raise  # asked a second time: the worker ends with this process
                supervisor.pause(found)
    return _tell_end(arguments, supervisor, found)


def _tell_end(arguments: argparse.Namespace, supervisor: Supervisor, found: Run) -> int:
    status = supervisor.reconcile(found)
    text = f"{found.id} is {status.state} at step {status.step}. {status.message}".strip()
    common.emit(arguments.json, {"id": found.id, **vars(status)}, text)
    return 2 if status.state == "failed" else 0


def _compare(arguments: argparse.Namespace, store: RunStore, supervisor: Supervisor) -> int:
    runs = list({one.folder: one for text in arguments.ids for one in _find_all(store, text)}.values())
    for one in runs:
        supervisor.reconcile(one)
    summaries, methods = compare(runs)
    notices = find_differences(runs)
    parts = [_table([_RUN_HEAD, *map(_run_row, summaries)]), "", _table([_METHOD_HEAD, *map(_method_row, methods)])]
    parts += [SCORED_ON_LABELS] if any(one.target_after is not None for one in summaries) else []
    facts = {"runs": [one.to_dict() for one in summaries], "methods": [one.to_dict() for one in methods], "notices": notices}
    common.emit(arguments.json, facts, "\n".join(parts + notices))
    return 0


def _find_all(store: RunStore, text: str) -> list[Run]:
    group = [one for one in store.list() if one.request.group == text]
    return list(reversed(group)) or [find(store, text)]


_RUN_HEAD = ["run", "state", "method", "seed", "steps", "target mIoU", "source mIoU", *HEALTH]
_METHOD_HEAD = ["method", "runs", "target mIoU", "lowest–highest", "gain", "over the better control", "source mIoU"]


def _run_row(one: RunSummary) -> list[object]:
    changes = _change(one.target_before, one.target_after), _change(one.source_before, one.source_after)
    health = [_number((one.health_after or {}).get(name)) for name in HEALTH]
    return [one.run_id, one.state, one.method, one.seed, one.steps, *changes, *health]


def _method_row(one: MethodSummary) -> list[object]:
    facts = one.to_dict()
    spread = "" if one.spread is None else f" ± {one.spread:.1f}"
    return [
        one.label,
        len(one.seeds),
        _points(one.mean) + spread,
        f"{facts['lowest']:.1f}–{facts['highest']:.1f}" if one.target else "–",
        _points(one.gain, sign="+"),
        _points(one.over_control, sign="+"),
        _points(one.source),
    ]


def _state(summary: RunSummary, place: int | None) -> str:
    return summary.state if place is None else f"queued, {place} before"


def _points(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.1f}"


def _change(before: float | None, after: float | None) -> str:
    return "–" if after is None else _points(before) + " → " + _points(after)


def _number(value: object) -> str:
    return "–" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def _table(rows: Sequence[Sequence[object]], indent: str = "") -> str:
    """Columns as wide as they must be."""
    texts = [[one_line(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join(
        indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in texts
    )
