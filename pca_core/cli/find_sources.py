"""``cyclelens find-sources``: which source images support a target image, and which of its regions none supports."""

from __future__ import annotations

import argparse
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from pca_core.adaptation.distributed import process_group, rank, world_size
from pca_core.analysis.coverage_gap import USUAL_DROP, Coverage, find_threshold, measure_coverage
from pca_core.analysis.support import SupportSearch, find_support
from pca_core.association import AssociationConfig
from pca_core.cli import common
from pca_core.data import FolderDataset, encode_png, read_image
from pca_core.data.inspection import choose_evenly
from pca_core.device import pick_device
from pca_core.many.sources import KeptSearch
from pca_core.many.sweep import PATIENCE, count_own
from pca_core.models import Checkpoint, load_checkpoint
from pca_core.preview import draw_preview
from pca_core.render import overlay_gap
from pca_core.storage import check_writable, write_atomic
from pca_core.types import Sample

DEFAULTS = AssociationConfig()
LIMIT = 40
SHOWN = 10  # sources as text
PICTURED = 7


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser(
        "find-sources", help="rank source images by how much they support a target", description=__doc__
    )
    parser.add_argument("--target", required=True, metavar="IMAGE")
    common.add_dataset(parser, "--sources", "classes to read the labels in, instead of those of the data set")
    common.add_ignore_unknown(parser)
    common.add_checkpoint(parser)
    parser.add_argument(
        "--limit", type=int, default=LIMIT, metavar="N", help=f"images to look at, evenly spread (default: {LIMIT})"
    )
    parser.add_argument("--level", choices=("feature", "prediction"), default=DEFAULTS.level)
    parser.add_argument("--alpha", type=float, default=DEFAULTS.alpha, help="spatial aggregation, 0 = off (default: 0.5)")
    parser.add_argument(
        "--drop",
        type=float,
        default=USUAL_DROP,
        metavar="SHARE",
        help="a match must be as good as all but this share of matches between source images (default: 0.1)",
    )
    parser.add_argument("--min-similarity", type=float, metavar="VALUE", help="the least similarity itself, instead of --drop")
    parser.add_argument("--out", metavar="FILE.png", help="write the gap over the target, beside the best sources")
    parser.add_argument(
        "--keep",
        metavar="DIR",
        help="keep what each source has: the same search goes on there after a stop, and processes of torchrun share it",
    )
    common.add_device(parser)
    common.add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    _check(arguments)
    config = AssociationConfig(arguments.level, arguments.alpha)
    target = read_image(arguments.target)
    with process_group(pick_device(arguments.device), backend="gloo", patience=PATIENCE) as device:
        if world_size() > 1 and not arguments.keep:
            raise ValueError("Several processes share the work through a folder. Give --keep DIR.")
        checkpoint = load_checkpoint(arguments.checkpoint, device=device)
        space = common.asked_label_space(arguments)
        dataset = common.open_dataset(
            arguments, label_space=space, model_space=checkpoint.label_space, unknown=common.unknown_ids(arguments)
        )
        sources = dataset.subset(choose_evenly(dataset.names, arguments.limit))
        search = _search(arguments, checkpoint, target, sources, config)
    if search is None:
        return 0
    threshold = arguments.min_similarity
    if threshold is None:
        threshold = find_threshold(search.reference, arguments.drop)
    found = measure_coverage(search, threshold)
    facts = _gather(arguments, search, found, len(dataset), checkpoint.label_space.class_names)
    if arguments.out:
        write_atomic(arguments.out, encode_png(_draw(target, sources, found, facts)))
    common.emit(arguments.json, facts, describe(facts))
    return 0


def _search(
    arguments: argparse.Namespace, checkpoint: Checkpoint, target: np.ndarray, sources: FolderDataset, config: AssociationConfig
) -> SupportSearch | None:
    """The finished search; None in all processes but the first."""
    if not arguments.keep:
        steps = find_support(checkpoint, target, sources, config)
        return deque(common.progress("image", len(sources))(steps), maxlen=1).pop()
    kept = KeptSearch(arguments.keep, checkpoint, arguments.checkpoint, target, sources, config)
    for _ in common.progress("image", count_own(len(sources)), is_silent=rank() > 0)(kept.look()):
        pass
    return kept.finish()


def _check(arguments: argparse.Namespace) -> None:
    """Say what cannot work before minutes of work."""
    if arguments.limit < 1:
        raise ValueError(f"--limit must be at least 1, got {arguments.limit}.")
    find_threshold(np.empty(0), arguments.drop)
    if arguments.min_similarity is not None and not np.isfinite(arguments.min_similarity):
        raise ValueError(f"--min-similarity must be a finite number, got {arguments.min_similarity}.")
    if arguments.out:
        if not arguments.out.lower().endswith(".png"):
            raise ValueError(f"--out must end in .png, got {arguments.out!r}.")
        check_writable(Path(arguments.out).parent)


def _gather(
    arguments: argparse.Namespace, search: SupportSearch, found: Coverage, num_images: int, names: tuple[str, ...]
) -> dict[str, Any]:
    steps = {step.name: step for step in found.steps}
    return {
        "target": str(arguments.target),
        "sources": str(arguments.folder),
        "checkpoint": str(arguments.checkpoint),
        "num_images": num_images,
        "num_looked_at": search.num_seen,
        "least_similarity": found.threshold if np.isfinite(found.threshold) else None,
        "covered": found.covered,
        "ranking": [
            {
                "name": source.name,
                "support": source.support,
                "reached": source.reached,
                "mean_similarity": source.similarity,
                "is_labelled": source.is_labelled,
            }
            for source in found.ranked
        ],
        "in_order_of_what_they_add": [{"name": name, "adds": step.adds, "covered": step.covered} for name, step in steps.items()],
        "gap": [
            {
                "class": names[row.class_index],
                "share_of_class": row.share,
                "share_of_target": row.num_unsupported / found.is_gap.size,
                "regions": row.num_regions,
                "mean_similarity": row.similarity,
            }
            for row in found.classes
            if row.num_unsupported
        ],
        "skipped": list(search.skipped),
        "out": arguments.out,
    }


def describe(facts: dict[str, Any]) -> str:
    """The facts as lines of text."""
    least = facts["least_similarity"]
    lines = [
        f"Looked at {facts['num_looked_at']} of {facts['num_images']} source images; "
        + ("any cycle-consistent match counts." if least is None else f"a match counts from similarity {least:.3f}."),
        "  support  reached  source",
    ]
    lines += [f"  {row['support']:7.1%}  {row['reached']:7.1%}  {row['name']}" for row in facts["ranking"][:SHOWN]]
    if len(facts["ranking"]) > SHOWN:
        lines.append(f"  … and {len(facts['ranking']) - SHOWN} more")
    steps = facts["in_order_of_what_they_add"]
    if len(steps) > 1:
        best, further = steps[0], steps[1:4]
        more = ", ".join(f"{step['name']} adds {step['adds']:.1%}" for step in further)
        lines.append(f"Best alone {best['name']} ({best['covered']:.1%}); then {more}.")
    lines.append(f"Together they support {facts['covered']:.1%} of the target; no source supports {1 - facts['covered']:.1%}.")
    lines += [
        f"  {row['share_of_target']:7.1%}  predicted {row['class']}: {row['share_of_class']:.0%} of it, "
        f"{row['regions']} region{'s' * (row['regions'] != 1)}, best match {row['mean_similarity']:.3f}"
        for row in facts["gap"]
    ]
    lines += [f"Skipped: {sentence}" for sentence in facts["skipped"]]
    if facts["out"]:
        lines.append(f"Wrote {facts['out']}.")
    return "\n".join(lines)


def _draw(target: np.ndarray, sources: FolderDataset, found: Coverage, facts: dict[str, Any]) -> np.ndarray:
    """The target with its gap, and the best sources with their support, on one page."""
    tiles = [Sample(f"target, {1 - found.covered:.1%} unsupported", "target", overlay_gap(target, found.is_gap))]
    for source in found.ranked[:PICTURED]:
        image = sources[sources.names.index(source.name)].image
        tiles.append(Sample(f"{source.name}  {source.support:.1%}", "source", image))
    name = Path(facts["target"]).stem
    return draw_preview(
        tiles, None, [], f"Sources for {name}", f"{facts['num_looked_at']} looked at; orange: no source supports it"
    )
