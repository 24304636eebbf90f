"""``cyclelens adapt``: a short fine-tuning run on one's own target images, with its controls."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from pca_core.adaptation import CONTROLS, METHODS, PRESETS, AdaptationConfig, AdaptationStep, config_from_dict, config_to_dict
from pca_core.adaptation.distributed import agree, process_group, rank, world_size
from pca_core.checks import InputError
from pca_core.cli import common
from pca_core.data.streets import BUILT_IN_NET
from pca_core.device import pick_device
from pca_core.runs import DataChoice, Run, RunRequest, RunStore, execute, waiting
from pca_core.runs.foreground import open_folder, working_on
from pca_core.runs.summary import SCORED_ON_LABELS, summarise_run
from pca_core.runs.worker import follow


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("adapt", help="adapt a net to unlabelled target images", description=__doc__)
    parser.add_argument("--source", required=True, metavar="DIR", help=f"labelled source: {common.DATASET_HELP}")
    parser.add_argument("--target", required=True, metavar="DIR", help="target images; labels beside them are not read")
    for side in ("source", "target"):
        parser.add_argument(f"--{side}-include", default="*", metavar="GLOB", help=f"only {side} images whose name matches")
        parser.add_argument(f"--{side}-exclude", action="append", default=[], metavar="GLOB", help="leave out; repeatable")
    parser.add_argument(
        "--checkpoint", default=str(BUILT_IN_NET), metavar="FILE", help="net to begin with (default: the built-in one)"
    )
    parser.add_argument("--method", choices=list(METHODS), default="plca")
    parser.add_argument("--preset", choices=list(PRESETS), default="quick")
    parser.add_argument("--steps", type=int, help="instead of the preset's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="N runs from --seed on, in RUN, RUN-seed1, …")
    parser.add_argument("--set", action="append", default=[], metavar="KNOB=VALUE", help="e.g. association.alpha=0.3; repeatable")
    parser.add_argument("--out", required=True, metavar="RUN", help="folder of the run; the result is RUN/adapted.safetensors")
    parser.add_argument("--held-out", metavar="DIR", help="labelled source images only scored on (default: some of the source)")
    parser.add_argument("--target-labels", action="store_true", help="score on the target's labels; never trained or selected on")
    parser.add_argument("--scored-target", metavar="DIR", help="other labelled target images to score on")
    parser.add_argument("--controls", action="store_true", help=f"also run {' and '.join(CONTROLS)}, beside RUN")
    parser.add_argument("--save-every", type=int, default=25, metavar="STEPS")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    common.add_ignore_unknown(parser)
    common.add_device(parser)
    common.add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    with process_group(pick_device(arguments.device)) as device:
        runs = _run_all(arguments, _plan(arguments, device))
    if rank() > 0:
        return 0
    _check_failure(runs[-1])
    stopped = [one for one in runs if one.read_status().state != "done"]
    if stopped:
        print(f"cyclelens: {stopped[0].read_status().state}; go on with --resume.", file=sys.stderr)
        return 130
    _tell(arguments, runs)
    return 0


def _run_all(arguments: argparse.Namespace, plan: list[tuple[RunRequest, Path]]) -> list[Run]:
    """One after the other; a run that did not come to its end ends the series."""
    runs: list[Run] = []
    for number, (request, folder) in enumerate(plan):
        # Of a series that was stopped, the runs behind the stopped one were never begun.
        is_resumed = arguments.resume and (number == 0 or (folder / "run.json").exists())
        runs.append(_run_one(request, folder, is_resumed))
        if agree(rank() == 0 and runs[-1].read_status().state != "done"):
            break
    return runs


def _check_failure(run: Run) -> None:
    status = run.read_status()
    if status.state == "failed":
        raise InputError(f"RUN_{status.code}".upper(), status.message)


def make_config(arguments: argparse.Namespace) -> AdaptationConfig:
    """Preset, then ``--steps`` and ``--method``, then every ``--set``.

    Raises:
        ValueError: On a knob that is unknown or a value of the wrong kind.
    """
    given = {"method": arguments.method, "seed": arguments.seed}
    if arguments.steps is not None:
        given["steps"] = arguments.steps
    return change_knobs(replace(PRESETS[arguments.preset], **given), arguments.set)


def change_knobs(config: AdaptationConfig, changes: Sequence[str]) -> AdaptationConfig:
    """A config with some knobs changed, each told as ``KNOB=VALUE`` with dots for what lies within, one after the other.

    Raises:
        ValueError: On a knob that is unknown or a value of the wrong kind.
    """
    values = config_to_dict(config)
    for text in changes:
        knob, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set must be KNOB=VALUE, got {text!r}.")
        _put(values, knob.split("."), common.parse_value(value))
    return config_from_dict(values)


def _put(values: dict[str, Any], path: list[str], value: object) -> None:
    for name in path[:-1]:
        values = values.get(name)
        if not isinstance(values, dict):
            raise ValueError(f"--set names {'.'.join(path)}, but {name} has no parts. See config in RUN/run.json.")
    values[path[-1]] = value


def _plan(arguments: argparse.Namespace, device: torch.device) -> list[tuple[RunRequest, Path]]:
    """What is run, and where: seeds of the method, then the controls."""
    base, out, config = _request(arguments, device), Path(arguments.out), make_config(arguments)
    plan = []
    for number in range(arguments.seeds):
        seeded = replace(config, seed=config.seed + number)
        plan.append((replace(base, config=seeded), out if number == 0 else out.with_name(f"{out.name}-seed{seeded.seed}")))
    if arguments.controls:
        for method in CONTROLS:
            plan.append((replace(base, config=replace(config, method=method)), out.with_name(f"{out.name}-{method}")))
    return plan


def _request(arguments: argparse.Namespace, device: torch.device) -> RunRequest:
    unknown = common.unknown_ids(arguments)
    source = DataChoice(
        arguments.source, include=arguments.source_include, exclude=tuple(arguments.source_exclude), unknown=unknown
    )
    target = DataChoice(
        arguments.target, include=arguments.target_include, exclude=tuple(arguments.target_exclude), unknown=unknown
    )
    scored = DataChoice(arguments.scored_target, unknown=unknown) if arguments.scored_target else None
    return RunRequest(
        checkpoint=arguments.checkpoint,
        source=source,
        target=target,
        held_out=DataChoice(arguments.held_out, unknown=unknown) if arguments.held_out else None,
        scored_target=scored or (target if arguments.target_labels else None),
        device=str(device),
        name=Path(arguments.out).name,
        group=Path(arguments.out).name,
        save_every=arguments.save_every,
    )


def _run_one(request: RunRequest, folder: Path, is_resumed: bool) -> Run:
    """Work on one run in this process, or follow the first process in the others."""
    found = open_folder(folder, request, is_resumed=is_resumed)
    if rank() > 0:
        follow(found)
        return found
    if waiting.is_held(RunStore().root / "devices" / waiting.lock_name(request.device)):
        print(f"cyclelens: another run works on {request.device}; this one waits for it.", file=sys.stderr)
    bar = tqdm(total=request.config.steps, unit="step", file=sys.stderr, disable=None, desc=request.config.method)

    def show(step: AdaptationStep, num_steps: int) -> None:
        bar.total = num_steps
        bar.set_postfix_str(_progress_text(step), refresh=False)
        bar.update(step.step - bar.n)

    with bar, working_on(found, RunStore()):
        if found.read_status().state != "done":
            execute(found, show)
    if world_size() > 1:
        _check_failure(found)  # the others wait for this process in the middle of a step: only its end frees them
    return found


def _progress_text(step: AdaptationStep) -> str:
    parts = [f"loss {step.losses['total']:.3f}"] if step.losses else []
    parts += [f"{level} cycles {facts['rate']:.0%}" for level, facts in step.association.items()]
    return ", ".join(parts)


def _tell(arguments: argparse.Namespace, runs: list[Run]) -> None:
    summaries = [summarise_run(one) for one in runs]
    lines = [
        f"Wrote {one.adapted_path} ({summary.method}, {summary.steps} steps)."
        for one, summary in zip(runs, summaries, strict=True)
    ]
    for summary in summaries:
        if summary.gain is not None:
            scored = (
                f"{summary.method}: target mIoU {summary.target_before:.1f} → {summary.target_after:.1f} ({summary.gain:+.1f})"
            )
            lines.append(f"{scored}. {SCORED_ON_LABELS}")
        if (summary.health_after or {}).get("suggestion"):
            lines.append(f"{summary.method}: {summary.health_after['suggestion']}")
    common.emit(arguments.json, [summary.to_dict() for summary in summaries], "\n".join(lines))
