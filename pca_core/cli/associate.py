"""``cyclelens associate``: cycle association of one image pair, as statistics, arrays and pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from pca_core.association import AssociationConfig, PairAnalysis
from pca_core.cli import common
from pca_core.data import read_image, read_label
from pca_core.export.association import write_association
from pca_core.inference import make_pair, segment

DEFAULTS = AssociationConfig()


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("associate", help="associate one source image with one target image", description=__doc__)
    parser.add_argument("--source", required=True, metavar="IMAGE")
    parser.add_argument(
        "--source-label", required=True, metavar="LABEL", help="label map of the source, in the checkpoint's classes"
    )
    parser.add_argument("--target", required=True, metavar="IMAGE")
    parser.add_argument("--target-label", metavar="LABEL", help="only to judge: adds the correct rate and the class flow")
    common.add_checkpoint(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for statistics.json, association.npz and PNGs")
    parser.add_argument("--level", choices=("feature", "prediction"), default=DEFAULTS.level)
    parser.add_argument("--alpha", type=float, default=DEFAULTS.alpha, help="spatial aggregation, 0 = off (default: 0.5)")
    parser.add_argument("--top-k", type=int, default=DEFAULTS.top_k, help="candidates that may close a cycle (default: 1)")
    parser.add_argument("--mutual", action="store_true", help="only pixels that come back to themselves")
    common.add_ignore_unknown(parser)
    common.add_device(parser)
    common.add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    config = AssociationConfig(arguments.level, arguments.alpha, arguments.mutual, arguments.top_k)
    checkpoint = common.open_checkpoint(arguments)
    space, unknown = checkpoint.label_space, common.unknown_ids(arguments)
    source, target = read_image(arguments.source), read_image(arguments.target)
    source_label = read_label(arguments.source_label, space, unknown=unknown, size=source.shape[:2]).ids
    target_label = None
    if arguments.target_label:
        target_label = read_label(arguments.target_label, space, unknown=unknown, size=target.shape[:2]).ids
    pair = make_pair(segment(checkpoint, source), source_label, segment(checkpoint, target), target_label)
    folder = Path(arguments.out)
    statistics = write_association(folder, PairAnalysis(pair, config), source, target, space)
    correct = statistics["correct_rate"]
    text = (
        f"Cycle-consistent {statistics['rate']:.1%} of the labelled source pixels, coverage {statistics['coverage']:.1%}, "
        f"correct {'unknown (no target label)' if correct is None else format(correct, '.1%')}. Wrote {folder}/."
    )
    common.emit(arguments.json, {**statistics, "out": str(folder)}, text)
    return 0
