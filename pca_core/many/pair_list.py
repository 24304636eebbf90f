"""Which pairs are to be associated: those of a list on disk, or of two data sets by a rule. No image is opened here.

A list has one pair a line: source, source_label, target and, where it is known, target_label. Columns are separated by commas,
tabs or, without either, by spaces; a first line that names them may put them in another order. Paths are relative to the folder
of the list. Lines are read anew each time they are asked for, so a list may be longer than memory.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pca_core.checks import InputError, shorten
from pca_core.data import FolderDataset
from pca_core.types import LabelSpace

COLUMNS = ("source", "source_label", "target", "target_label")
NEEDED = COLUMNS[:3]
EXPECTED = f"{', '.join(NEEDED)}[, {COLUMNS[3]}]"
PAIRINGS = "zip, all or random:N"
BLOCK = 4
"""Source images that a target image meets in a row when all are paired; the cache of images must hold one more."""


@dataclass(frozen=True)
class ImageFile:
    """One side of a pair.

    Attributes:
        name: What the list or the data set calls it.
        image, label: Files; a label may be missing.
        space: Classes of the label; None are those of the net.
        id_map: As :func:`pca_core.data.read_label` takes it.
    """

    name: str
    image: Path
    label: Path | None = None
    space: LabelSpace | None = None
    id_map: Mapping[int, int] | None = None


@dataclass(frozen=True)
class Pairs:
    """Source and target images in a fixed order, listed anew by every iteration.

    Attributes:
        number: How many pairs there are.
        origin: Where they come from, for people.
        list_all: Begins an iteration.
    """

    number: int
    origin: str
    list_all: Callable[[], Iterator[tuple[ImageFile, ImageFile]]]

    def __len__(self) -> int:
        return self.number

    def __iter__(self) -> Iterator[tuple[ImageFile, ImageFile]]:
        return self.list_all()


def read_pair_list(path: str | Path) -> Pairs:
    """Check a list from its first to its last line; of its images nothing is known yet.

    Raises:
        InputError: ``PAIRS_LIST``: the list cannot be read, a line is not a pair, or there is none.
    """
    path = Path(path)
    number = sum(1 for _ in _read_rows(path))
    if not number:
        raise InputError("PAIRS_LIST", f"{shorten(path)} names no pair. It needs {EXPECTED} on each line.")
    return Pairs(number, str(path), lambda: (_to_files(row, path.parent) for row in _read_rows(path)))


def _to_files(row: Mapping[str, str], folder: Path) -> tuple[ImageFile, ImageFile]:
    source, target = row["source"], row["target"]
    label = row.get("target_label")
    return (
        ImageFile(source, folder / source, folder / row["source_label"]),
        ImageFile(target, folder / target, folder / label if label else None),
    )


def _read_rows(path: Path) -> Iterator[dict[str, str]]:
    columns: tuple[str, ...] | None = None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for line, cells in _split(file):
                if columns is None:
                    columns, is_header = _find_columns(path, line, cells)
                    if is_header:
                        continue
                yield _check_row(path, line, columns, cells)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            "PAIRS_LIST",
            f"{shorten(path)} cannot be read as a list of pairs ({shorten(error)}). It must be a text file with {EXPECTED} "
            "on each line.",
        ) from None


def _split(file: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each line that holds any; what separates them is told by the first."""
    separator: str | None = None
    is_first = True
    for number, text in enumerate(file, 1):
        line = text.strip("\r\n ")
        if not line.strip() or line.startswith("#"):
            continue
        if is_first:
            separator, is_first = next((mark for mark in "\t," if mark in line), None), False
        cells = line.split() if separator is None else next(csv.reader([line], delimiter=separator, strict=True))
        yield number, [cell.strip() for cell in cells]


def _find_columns(path: Path, line: int, cells: list[str]) -> tuple[tuple[str, ...], bool]:
    """Names of the columns, and whether this line is there to name them."""
    if not {"source", "target"} & set(cells):
        return COLUMNS, False
    wrong = [cell for cell in cells if cell not in COLUMNS or cells.count(cell) > 1]
    missing = [name for name in NEEDED if name not in cells]
    if wrong or missing:
        got = f"it has {shorten(wrong[0], 60)!r}" if wrong else f"it lacks {missing[0]}"
        raise InputError(
            "PAIRS_LIST",
            f"Line {line} of {shorten(path)} names the columns: it must have {EXPECTED}, each once and in any order, but {got}. "
            "Correct it.",
        )
    return tuple(cells), True


def _check_row(path: Path, line: int, columns: tuple[str, ...], cells: list[str]) -> dict[str, str]:
    row = dict(zip(columns, cells, strict=False))
    empty = [name for name in NEEDED if not row.get(name)]
    if empty or len(cells) > len(columns):
        got = f"{empty[0]} is missing" if empty else f"it has {len(cells)} columns"
        raise InputError(
            "PAIRS_LIST",
            f"Line {line} of {shorten(path)} must give {', '.join(columns)}, but {got}. Correct the line, or remove it.",
        )
    return row


def pair_datasets(source: FolderDataset, target: FolderDataset, rule: str, seed: int = 0) -> Pairs:
    """Pair the labelled images of one data set with the images of another.

    Args:
        source: Images without a label are left out: their cycles could not be judged.
        target: With or without labels.
        rule: ``"zip"``: the first with the first, and so on; ``"all"``: each with each, a few sources at a time, so that an image
            is still known when it comes again; ``"random:N"``: N different pairs, those of one source together.
        seed: Of ``random``.

    Raises:
        InputError: ``PAIRING``: an unknown rule, or one that does not fit these numbers of images; ``SOURCE_UNLABELLED``.
    """
    sources = _files(source.subset([source.names[index] for index in source.labelled_indices]))
    targets = _files(target)
    if not sources:
        raise InputError("SOURCE_UNLABELLED", f"No image of {source.root} has a label map. The source needs labels.")
    origin = f"{source.root} × {target.root}, {rule}" + f", seed {seed}" * rule.startswith("random")
    places = _choose(rule, len(sources), len(targets), seed)
    number = len(sources) * len(targets) if rule == "all" else len(places)

    def list_all() -> Iterator[tuple[ImageFile, ImageFile]]:
        return ((sources[a], targets[b]) for a, b in (_blocks(sources, targets) if rule == "all" else places))

    return Pairs(number, origin, list_all)


def _files(dataset: FolderDataset) -> list[ImageFile]:
    listing, space = dataset.listing, dataset.label_space
    id_map = listing.make_id_map(space)
    return [
        ImageFile(name, listing.images[name], None if space is None else listing.labels.get(name), space, id_map)
        for name in dataset.names
    ]


def _blocks(sources: list, targets: list) -> Iterator[tuple[int, int]]:
    for first in range(0, len(sources), BLOCK):
        for target in range(len(targets)):
            for source in range(first, min(first + BLOCK, len(sources))):
                yield source, target


def _choose(rule: str, num_sources: int, num_targets: int, seed: int) -> np.ndarray:
    """(N, 2) places of source and target; none for ``all``, which is not held in memory."""
    head, _, tail = rule.partition(":")
    if rule == "zip" and num_sources != num_targets:
        raise InputError(
            "PAIRING",
            f"zip needs as many source as target images, got {num_sources} labelled ones and {num_targets}. "
            "Choose a part of them, or use random:N.",
        )
    if rule in ("zip", "all"):
        return np.arange(num_sources if rule == "zip" else 0)[:, None].repeat(2, axis=1)
    most = num_sources * num_targets
    if head != "random" or not tail.isdecimal() or not 1 <= int(tail) <= most:
        raise InputError(
            "PAIRING",
            f"The pairing must be {PAIRINGS} with N from 1 to {most:,} (all pairs there are), got {shorten(rule, 60)!r}.",
        )
    drawn = np.random.default_rng(seed).choice(most, int(tail), replace=False)
    return np.stack(np.divmod(np.sort(drawn), num_targets), axis=1)
