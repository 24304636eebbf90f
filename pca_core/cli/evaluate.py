"""``cyclelens evaluate``: scores of a checkpoint on labelled images."""

from __future__ import annotations

import argparse

from pca_core.checks import InputError
from pca_core.cli import common
from pca_core.data import FolderDataset, find_classes
from pca_core.inference import evaluate
from pca_core.metrics import score
from pca_core.types import LabelSpace


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("evaluate", help="score a checkpoint on labelled images", description=__doc__)
    common.add_dataset(parser, "--data", "classes that the mean is taken over, such as synthia-13 for a net of 16 classes")
    common.add_ignore_unknown(parser)
    common.add_checkpoint(parser)
    parser.add_argument("--aggregate", action="store_true", help="inference with spatial aggregation, as the paper reports")
    common.add_device(parser)
    common.add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    checkpoint, protocol = common.open_checkpoint(arguments), common.asked_label_space(arguments)
    dataset = _open_dataset(arguments, checkpoint.label_space, protocol)
    common.check_classes(arguments, checkpoint, dataset)
    counted = find_classes(checkpoint.label_space, protocol or checkpoint.label_space)
    confusion = evaluate(checkpoint, dataset, is_aggregated=arguments.aggregate, progress=common.progress("image"))
    result = score(confusion, counted)
    names = checkpoint.label_space.class_names
    data = {
        **result.to_dict(names),
        "mean_over": [names[index] for index in counted],
        "num_images": len(dataset.labelled_indices),
        "layout": dataset.listing.layout,
        "split": dataset.listing.split,
        "is_aggregated": arguments.aggregate,
        "checkpoint": str(arguments.checkpoint),
    }
    common.emit(arguments.json, data, _describe(data, protocol))
    return 0


def _open_dataset(arguments: argparse.Namespace, space: LabelSpace, protocol: LabelSpace | None) -> FolderDataset:
    """Labels come in the net's classes where their ids can be translated; the protocol names those of a folder without names."""
    options = {"for_scoring": True, "unknown": common.unknown_ids(arguments)}
    try:
        return common.open_dataset(arguments, model_space=space, **options)
    except InputError as error:
        if error.code != "CLASSES_NOT_FOUND" or protocol is None:
            raise
        return common.open_dataset(arguments, label_space=protocol, **options)


def _describe(data: dict, protocol: LabelSpace | None) -> str:
    width = max(map(len, data["iou"]))
    rows = [
        f"{' ' if name in data['mean_over'] else '-'} {name:<{width}}  {'  not present' if value is None else f'{value:6.2f} %'}"
        for name, value in data["iou"].items()
    ]
    head = f"mIoU {data['miou']:.2f} %, pixel accuracy {data['pixel_accuracy']:.2f} %, {data['num_images']} images"
    head += f" of {data['split']}" if data["split"] else ""
    head += f", mean over the {len(data['mean_over'])} classes of {protocol.name}" if protocol else ""
    head += ", with aggregation" if data["is_aggregated"] else ""
    return "\n".join([head, *("  " + row if protocol else "  " + row[2:] for row in rows)])
