"""``cyclelens inspect-data``: what a data set is, before anything is trained on it."""

from __future__ import annotations

import argparse
from pathlib import Path

from pca_core.checks import InputError
from pca_core.cli import common
from pca_core.data import FolderDataset, encode_png
from pca_core.data.inspection import Inspection, choose_evenly, inspect_dataset
from pca_core.preview import draw_preview
from pca_core.storage import check_writable, write_atomic
from pca_core.types import Sample

SAMPLE = 50
"""Images that are opened unless ``--all`` is given."""
SHOWN = 5
PREVIEWED = 8


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser(
        "inspect-data", help="say what a data set holds: layout, counts, sizes, classes, faults", description=__doc__
    )
    common.add_dataset(parser, "DIR", "classes to read the labels in, instead of those of the data set")
    parser.add_argument("--all", action="store_true", help=f"open every image and label map, not only {SAMPLE} of them")
    parser.add_argument("--preview", metavar="FILE.png", help="write a few images over their labels, with a legend")
    common.add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if arguments.preview and not arguments.preview.lower().endswith(".png"):
        raise ValueError(f"--preview must end in .png, got {arguments.preview!r}.")
    if arguments.preview:
        check_writable(Path(arguments.preview).parent)
    dataset = common.open_dataset(arguments, label_space=common.asked_label_space(arguments), unknown="ignore")
    names = choose_evenly(dataset.names, None if arguments.all else SAMPLE)
    found = inspect_dataset(dataset, names, progress=common.progress("image"))
    space = dataset.label_space
    facts = {
        "root": str(dataset.root),
        "layout": dataset.listing.layout,
        "split": dataset.listing.split,
        "splits": list(dataset.listing.splits),
        "label_space": space.name if space and dataset.has_labels else None,
        **found.to_dict(space.class_names if space else ()),
        "preview": arguments.preview,
    }
    if arguments.preview:
        _write_preview(arguments.preview, dataset, facts)
    common.emit(arguments.json, facts, describe(facts, found))
    return 0


def describe(facts: dict, found: Inspection) -> str:
    """The facts as lines of text."""
    lines = [_describe_layout(facts), _describe_images(facts, found)]
    if found.num_looked_at < found.num_images:
        lines.append(f"Looked at {found.num_looked_at} of them, evenly spread; --all opens every one.")
    if facts["class_frequencies"] and found.num_labelled:
        lines += _describe_classes(facts)
    lines += _describe_faults(found)
    if facts["preview"]:
        lines.append(f"Wrote {facts['preview']}.")
    return "\n".join(lines)


def _describe_layout(facts: dict) -> str:
    part = f", part {facts['split']} (of {', '.join(facts['splits']) or 'list files'})" if facts["split"] else ""
    return f"Layout    {facts['layout']}{part}, {facts['root']}"


def _describe_images(facts: dict, found: Inspection) -> str:
    sizes = [f"{width} × {height}" + (f" ({n})" if len(found.sizes) > 1 else "") for (height, width), n in found.sizes.items()]
    more = f" and {len(sizes) - SHOWN} more sizes" if len(sizes) > SHOWN else ""
    missing = facts["num_missing_labels"]
    labels = "none labelled" if not found.num_labelled else "all labelled" if not missing else f"{missing} without a label"
    return f"Images    {found.num_images}, {', '.join(sizes[:SHOWN]) or 'none readable'}{more} pixels (width × height), {labels}"


def _describe_classes(facts: dict) -> list[str]:
    frequencies = facts["class_frequencies"]
    width, largest = max(map(len, frequencies)), max(*frequencies.values(), 1e-12)
    rows = [
        f"  {name:<{width}}  {value:7.2%}  {'█' * round(24 * value / largest)}".rstrip() for name, value in frequencies.items()
    ]
    return [
        f"Classes   {facts['label_space']} ({len(frequencies)}), {facts['unlabelled']:.2%} of the pixels without a class",
        *rows,
    ]


def _describe_faults(found: Inspection) -> list[str]:
    lines = []
    if found.unknown_pixels:
        shown = [
            f"{_name_id(raw)} ({n} pixels in {found.unknown_maps[raw]} label map{'s' * (found.unknown_maps[raw] != 1)})"
            for raw, n in list(found.unknown_pixels.items())[:SHOWN]
        ]
        more = f" and {len(found.unknown_pixels) - SHOWN} more" if len(found.unknown_pixels) > SHOWN else ""
        lines.append(f"Unknown   ids of no class: {', '.join(shown)}{more}")
    elif found.num_labelled:
        lines.append("Unknown   no id without a class")
    for name, sentence in list(found.problems.items())[:SHOWN]:
        lines.append(f"Fault     {name}: {sentence}")
    if len(found.problems) > SHOWN:
        lines.append(f"Fault     and {len(found.problems) - SHOWN} more")
    return lines


def _name_id(raw: int) -> str:
    return str(raw) if raw < 256 else f"{raw} (#{raw:06x})"


def _write_preview(path: str, dataset: FolderDataset, facts: dict) -> None:
    picture = draw_preview(
        _read_some(dataset),
        dataset.label_space if dataset.has_labels else None,
        list(facts["class_frequencies"].values()),
        dataset.root.absolute().name + (f", part {facts['split']}" if facts["split"] else ""),
        f"Layout {facts['layout']}, {facts['num_images']} images, {facts['num_labelled']} labelled{_count_classes(facts)}",
    )
    write_atomic(path, encode_png(picture))


def _count_classes(facts: dict) -> str:
    frequencies = facts["class_frequencies"].values()
    return f"; {sum(map(bool, frequencies))} of {len(frequencies)} classes of {facts['label_space']} occur" if frequencies else ""


def _read_some(dataset: FolderDataset) -> list[Sample]:
    """A few samples from the whole range that can be read; those that cannot are listed as faults."""
    samples = []
    for name in choose_evenly(dataset.names, 2 * PREVIEWED):
        try:
            samples.append(dataset[dataset.names.index(name)])
        except InputError:
            continue
    if not samples:
        raise InputError("DATASET_UNREADABLE", f"None of the images of {dataset.root} can be read, so there is no preview.")
    return list(choose_evenly(samples, PREVIEWED))
