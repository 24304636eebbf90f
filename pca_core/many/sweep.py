"""Associates pair after pair: one line each, whatever becomes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from pca_core.adaptation import distributed
from pca_core.association import AssociationConfig, PairAnalysis
from pca_core.checks import InputError
from pca_core.data import content_hash
from pca_core.export.association import association_arrays, association_pictures, association_statistics
from pca_core.inference import make_pair
from pca_core.many.images import ImageCache
from pca_core.many.pair_list import ImageFile, Pairs
from pca_core.many.results import RETRIED, PairResults
from pca_core.memory import is_out_of_memory, work_within_memory
from pca_core.models import Checkpoint
from pca_core.storage import hash_file, write_atomic
from pca_core.types import IGNORE_INDEX

MOST_TOGETHER = 16
KEPT_IMAGES = 8
PATIENCE = timedelta(days=7)
"""How long the first process waits for the last; one that dies ends all, so this only bounds how unlike their shares may be."""


@dataclass(frozen=True)
class PairOptions:
    """What is made of each pair.

    Attributes:
        config: How pixels are associated.
        is_ignoring_unknown: Whether unknown ids of label maps count as unlabelled instead of being refused.
        with_soft_cycle: Whether lines tell its mean, which costs about as much again as the association; arrays hold it anyway.
        with_arrays, with_pictures: Write ``arrays/ID.npz`` and ``pictures/ID/`` too.
        is_strict: Stop at the first pair that cannot be used.
        num_kept: Images whose features are kept, at least 2.
    """

    config: AssociationConfig = field(default_factory=AssociationConfig)
    is_ignoring_unknown: bool = False
    with_soft_cycle: bool = False
    with_arrays: bool = False
    with_pictures: bool = False
    is_strict: bool = False
    num_kept: int = KEPT_IMAGES

    def __post_init__(self) -> None:
        if self.num_kept < 2:
            raise ValueError(f"num_kept must be at least 2 (a source and a target image), got {self.num_kept}.")

    @property
    def has_soft_cycle(self) -> bool:
        return self.with_soft_cycle or self.with_arrays

    def facts(self, checkpoint: str | Path) -> dict[str, Any]:
        """All that lines depend on beside the images: the net by its content, the config, what is written beside them."""
        config = {name: value for name, value in asdict(self.config).items() if name != "tile_rows"}
        return {
            "format": 1,
            "checkpoint_sha256": hash_file(Path(checkpoint)),
            **config,
            "ignore_unknown": self.is_ignoring_unknown,
            "soft_cycle": self.has_soft_cycle,
            "arrays": self.with_arrays,
            "pictures": self.with_pictures,
        }


def associate_pairs(
    pairs: Pairs, checkpoint: Checkpoint, results: PairResults, options: PairOptions
) -> Iterator[dict[str, Any] | None]:
    """Associate this process's share of the pairs but those whose lines are there; yields each record, None for one left out.

    Args:
        pairs: All of them; every process is given the same.
        checkpoint: The net, on the device of this process.
        results: Opened; its lines are written as pairs are made.
        options: See :class:`PairOptions`.

    Raises:
        InputError: With ``is_strict``, whatever is wrong with the first pair that cannot be used.
        OSError: When nothing can be written any more; what has been written counts.
    """
    done = results.read_done()
    unknown = "ignore" if options.is_ignoring_unknown else "error"
    cache = ImageCache(checkpoint, options.num_kept, unknown, with_pictures=options.with_pictures)
    with results.journal() as journal:
        for number, (source, target) in zip(range(len(pairs)), pairs, strict=False):  # a list may grow meanwhile
            if not is_own(number, len(pairs)):
                continue
            identity = identify(source, target, results.facts)
            if int(done[number]) == int(identity, 16):
                yield None
                continue
            head = {"pair": number, "id": identity, "source": source.name, "target": target.name}
            try:
                work = partial(_associate, cache, source, target, options, results.folder, identity, checkpoint)
                record = head | work_within_memory(work)
            except (ValueError, RuntimeError, MemoryError) as error:
                if options.is_strict:
                    raise
                record = head | {"error": _explain(error)}
            journal.append(record)
            yield record


def is_own(number: int, count: int) -> bool:
    """Whether a pair belongs to this process: a few in a row do, so that images which come again are still known."""
    return number // _together(count) % distributed.world_size() == distributed.rank()


def _together(count: int) -> int:
    return max(1, min(MOST_TOGETHER, count // (4 * distributed.world_size())))


def count_own(count: int) -> int:
    """How many of so many pairs belong to this process."""
    together = _together(count)
    rounds, rest = divmod(count, together * distributed.world_size())
    return rounds * together + min(max(rest - distributed.rank() * together, 0), together)


def identify(source: ImageFile, target: ImageFile, facts: dict[str, Any]) -> str:
    """16 hexadecimal digits for a pair: names and contents of its files, and all else that its line depends on."""
    files = [side.label and hash_file(side.label) for side in (source, target)]
    contents = [source.name, hash_file(source.image), target.name, hash_file(target.image), *files]
    return content_hash(json.dumps([facts, contents], sort_keys=True).encode())[:16]


def _associate(
    cache: ImageCache,
    source: ImageFile,
    target: ImageFile,
    options: PairOptions,
    folder: Path,
    identity: str,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    seen_source, seen_target = cache.see(source), cache.see(target)
    pair = make_pair(seen_source.segmentation, seen_source.label, seen_target.segmentation, seen_target.label)
    if (pair.source_labels == IGNORE_INDEX).all():
        raise InputError(
            "SOURCE_UNLABELLED", f"No pixel of {source.name} has a label, so no cycle can be judged. Give another label map."
        )
    analysis, space = PairAnalysis(pair, options.config, seen_target.borrowed), checkpoint.label_space
    statistics = association_statistics(analysis, space, with_soft_cycle=options.has_soft_cycle)
    if options.with_arrays:
        write_atomic(folder / "arrays" / f"{identity}.npz", association_arrays(analysis))
    if options.with_pictures:
        for name, data in association_pictures(analysis, seen_source.picture, seen_target.picture, space).items():
            write_atomic(folder / "pictures" / identity / f"{name}.png", data)
    return {name: value for name, value in statistics.items() if name not in ("class_names", "config")}


def _explain(error: Exception) -> dict[str, str]:
    """Why a pair cannot be used, with a code; an error that is none of the pair's is raised again."""
    if is_out_of_memory(error) or (isinstance(error, InputError) and error.code == "MEMORY_SHORT"):
        return {
            "code": RETRIED,
            "message": "Memory ran out. Scale the images of this pair down, or start again with more memory.",
        }
    if isinstance(error, InputError):
        return {"code": error.code, "message": str(error)}
    if isinstance(error, ValueError):
        return {"code": "PAIR_UNUSABLE", "message": str(error)}
    raise error
