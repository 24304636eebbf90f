"""What several commands share: arguments, progress, output."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from tqdm import tqdm

from pca_core import data
from pca_core.checks import one_line
from pca_core.data import LAYOUTS, FolderDataset, find_label_space, get_label_space
from pca_core.data.conventions import CONVENTIONS
from pca_core.device import pick_device
from pca_core.models import Checkpoint, load_checkpoint
from pca_core.models.checkpoints import check_same_classes
from pca_core.types import LabelSpace

DATASET_HELP = (
    "folder with images/, labels/ and classes.json (beside or one level above); or one as downloaded: GTAV, SYNTHIA, Cityscapes, "
    "ACDC, BDD100K, Mapillary Vistas, CamVid; DIR:val names a part; streets:noon and streets:dusk-rain are built in"
)


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")


def add_dataset(parser: argparse.ArgumentParser, flag: str, classes_help: str) -> None:
    """A data set with its filters; a flag without dashes is a positional argument."""
    if flag.startswith("-"):
        parser.add_argument(flag, dest="folder", required=True, metavar="DIR", help=DATASET_HELP)
    else:
        parser.add_argument("folder", metavar=flag, help=DATASET_HELP)
    parser.add_argument("--split", metavar="NAME", help="part of the data set, all, or a text file with one image a line")
    parser.add_argument("--layout", metavar="NAME", help=f"{', '.join(LAYOUTS)} (default: recognised)")
    parser.add_argument("--label-space", metavar="NAME", help=classes_help)
    parser.add_argument(
        "--label-ids", dest="convention", metavar="NAME", help=f"what ids in label files are: {', '.join(CONVENTIONS)}"
    )
    parser.add_argument("--include", default="*", metavar="GLOB", help="only images whose name matches, e.g. '0016E5_*'")
    parser.add_argument("--exclude", action="append", metavar="GLOB", help="leave out images whose name matches; repeatable")


def add_ignore_unknown(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ignore-unknown", action="store_true", help="treat label ids outside the label space as unlabelled instead of stopping"
    )


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", required=True, metavar="FILE", help="a .safetensors checkpoint")


def add_architecture_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="of the architecture, e.g. min_stride=4; repeatable"
    )


def architecture_options(arguments: argparse.Namespace) -> dict[str, object]:
    """What ``--option`` gave: a value is JSON where it can be, else text.

    Raises:
        ValueError: Without an equals sign.
    """
    options = {}
    for text in arguments.option:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--option must be NAME=VALUE, got {text!r}.")
        options[name] = parse_value(value)
    return options


def parse_value(text: str) -> object:
    """JSON where it can be, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def checkpoint_path(text: str) -> Path:
    """Where to write a checkpoint.

    Raises:
        ValueError: Unless it ends in ``.safetensors``.
    """
    path = Path(text)
    if path.suffix != ".safetensors":
        raise ValueError(f"--out must end in .safetensors, got {path.name!r}.")
    return path


def unknown_ids(arguments: argparse.Namespace) -> str:
    """What reading a label does with unknown ids."""
    return "ignore" if arguments.ignore_unknown else "error"


def asked_label_space(arguments: argparse.Namespace) -> LabelSpace | None:
    return None if arguments.label_space is None else get_label_space(arguments.label_space)


def open_dataset(arguments: argparse.Namespace, **options) -> FolderDataset:
    """Open what :func:`add_dataset` asked for; ``options`` as in :func:`pca_core.data.open_dataset`."""
    given = {name: getattr(arguments, name) for name in ("split", "layout", "convention", "include", "exclude")}
    return data.open_dataset(arguments.folder, **given, **options)


def open_checkpoint(arguments: argparse.Namespace) -> Checkpoint:
    return load_checkpoint(arguments.checkpoint, device=pick_device(arguments.device))


def check_classes(arguments: argparse.Namespace, checkpoint: Checkpoint, dataset: FolderDataset) -> None:
    """Raise InputError ``CHECKPOINT_CLASSES`` when data and checkpoint speak of different classes."""
    space = dataset.label_space or find_label_space(dataset.root)
    check_same_classes(str(arguments.checkpoint), checkpoint.label_space, space)


def progress(unit: str, total: int | None = None, *, is_silent: bool = False) -> Callable[[Iterable], Iterable]:
    """A progress bar on stderr; silent where stderr is not a terminal. ``total`` for what has no length."""
    return lambda items: tqdm(items, unit=unit, total=total, file=sys.stderr, disable=True if is_silent else None)


def emit(is_json: bool, facts: dict | list, text: str) -> None:
    """Print for machines or for people; names out of strangers' files do not reach the terminal as commands."""
    print(json.dumps(facts, indent=1) if is_json else "\n".join(map(one_line, text.split("\n"))))
