"""How much source images support one target image: for each target pixel, whether a source has a trustworthy counterpart.

Source image s *supports* target pixel j when both hold:

1. the cycle closes: ``i = argmax_i' D(F_j, F_i')``, the source pixel that j resembles most, is itself cycle-consistent in this
   pair (PLCA section 3.1: i → j* → i* ends on the class of i). Most pixels pass; those that do not sit between two classes.
2. the match is good: ``D(F_j, F_i) ≥ τ``, where τ is told by source images among themselves: all but the lowest tenth (by
   default) of their pixels find a match of at least τ in another source image, by the same search. So a supported pixel has as
   good a counterpart as within the source domain.

The support of s is the share of target pixels that it supports. Both are asked from the target's side, so every target pixel
has an answer; ``reached``, the share of target pixels that a consistent cycle passes through, is what the association loss pulls
on directly, and is far smaller because many source pixels share one match.

Neither needs target labels. A source image without labels is judged by its predicted classes. τ does not enter the search:
another one costs nothing (:mod:`pca_core.analysis.coverage_gap`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pca_core.association.aggregation import aggregate
from pca_core.association.cycle import AssociationConfig, as_float, check_pair, search_cycles
from pca_core.association.similarity import make_map_directions
from pca_core.association.strips import iterate_strips
from pca_core.checks import InputError
from pca_core.data import resize_label
from pca_core.inference import Segmentation, segment
from pca_core.models import Checkpoint
from pca_core.types import Sample

REFERENCE_PAIRS = 4
REFERENCE_PIXELS = 512  # of each pair, evenly spread


@dataclass(frozen=True, eq=False)
class SourceSupport:
    """What one source image has for T target pixels; all that is kept of it.

    Attributes:
        name: Of the image.
        is_labelled: Whether its cycles were judged by labels; by its predictions else.
        similarity: (T,) float32, ``D(F_j, F_i)`` of the best match of each target pixel: cosine, or −KL in nats.
        is_closed: (T,) bool, whether that match is cycle-consistent.
        match_class: (T,) uint8, class of the match; 255 where it has none.
        reached: Share of target pixels in at least one consistent cycle, 0-1.
    """

    name: str
    is_labelled: bool
    similarity: np.ndarray
    is_closed: np.ndarray
    match_class: np.ndarray
    reached: float


@dataclass(frozen=True, eq=False)
class SupportSearch:
    """What has been found so far.

    Attributes:
        sources: Those looked at, in the order in which they came.
        reference: (M,) float32, similarities of best matches between source images, the lowest first; empty for a single one.
        prediction: (h', w') uint8, predicted class of each target pixel.
        skipped: One sentence for each source image that could not be read or used.
        num_asked: Source images to look at in all.
    """

    sources: tuple[SourceSupport, ...]
    reference: np.ndarray
    prediction: np.ndarray
    skipped: tuple[str, ...]
    num_asked: int

    @property
    def num_seen(self) -> int:
        return len(self.sources) + len(self.skipped)


def find_support(
    checkpoint: Checkpoint,
    target: np.ndarray,
    sources: Sequence[Sample],
    config: AssociationConfig | None = None,
    most_similarities: int | None = None,
    before: SupportSearch | None = None,
) -> Iterator[SupportSearch]:
    """Look at one source image after the other; stop taking to cancel, the last that came is the result.

    Args:
        checkpoint: The net whose features are compared.
        target: (H, W, 3) uint8 RGB.
        sources: Read one at a time, such as a :class:`~pca_core.data.FolderDataset`; each with its label in the checkpoint's
            classes, or without. Those that cannot be read are skipped and told. The first few pairs of neighbours give the
            reference, so spread them rather than take the frames of one film in a row.
        config: How pixels are associated; None is the paper's. The target is aggregated once.
        most_similarities: Of one pair of images; larger sources are skipped and told. None sets no bound.
        before: Where the same search was stopped, to go on from there; it begins anew as long as the reference is not complete.

    Yields:
        :class:`SupportSearch` after each image. Extra memory is O(N·C), and O(N) for each image seen.

    Raises:
        InputError: ``SOURCES_NONE`` when there is none, ``PAIR_TOO_LARGE`` when the target alone is, ``SOURCES_UNREADABLE`` at
            the end when none could be used.
        ValueError: When maps cannot be associated under the config.
    """
    if len(sources) == 0:
        raise InputError("SOURCES_NONE", "There is no source image to look at. Choose a folder with images.")
    config = config or AssociationConfig()
    search = TargetSearch(checkpoint, target, config, most_similarities)
    found = SupportSearch((), search.reference, search.prediction, (), len(sources))
    if before is not None and len(before.sources) > REFERENCE_PAIRS and before.num_asked == len(sources):
        found = before
        search.take_reference(before.reference)
    for place in range(found.num_seen, len(sources)):
        try:
            found = replace(found, sources=(*found.sources, search.look_at(sources[place])), reference=search.reference)
        except InputError as error:
            found = replace(found, skipped=(*found.skipped, str(error)))
        yield found
    check_usable(found)


def check_usable(found: SupportSearch) -> None:
    """Raise InputError ``SOURCES_UNREADABLE`` when a search has come to its end without a source that could be used."""
    if not found.sources:
        raise InputError("SOURCES_UNREADABLE", f"None of the {found.num_asked} source images can be used: {found.skipped[0]}")


def _check_classes(sample: Sample, checkpoint: Checkpoint) -> None:
    space = sample.label_space
    if sample.label is not None and space is not None and space.class_names != checkpoint.label_space.class_names:
        raise InputError(
            "CLASSES_DIFFER",
            f"The labels of {sample.name} are {space.name}, but the checkpoint speaks {checkpoint.label_space.name}. "
            "Choose a checkpoint of the same classes.",
        )


class TargetSearch:
    """The target, prepared once, and the reference as it grows; arguments as of :func:`find_support`."""

    def __init__(self, checkpoint: Checkpoint, target: np.ndarray, config: AssociationConfig, most: int | None = None) -> None:
        self._checkpoint, self._config, self._most = checkpoint, config, most
        seen = segment(checkpoint, target)
        self.prediction = seen.probabilities.argmax(0).to(torch.uint8).cpu().numpy()
        self._check_size("target", self.prediction.size)
        self._target = self._aggregate(self._map(seen))
        self.reference = np.empty(0, np.float32)
        self.pairs_left = REFERENCE_PAIRS
        self._before: Tensor | None = None

    def take_reference(self, reference: np.ndarray) -> None:
        """A complete one, of a search that goes on."""
        self.reference, self.pairs_left = reference, 0

    def _check_size(self, name: str, pixels: int) -> None:
        """With the target, and with itself: the reference aggregates source images too."""
        if self._most is not None and pixels * max(pixels, self.prediction.size) > self._most:
            raise InputError(
                "PAIR_TOO_LARGE",
                f"The {name} has {pixels:,} feature pixels, more than can be associated while you wait. Crop it, or use "
                "cyclelens find-sources.",
            )

    def _map(self, seen: Segmentation) -> Tensor:
        return as_float(seen.features if self._config.level == "feature" else seen.probabilities)

    @torch.no_grad()
    def _aggregate(self, target: Tensor) -> Tensor:
        config = self._config
        return aggregate(target[None], config.level, config.alpha, contrast_normalisation=config.contrast_normalisation)[0]

    def look_at(self, sample: Sample) -> SourceSupport:
        """Associate the target with one source image; InputError ``CLASSES_DIFFER`` or ``PAIR_TOO_LARGE`` if it cannot."""
        _check_classes(sample, self._checkpoint)
        seen = segment(self._checkpoint, sample.image)
        source = self._map(seen)
        self._check_size(f"source {sample.name}", math.prod(source.shape[-2:]))
        labels = seen.probabilities.argmax(0)
        if sample.label is not None:
            small = resize_label(sample.label, tuple(source.shape[-2:])).astype(np.int64)
            labels = torch.from_numpy(small).to(source.device)
        self._grow_reference(source)
        return measure_support(source, labels, self._target, self._config, sample.name, is_labelled=sample.label is not None)

    def _grow_reference(self, source: Tensor) -> None:
        """Let the image before play the source and this one the target."""
        if self.pairs_left and self._before is not None:
            part = match_similarity(self._before, self._aggregate(source), self._config, REFERENCE_PIXELS)
            self.reference = np.sort(np.concatenate([self.reference, part]))
            self.pairs_left -= 1
        self._before = source if self.pairs_left else None


@torch.no_grad()
def match_similarity(source: Tensor, target: Tensor, config: AssociationConfig, count: int) -> np.ndarray:
    """Similarity of the best source match of ``count`` evenly spread target pixels, or of all where there are fewer: float32.

    Args:
        source, target: (C, h, w) and (C, h', w'), the target aggregated.
        config: Its level counts.
        count: Pixels at most.
    """
    _, backward = make_map_directions(source, target, config.level, contrast_normalisation=False)
    number = len(backward.query_RD)
    chosen = torch.linspace(0, number - 1, min(count, number), device=source.device).round().long()
    best = [strip.amax(1) for _, strip in iterate_strips(backward.query_RD[chosen], backward.key_ND, config.tile_rows)]
    return (torch.cat(best) + backward.offset_R[chosen]).float().cpu().numpy()


@torch.no_grad()
def measure_support(
    source: Tensor, labels: Tensor, target: Tensor, config: AssociationConfig, name: str = "", *, is_labelled: bool = True
) -> SourceSupport:
    """Associate one source map with an aggregated target map and keep what each target pixel finds.

    Args:
        source: (C, h, w) features, or (K, h, w) probabilities at ``level="prediction"``.
        labels: (h, w) int64 class indices and 255: labels, or predictions that stand in for them.
        target: (C, h', w'), aggregated already.
        config: Level, top-k, mutual; α plays no part any more.
        name, is_labelled: For the result.

    Raises:
        ValueError: When the maps cannot be associated.
    """
    check_pair(source, target, labels, config)
    forward, backward = make_map_directions(source, target, config.level, contrast_normalisation=config.contrast_normalisation)
    sizes = tuple(source.shape[-2:]), tuple(target.shape[-2:])
    label_S = labels.flatten()
    found = search_cycles(forward, backward, label_S, sizes, config).association
    match_T = found.target_return_index
    similarity_T = torch.linalg.vecdot(backward.query_RD, backward.key_ND[match_T]) + backward.offset_R
    return SourceSupport(
        name,
        is_labelled,
        similarity_T.float().cpu().numpy(),
        found.is_consistent[match_T].cpu().numpy(),
        label_S[match_T].to(torch.uint8).cpu().numpy(),
        found.consistent_coverage,
    )
