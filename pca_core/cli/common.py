"""What several commands share: arguments, progress, output."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable

from tqdm import tqdm

from pca_core.data import FolderDataset, find_label_space
from pca_core.device import pick_device
from pca_core.models import Checkpoint, load_checkpoint


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")


def add_dataset(parser: argparse.ArgumentParser, flag: str, what: str) -> None:
    """A folder data set with its filters."""
    parser.add_argument(flag, dest="folder", required=True, metavar="DIR", help=what)
    parser.add_argument("--include", default="*", metavar="GLOB", help="only images whose stem matches, e.g. '0016E5_*'")
    parser.add_argument("--exclude", metavar="GLOB", help="leave out images whose stem matches")
    add_ignore_unknown(parser)


def add_ignore_unknown(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ignore-unknown", action="store_true", help="treat label ids outside the label space as unlabelled instead of stopping"
    )


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", required=True, metavar="FILE", help="a .safetensors checkpoint")


def unknown_ids(arguments: argparse.Namespace) -> str:
    """What reading a label does with unknown ids."""
    return "ignore" if arguments.ignore_unknown else "error"


def open_dataset(arguments: argparse.Namespace) -> FolderDataset:
    return FolderDataset(arguments.folder, include=arguments.include, exclude=arguments.exclude, unknown=unknown_ids(arguments))


def open_checkpoint(arguments: argparse.Namespace, dataset: FolderDataset | None = None) -> Checkpoint:
    """Load ``--checkpoint``; with a data set, its classes must be the same."""
    space = None if dataset is None else dataset.label_space or find_label_space(dataset.root)
    return load_checkpoint(arguments.checkpoint, label_space=space, device=pick_device(arguments.device))


def progress(unit: str) -> Callable[[Iterable], Iterable]:
    """A progress bar on stderr; silent where stderr is not a terminal."""
    return lambda items: tqdm(items, unit=unit, file=sys.stderr, disable=None)


def emit(is_json: bool, data: dict, text: str) -> None:
    """Print for machines or for people."""
    print(json.dumps(data, indent=1) if is_json else text)
