"""What the pairs of an image pair come to: headline numbers beside those of another config, by class, and spread."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from pca_core.analysis.pairs import VERDICT_CODES, PixelPairs
from pca_core.association.aggregation import PAPER_ALPHA
from pca_core.association.cycle import AssociationConfig
from pca_core.association.pair import PairAnalysis
from pca_core.association.statistics import summarise
from pca_core.types import IGNORE_INDEX, Association, FeaturePair

CANDIDATES = 5  # k when "another k" is asked for and the config has 1
TAILS = 0.005  # share of values at either end that the first and last bin of a histogram take in


@dataclass(frozen=True)
class PairTotals:
    """Numbers of one association. Shares are 0-1; None where target labels would be needed and are not there.

    Attributes:
        count: Cycle-consistent pairs, |Î|.
        rate, coverage, consistent_coverage, correct_rate, mutual_rate, hub_share: See
            :class:`~pca_core.association.statistics.PairStatistics`.
    """

    count: int
    rate: float
    coverage: float
    consistent_coverage: float
    correct_rate: float | None
    mutual_rate: float
    hub_share: float

    def minus(self, other: PairTotals) -> dict[str, float | None]:
        """Name → this number less the other's; None where either is not known."""
        return {field.name: _difference(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)}


def _difference(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else now - before


def total_pairs(analysis: PairAnalysis) -> PairTotals:
    """Count what the association of a pair comes to."""
    found, pair = analysis.association, analysis.pair
    numbers = summarise(found, pair.source_labels, analysis.num_classes, pair.target_labels)
    shares = {field.name: getattr(numbers, field.name) for field in fields(PairTotals) if field.name != "count"}
    return PairTotals(count=int(found.is_consistent.sum()), **shares)


def vary_switches(config: AssociationConfig) -> dict[str, AssociationConfig]:
    """Name of a switch → the config with that one switch turned over; ``paper`` first, where the config is another."""
    paper = AssociationConfig(tile_rows=config.tile_rows)
    turned = {
        "aggregation": replace(config, alpha=0.0 if config.alpha > 0 else PAPER_ALPHA),
        "level": replace(config, level="prediction" if config.level == "feature" else "feature"),
        "mutual": replace(config, mutual=not config.mutual),
        "top_k": replace(config, top_k=1 if config.top_k > 1 else CANDIDATES),
        "normalisation": replace(config, contrast_normalisation=not config.contrast_normalisation),
    }
    return turned if config == paper else {"paper": paper, **turned}


@dataclass(frozen=True, eq=False)
class ClassTable:
    """One row a class; all (K,), shares 0-1, NaN where there is nothing to judge, None where target labels are missing.

    Attributes:
        num_pixels: Source pixels of the class.
        share: Of all labelled source pixels.
        rate: Those whose cycle closes.
        correct_rate: y_i = y_j* among consistent pairs whose target pixel is labelled.
        similarity, margin: Means over the class; infinite margins are left out.
        num_target: Target pixels of the class by their labels.
        coverage: Those that any source pixel is associated with.
    """

    num_pixels: np.ndarray
    share: np.ndarray
    rate: np.ndarray
    correct_rate: np.ndarray | None
    similarity: np.ndarray
    margin: np.ndarray
    num_target: np.ndarray | None
    coverage: np.ndarray | None


def tabulate_classes(pairs: PixelPairs, pair: FeaturePair, num_classes: int) -> ClassTable:
    """Count class by class.

    Args:
        pairs: Of :func:`~pca_core.analysis.pairs.list_pairs`, unfiltered.
        pair: Where they come from, for the target's labels.
        num_classes: K.
    """

    def count(mask: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        weights = None if weights is None else weights[mask]
        return np.bincount(pairs.own_class[mask], weights, num_classes)[:num_classes]

    is_labelled = pairs.own_class != IGNORE_INDEX
    is_consistent = pairs.verdict == VERDICT_CODES.index("consistent")
    has_margin = is_labelled & np.isfinite(pairs.margin)
    number = count(is_labelled)
    correct_rate = num_target = coverage = None
    if pair.target_labels is not None:
        is_judged = is_consistent & (pairs.match_label != IGNORE_INDEX)
        correct_rate = _ratio(count(is_judged & (pairs.match_label == pairs.own_class)), count(is_judged))
        target_T = pair.target_labels.flatten().cpu().numpy()
        num_target = _count_ids(target_T, num_classes)
        coverage = _ratio(_count_ids(target_T[np.unique(pairs.target_index)], num_classes), num_target)
    return ClassTable(
        num_pixels=number,
        share=_ratio(number, np.full(num_classes, number.sum())),
        rate=_ratio(count(is_consistent), number),
        correct_rate=correct_rate,
        similarity=_ratio(count(is_labelled, pairs.similarity), number),
        margin=_ratio(count(has_margin, pairs.margin), count(has_margin)),
        num_target=num_target,
        coverage=coverage,
    )


def _count_ids(ids: np.ndarray, num_classes: int) -> np.ndarray:
    return np.bincount(ids[ids != IGNORE_INDEX], minlength=num_classes)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def make_edges(values: np.ndarray, num_bins: int = 40) -> np.ndarray:
    """(B + 1,) edges of even bins over all but the utmost 0.5 % of finite values at either end."""
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, (TAILS, 1 - TAILS)) if len(finite) else (0.0, 1.0)
    return np.linspace(low, high if high > low else low + 1e-6, num_bins + 1)


def count_by_verdict(values: np.ndarray, verdict: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(4, B) numbers of values in each bin, a row a code of ``VERDICT_CODES``; what lies beyond counts in the end bins."""
    inside = np.clip(values, edges[0], edges[-1])
    return np.stack([np.histogram(inside[verdict == code], edges)[0] for code in range(len(VERDICT_CODES))])


def coverage_map(association: Association) -> np.ndarray:
    """(h', w') uint8: 0 where no source pixel is associated with the target pixel, 1 where none of those that are closes its
    cycle, 2 where at least one does and the loss pulls."""
    codes = torch.zeros(association.num_target, dtype=torch.uint8)
    codes[association.target_index.cpu()] = 1
    codes[association.target_index[association.is_consistent].cpu()] = 2
    return codes.reshape(association.target_size).numpy()
