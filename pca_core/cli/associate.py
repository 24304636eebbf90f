"""``cyclelens associate``: cycle association of one image pair, as statistics, arrays and pictures; or of many, a line each."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pca_core import data
from pca_core.adaptation.distributed import process_group, rank
from pca_core.association import AssociationConfig, PairAnalysis
from pca_core.cli import common
from pca_core.data import read_image, read_label
from pca_core.device import pick_device
from pca_core.export.association import write_association
from pca_core.inference import make_pair, segment
from pca_core.many import PAIRINGS, PairOptions, PairResults, Pairs, associate_pairs, pair_datasets, read_pair_list
from pca_core.many.pair_list import COLUMNS
from pca_core.many.sweep import KEPT_IMAGES, PATIENCE, count_own
from pca_core.memory import work_within_memory
from pca_core.models import Checkpoint, load_checkpoint
from pca_core.models.checkpoints import check_same_classes, read_description

DEFAULTS = AssociationConfig()
MANY = (
    "Many pairs: --pairs LIST, or --pairing RULE with two data sets as --source and --target. One JSON line a pair in "
    "DIR/pairs.jsonl, a summary in DIR/summary.json; the same command goes on where it was stopped, on as many processes as "
    "`torchrun --nproc-per-node=N -m pca_core.cli associate …` starts."
)


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser(
        "associate", help="associate one source image with one target image, or many pairs", description=__doc__, epilog=MANY
    )
    parser.add_argument("--source", metavar="IMAGE")
    parser.add_argument("--source-label", metavar="LABEL", help="label map of the source, in the checkpoint's classes")
    parser.add_argument("--target", metavar="IMAGE")
    parser.add_argument("--target-label", metavar="LABEL", help="only to judge: adds the correct rate and the class flow")
    common.add_checkpoint(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for statistics.json, association.npz and PNGs")
    parser.add_argument("--level", choices=("feature", "prediction"), default=DEFAULTS.level)
    parser.add_argument("--alpha", type=float, default=DEFAULTS.alpha, help="spatial aggregation, 0 = off (default: 0.5)")
    parser.add_argument("--top-k", type=int, default=DEFAULTS.top_k, help="candidates that may close a cycle (default: 1)")
    parser.add_argument("--mutual", action="store_true", help="only pixels that come back to themselves")
    _add_many(parser.add_argument_group("many pairs"))
    common.add_ignore_unknown(parser)
    common.add_device(parser)
    common.add_json(parser)
    parser.set_defaults(run=run)


def _add_many(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--pairs", metavar="LIST", help=f"CSV, TSV or text with {', '.join(COLUMNS[:3])}[, {COLUMNS[3]}] a line")
    group.add_argument("--pairing", metavar="RULE", help=f"{PAIRINGS}: how to pair the data sets --source DIR and --target DIR")
    group.add_argument("--seed", type=int, default=0, help="of random:N (default: 0)")
    group.add_argument("--soft-cycle", action="store_true", help="also tell its mean, at about twice the time")
    group.add_argument("--arrays", action="store_true", help="also write DIR/arrays/ID.npz for each pair")
    group.add_argument("--pictures", action="store_true", help="also write PNGs into DIR/pictures/ID/ for each pair")
    group.add_argument("--strict", action="store_true", help="stop at the first pair that cannot be used")
    group.add_argument(
        "--kept-images", type=int, default=KEPT_IMAGES, metavar="N", help=f"whose features are kept (default: {KEPT_IMAGES})"
    )


def run(arguments: argparse.Namespace) -> int:
    config = AssociationConfig(arguments.level, arguments.alpha, arguments.mutual, arguments.top_k)
    given = {name: getattr(arguments, name) is not None for name in ("source", "source_label", "target", "target_label")}
    if arguments.pairs or arguments.pairing:
        _check_many(arguments, given)
        return _run_many(arguments, config)
    missing = [f"--{name.replace('_', '-')}" for name in ("source", "source_label", "target") if not given[name]]
    if missing:
        raise ValueError(f"One pair needs {' and '.join(missing)} too. For many, give --pairs LIST, or --pairing with data sets.")
    return _run_one(arguments, config)


def _run_one(arguments: argparse.Namespace, config: AssociationConfig) -> int:
    checkpoint = common.open_checkpoint(arguments)
    space, unknown = checkpoint.label_space, common.unknown_ids(arguments)
    source, target = read_image(arguments.source), read_image(arguments.target)
    source_label = read_label(arguments.source_label, space, unknown=unknown, size=source.shape[:2]).ids
    target_label = None
    if arguments.target_label:
        target_label = read_label(arguments.target_label, space, unknown=unknown, size=target.shape[:2]).ids
    pair = make_pair(segment(checkpoint, source), source_label, segment(checkpoint, target), target_label)
    folder = Path(arguments.out)
    statistics = work_within_memory(lambda: write_association(folder, PairAnalysis(pair, config), source, target, space))
    correct = statistics["correct_rate"]
    text = (
        f"Cycle-consistent {statistics['rate']:.1%} of the labelled source pixels, coverage {statistics['coverage']:.1%}, "
        f"correct {'unknown (no target label)' if correct is None else format(correct, '.1%')}. Wrote {folder}/."
    )
    common.emit(arguments.json, {**statistics, "out": str(folder)}, text)
    return 0


def _check_many(arguments: argparse.Namespace, given: dict[str, bool]) -> None:
    """Say which arguments contradict each other."""
    if arguments.pairs and arguments.pairing:
        raise ValueError("--pairs names the pairs, --pairing makes them. Give one of the two.")
    wrong = [name for name in given if given[name] and (arguments.pairs or name.endswith("_label"))]
    if wrong:
        what = "--pairs takes images and labels from its list" if arguments.pairs else "--pairing takes labels from the data sets"
        raise ValueError(f"{what}. Leave --{wrong[0].replace('_', '-')} out.")
    if arguments.pairing and not (given["source"] and given["target"]):
        raise ValueError("--pairing needs two data sets, --source DIR and --target DIR.")


def _run_many(arguments: argparse.Namespace, config: AssociationConfig) -> int:
    names = ("ignore_unknown", "soft_cycle", "arrays", "pictures", "strict", "kept_images")
    options = PairOptions(config, *(getattr(arguments, name) for name in names))
    read_description(arguments.checkpoint)  # a misspelt net is told before a long list is read
    listed = read_pair_list(arguments.pairs) if arguments.pairs else None
    with process_group(pick_device(arguments.device), backend="gloo", patience=PATIENCE) as device:
        checkpoint = load_checkpoint(arguments.checkpoint, device=device)
        pairs = listed or _pair_datasets(arguments, checkpoint)
        results = PairResults(arguments.out, options.facts(arguments.checkpoint), len(pairs))
        with results.opened():
            made = associate_pairs(pairs, checkpoint, results, options)
            for _ in common.progress("pair", count_own(len(pairs)), is_silent=rank() > 0)(made):
                pass
            summary = results.finish(checkpoint.label_space.class_names)
    if summary is not None:
        common.emit(arguments.json, {**summary, "pairs": pairs.origin, "out": arguments.out}, _describe(summary, arguments.out))
    return 0


def _pair_datasets(arguments: argparse.Namespace, checkpoint: Checkpoint) -> Pairs:
    sides = []
    for side in ("source", "target"):
        opened = data.open_dataset(getattr(arguments, side), domain=side, model_space=checkpoint.label_space)
        if opened.has_labels:
            check_same_classes(arguments.checkpoint, checkpoint.label_space, opened.label_space)
        sides.append(opened)
    return pair_datasets(*sides, arguments.pairing, arguments.seed)


def _describe(summary: dict[str, Any], folder: str) -> str:
    lines = [f"{summary['num_pairs']} pairs, {summary['num_failed']} of them could not be used."]
    for name, words in (("rate", "Cycle-consistent"), ("coverage", "Coverage"), ("correct_rate", "Correct")):
        share = summary["shares"][name]
        if share["num_pairs"]:
            lines.append(f"  {words:<17} mean {share['mean']:6.1%}, half of the pairs {share['p25']:.1%} to {share['p75']:.1%}")
    width = max(len(row["class"]) for row in summary["classes"])
    lines += [
        f"  {row['class']:<{width}}  returned {row['returned']:6.1%}"
        + ("" if row["matched"] is None else f", matched by label {row['matched']:6.1%}")
        for row in summary["classes"]
        if row["returned"] is not None
    ]
    lines += [f"  not used: {number} × {code}" for code, number in summary["failures"].items()]
    return "\n".join([*lines, f"Wrote {folder}/pairs.jsonl and {folder}/summary.json."])
