"""Which sources support a target image best, what each adds to the others, and which target regions none supports."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pca_core.analysis.support import SupportSearch
from pca_core.types import IGNORE_INDEX

USUAL_DROP = 0.1
LEAST_REGION = 9  # feature pixels; smaller specks count in the shares only


@dataclass(frozen=True)
class RankedSource:
    """One source image in the ranking.

    Attributes:
        name: Of the image.
        support: Share of target pixels that it supports, 0-1.
        reached: Share of target pixels in one of its consistent cycles, 0-1.
        similarity: Mean similarity of the best match over all target pixels.
        is_labelled: Whether it was judged by labels.
    """

    name: str
    support: float
    reached: float
    similarity: float
    is_labelled: bool


@dataclass(frozen=True)
class CoverStep:
    """The next source to take when each is to add as much as it can: greedy set cover.

    Attributes:
        name: Of the image.
        adds: Share of target pixels that it supports and none before it does, 0-1.
        covered: Share that it and those before it support, 0-1.
    """

    name: str
    adds: float
    covered: float


@dataclass(frozen=True)
class ClassGap:
    """The gap within one predicted class.

    Attributes:
        class_index: Predicted for these target pixels.
        num_pixels: That are predicted as this class.
        num_unsupported: Of them, those that no source supports.
        num_regions: Connected regions of the gap, of at least :data:`LEAST_REGION` pixels.
        similarity: Mean similarity of the best match of its unsupported pixels; NaN where there is none.
    """

    class_index: int
    num_pixels: int
    num_unsupported: int
    num_regions: int
    similarity: float

    @property
    def share(self) -> float:
        """Part of the class that no source supports, 0-1."""
        return self.num_unsupported / self.num_pixels


@dataclass(frozen=True)
class GapRegion:
    """Connected target pixels of one predicted class that no source supports.

    Attributes:
        class_index: Predicted class.
        num_pixels: Its size in feature pixels.
        similarity: Mean similarity of the best match.
        top, left, height, width: The rectangle around it, in feature pixels.
    """

    class_index: int
    num_pixels: int
    similarity: float
    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, eq=False)
class Coverage:
    """Everything that follows from a search under one threshold.

    Attributes:
        threshold: Similarity from which a match counts; −∞ where nothing told one.
        ranked: The most supporting source first.
        steps: Greedy order, without sources that add nothing.
        is_gap: (h', w') bool, target pixels that no source supports.
        best_similarity: (h', w') float32, best match over all sources, whether it supports or not.
        best_source: (h', w') int32, place in :attr:`ranked` of the source that has it.
        best_class: (h', w') uint8, class of that match.
        classes: Predicted classes that occur, the largest gap first.
        regions: The largest first.
    """

    threshold: float
    ranked: tuple[RankedSource, ...]
    steps: tuple[CoverStep, ...]
    is_gap: np.ndarray
    best_similarity: np.ndarray
    best_source: np.ndarray
    best_class: np.ndarray
    classes: tuple[ClassGap, ...]
    regions: tuple[GapRegion, ...]

    @property
    def covered(self) -> float:
        """Share of target pixels that at least one source supports, 0-1."""
        return float(1 - self.is_gap.mean())


def find_threshold(reference: np.ndarray, drop: float = USUAL_DROP) -> float:
    """τ: the similarity that all but the lowest ``drop`` (0-1) of matches between source images reach; −∞ without a reference.

    Raises:
        ValueError: When ``drop`` is outside [0, 1].
    """
    if not 0 <= drop <= 1:
        raise ValueError(f"drop must lie in [0, 1], got {drop}. 0.1 asks for what nine of ten matches within the source reach.")
    return float(np.quantile(reference, drop)) if len(reference) else -np.inf


def measure_coverage(search: SupportSearch, threshold: float) -> Coverage:
    """Rank the sources of a search and map the gap that they leave.

    Args:
        search: From :func:`~pca_core.analysis.support.find_support`, finished or not, with at least one source.
        threshold: τ, see :func:`find_threshold`.

    Raises:
        ValueError: When no source was looked at.
    """
    if not search.sources:
        raise ValueError("measure_coverage needs a search with at least one source, got none. Take one from find_support first.")
    supports = [source.is_closed & (source.similarity >= threshold) for source in search.sources]
    unordered = [
        RankedSource(source.name, float(one.mean()), source.reached, float(source.similarity.mean()), source.is_labelled)
        for source, one in zip(search.sources, supports, strict=True)
    ]
    order = sorted(range(len(unordered)), key=lambda place: (-unordered[place].support, -unordered[place].similarity, place))
    ranked = tuple(unordered[place] for place in order)
    size = search.prediction.shape
    is_gap = ~np.logical_or.reduce(supports).reshape(size)
    best, best_source, best_class = _find_best([search.sources[place] for place in order])
    maps = best.reshape(size), best_source.reshape(size), best_class.reshape(size)
    steps = _cover_greedily([supports[place] for place in order], [source.name for source in ranked])
    regions = _find_regions(is_gap, search.prediction, maps[0])
    classes = _share_by_class(is_gap, search.prediction, maps[0], regions)
    return Coverage(threshold, ranked, steps, is_gap, *maps, classes, regions)


def _find_best(sources) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Similarity, place and class of the best match of each target pixel."""
    best, match_class = sources[0].similarity.copy(), sources[0].match_class.copy()
    place = np.zeros(len(best), np.int32)
    for number, source in enumerate(sources[1:], start=1):
        is_better = source.similarity > best
        best[is_better], match_class[is_better] = source.similarity[is_better], source.match_class[is_better]
        place[is_better] = number
    return best, place, match_class


def _cover_greedily(supports: list[np.ndarray], names: list[str]) -> tuple[CoverStep, ...]:
    left, open_pixels, steps = dict(enumerate(supports)), np.ones(len(supports[0]), bool), []
    while left:
        gains = {place: int((one & open_pixels).sum()) for place, one in left.items()}
        chosen = max(gains, key=gains.get)  # the first of equals, which ranks higher
        if gains[chosen] == 0:
            break
        open_pixels &= ~left.pop(chosen)
        steps.append(CoverStep(names[chosen], gains[chosen] / len(open_pixels), float(1 - open_pixels.mean())))
    return tuple(steps)


def _find_regions(is_gap: np.ndarray, prediction: np.ndarray, best: np.ndarray) -> tuple[GapRegion, ...]:
    regions = []
    for class_index in np.unique(prediction[is_gap]):
        mask = (is_gap & (prediction == class_index)).astype(np.uint8)
        _, numbers, facts, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        for number, (left, top, width, height, num_pixels) in enumerate(facts[1:].tolist(), start=1):
            if num_pixels >= LEAST_REGION:
                inside = numbers[top : top + height, left : left + width] == number
                similarity = float(best[top : top + height, left : left + width][inside].mean())
                regions.append(GapRegion(int(class_index), num_pixels, similarity, top, left, height, width))
    return tuple(sorted(regions, key=lambda region: -region.num_pixels))


def _share_by_class(is_gap, prediction, best, regions: tuple[GapRegion, ...]) -> tuple[ClassGap, ...]:
    rows = []
    for class_index in map(int, np.unique(prediction)):
        inside = prediction == class_index
        unsupported = inside & is_gap
        similarity = float(best[unsupported].mean()) if unsupported.any() else float("nan")
        count = sum(region.class_index == class_index for region in regions)
        rows.append(ClassGap(class_index, int(inside.sum()), int(unsupported.sum()), count, similarity))
    return tuple(sorted(rows, key=lambda row: -row.num_unsupported))


def judge_matches(coverage: Coverage, labels: np.ndarray) -> tuple[float, float]:
    """How often the best match has the right class: in the supported part, and in the gap; NaN where nothing is labelled.

    Args:
        coverage: Of the target.
        labels: (h', w') class indices and 255 at feature resolution; used to judge only.
    """
    is_right, is_labelled = coverage.best_class == labels, labels != IGNORE_INDEX
    parts = [is_labelled & ~coverage.is_gap, is_labelled & coverage.is_gap]
    supported, gap = (float(is_right[part].mean()) if part.any() else float("nan") for part in parts)
    return supported, gap
