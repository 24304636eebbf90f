"""``cyclelens inspect-checkpoint``: what a checkpoint file holds, and where it differs from a net."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from pca_core.cli import common
from pca_core.models.inspection import CheckpointReport, inspect_checkpoint
from pca_core.models.weights import NUM_DIFFERENCES


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("inspect-checkpoint", help="say what a checkpoint file holds", description=__doc__)
    parser.add_argument("file", metavar="FILE", help=".safetensors (header only), or .pt and .pth (by a limited child process)")
    parser.add_argument("--architecture", metavar="NAME", help="hold it against this net (default: what it says, or a guess)")
    common.add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    report = inspect_checkpoint(arguments.file, arguments.architecture)
    facts = asdict(report) | {"differences": list(report.differences)}
    common.emit(arguments.json, facts, _describe(arguments.file, report))
    return 0


def _describe(name: str, report: CheckpointReport) -> str:
    dtypes = ", ".join(f"{count:,} {dtype}" for dtype, count in sorted(report.dtypes.items(), key=lambda item: -item[1]))
    rows = {"": f"{report.num_bytes / 2**20:.1f} MiB, {report.num_tensors} tensors, {report.num_weights:,} numbers ({dtypes})"}
    origin = "as it says" if report.description else "guessed from its names"
    rows["architecture"] = f"{report.architecture} ({origin})" if report.architecture else "none of the built-in nets"
    rows |= _describe_itself(report.description) if report.description else {}
    if not report.description and report.num_classes:
        rows["classes"] = f"{report.num_classes} outputs; give their names and order to import-checkpoint"
    if report.architecture:
        rows["fits the net"] = f"no, {len(report.differences)} differences" if report.differences else "yes, every name and shape"
    lines = [name, *(f"  {title:<14}{text}" for title, text in rows.items())]
    return "\n".join(lines + [f"    {difference}" for difference in report.differences[:NUM_DIFFERENCES]])


def _describe_itself(told: dict) -> dict[str, str]:
    space, normalisation = told["label_space"], told["normalisation"]
    names = space["class_names"]
    notes = ", ".join(f"{key} {value}" for key, value in told.get("notes", {}).items() if not isinstance(value, dict))
    scale = f"/ {normalisation['scale']:g}, mean {normalisation['mean']}, std {normalisation['std']}"
    return {
        "classes": f"{len(names)} of {space['name']}, in this order: {', '.join(names)}",
        "input": f"short side {told['short_side']} pixels, {normalisation['channel_order']} {scale}",
        "notes": notes or "none",
    }
