"""``cyclelens train``: a net from labelled source images."""

from __future__ import annotations

import argparse
import sys
import time
from typing import get_args

from tqdm import tqdm

from pca_core.checks import InputError
from pca_core.cli import common
from pca_core.data.streets import HELD_OUT, is_held_out
from pca_core.device import NetPrecision, pick_device
from pca_core.training import TrainConfig, train

DEFAULTS = TrainConfig()


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("train", help="train a net on labelled source images", description=__doc__)
    common.add_dataset(parser, "--source", "classes to learn, such as synthia-16, instead of those of the data set")
    common.add_ignore_unknown(parser)
    parser.add_argument("--out", required=True, metavar="FILE", help="checkpoint to write (.safetensors)")
    parser.add_argument("--steps", type=int, default=DEFAULTS.steps, help=f"optimiser steps (default: {DEFAULTS.steps})")
    parser.add_argument("--batch-size", type=int, default=DEFAULTS.batch_size)
    parser.add_argument(
        "--short-side", type=int, default=DEFAULTS.short_side, help="pixels of the shorter image side (default: 192)"
    )
    parser.add_argument("--learning-rate", type=float, default=DEFAULTS.learning_rate)
    parser.add_argument("--architecture", default=DEFAULTS.architecture, metavar="NAME", help="a net that cyclelens models lists")
    common.add_architecture_options(parser)
    parser.add_argument("--pretrained", action="store_true", help="start from the weights that the net's library offers")
    parser.add_argument(
        "--precision",
        choices=get_args(NetPrecision),
        default="auto",
        help="of the net; auto mixes in bfloat16 where the device is fast at it (default: auto)",
    )
    parser.add_argument("--seed", type=int, default=DEFAULTS.seed)
    parser.add_argument("--resume", action="store_true", help="go on where an interrupted run of the same settings stopped")
    common.add_device(parser)
    common.add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    out = common.checkpoint_path(arguments.out)
    config = TrainConfig(
        steps=arguments.steps,
        batch_size=arguments.batch_size,
        short_side=arguments.short_side,
        learning_rate=arguments.learning_rate,
        architecture=arguments.architecture,
        options=common.architecture_options(arguments),
        is_pretrained=arguments.pretrained,
        seed=arguments.seed,
        precision=arguments.precision,
    )
    _refuse_held_out(arguments.folder)
    space, unknown = common.asked_label_space(arguments), common.unknown_ids(arguments)
    dataset = common.open_dataset(arguments, label_space=space, unknown=unknown)
    started, record = time.perf_counter(), None
    steps = train(dataset, out, config, device=pick_device(arguments.device), is_resumed=arguments.resume)
    bar = tqdm(total=config.steps, unit="step", file=sys.stderr, disable=None)
    try:
        with bar:
            for record in steps:
                bar.update(record.step - bar.n)
                bar.set_postfix_str(f"loss {record.losses['total']:.3f}", refresh=False)
    except KeyboardInterrupt:
        steps.close()  # writes the state for a resume
        print("cyclelens: stopped; every step that was begun is kept. Go on with --resume.", file=sys.stderr)
        return 130
    seconds = time.perf_counter() - started
    data = {
        "checkpoint": str(out),
        "steps": config.steps,
        "images": len(dataset.labelled_indices),
        "seconds": round(seconds, 1),
        "losses": record.losses if record else {},
    }
    common.emit(arguments.json, data, f"Wrote {out}: {config.steps} steps on {data['images']} images in {seconds:.0f} s.")
    return 0


def _refuse_held_out(folder: str) -> None:
    if is_held_out(folder):
        raise InputError("STREETS_HELD_OUT", f"{folder} is only there to score. Train on {folder.removesuffix(HELD_OUT)}.")
