"""Two nets on one source-target pair: which cycles close now, which broke, and one pixel's trace before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pca_core.association import AssociationConfig, PairAnalysis, explain_pixel
from pca_core.association.statistics import PairStatistics, row_shares, summarise
from pca_core.association.traces import PixelTrace, TargetTrace
from pca_core.grids import move_map, move_pixel
from pca_core.inference import make_pair, segment
from pca_core.models import Checkpoint
from pca_core.types import Domain, Grid, Sample

Flip = Literal["now right", "now wrong", "still right", "still wrong", "not judged"]


@dataclass(frozen=True)
class PairComparison:
    """A pair under two nets.

    Attributes:
        before, after: The analyses.
        statistics_before, statistics_after: Of the two.
        num_closed: Labelled source pixels whose cycle did not close before and does now. Where the maps differ in size, pixels of
            the net before, each beside that of the net after at its centre.
        num_broken: Those whose cycle closed before and does not now.
        flow_change: (K, K) float, class flow after minus before as shares of each row: own class → class of the matched target
            pixel where the target is labelled, else → class that the cycle comes back to.
        is_flow_of_labels: Which of the two it is.
    """

    before: PairAnalysis
    after: PairAnalysis
    statistics_before: PairStatistics
    statistics_after: PairStatistics
    num_closed: int
    num_broken: int
    flow_change: np.ndarray
    is_flow_of_labels: bool


@dataclass(frozen=True)
class TraceComparison:
    """One pixel under two nets; a source pixel is right when its match has its class by the target's label, or, without target
    labels, when its cycle closes."""

    before: PixelTrace | TargetTrace
    after: PixelTrace | TargetTrace
    flip: Flip


def compare_pair(
    before: Checkpoint, after: Checkpoint, source: Sample, target: Sample, config: AssociationConfig | None = None
) -> PairComparison:
    """Associate a pair with both nets; the source must be labelled."""
    analyses = []
    for net in (before, after):
        pair = make_pair(segment(net, source.image), source.label, segment(net, target.image), target.label)
        analyses.append(PairAnalysis(pair, config))
    num_classes = before.label_space.num_classes
    found = [
        summarise(analysis.association, analysis.pair.source_labels, num_classes, analysis.pair.target_labels)
        for analysis in analyses
    ]
    closes = [analysis.association.is_consistent.cpu().numpy() for analysis in analyses]
    closes[1] = move_map(closes[1], *(analysis.pair.source_size for analysis in analyses))
    flows = [one.cycle_flow if one.class_flow is None else one.class_flow for one in found]
    return PairComparison(
        *analyses,
        *found,
        int((closes[1] & ~closes[0]).sum()),
        int((closes[0] & ~closes[1]).sum()),
        row_shares(flows[1]) - row_shares(flows[0]),
        found[0].class_flow is not None,
    )


def compare_trace(pair: PairComparison, index: int, side: Domain = "source", grid: Grid | None = None) -> TraceComparison:
    """The same pixel under both nets.

    Args:
        pair: From :func:`compare_pair`.
        index: Flat feature pixel of ``side``.
        grid: Size of the map that ``index`` is of; None for that of the net before. Each net tells of its pixel there.

    Raises:
        ValueError: On an index outside the map.
    """
    grid = grid or pair.before.pair.grid(side)
    before, after = (
        explain_pixel(analysis, move_pixel(index, grid, analysis.pair.grid(side)), side, with_soft_cycle=False)
        for analysis in (pair.before, pair.after)
    )
    return TraceComparison(before, after, _flip(_is_right(before), _is_right(after)))


def _is_right(trace: PixelTrace | TargetTrace) -> bool | None:
    if isinstance(trace, TargetTrace):
        return None if trace.label is None else trace.predicted == trace.label
    if trace.label is None:
        return None
    return trace.verdict == "consistent" if trace.match.label is None else trace.match.label == trace.label


def _flip(before: bool | None, after: bool | None) -> Flip:
    if before is None or after is None:
        return "not judged"
    if before == after:
        return "still right" if after else "still wrong"
    return "now right" if after else "now wrong"
