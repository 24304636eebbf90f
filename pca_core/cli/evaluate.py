"""``cyclelens evaluate``: scores of a checkpoint on labelled images."""

from __future__ import annotations

import argparse

import numpy as np

from pca_core.cli import common
from pca_core.inference import evaluate
from pca_core.metrics import score


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("evaluate", help="score a checkpoint on labelled images", description=__doc__)
    common.add_dataset(parser, "--data", "folder with images/, labels/ and classes.json (beside or one level above)")
    common.add_checkpoint(parser)
    parser.add_argument("--aggregate", action="store_true", help="inference with spatial aggregation, as the paper reports")
    common.add_device(parser)
    common.add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    dataset = common.open_dataset(arguments)
    checkpoint = common.open_checkpoint(arguments, dataset)
    confusion = evaluate(checkpoint, dataset, is_aggregated=arguments.aggregate, progress=common.progress("image"))
    result = score(confusion)
    names = checkpoint.label_space.class_names
    data = {
        **result.to_dict(names),
        "num_images": len(dataset.labelled_indices),
        "is_aggregated": arguments.aggregate,
        "checkpoint": str(arguments.checkpoint),
    }
    width = max(map(len, names))
    rows = [
        f"  {name:<{width}}  {'  not present' if np.isnan(value) else f'{value:6.2f} %'}"
        for name, value in zip(names, result.iou, strict=True)
    ]
    head = f"mIoU {result.miou:.2f} %, pixel accuracy {result.pixel_accuracy:.2f} %, {data['num_images']} images"
    head += ", with aggregation" if arguments.aggregate else ""
    common.emit(arguments.json, data, "\n".join([head, *rows]))
    return 0
