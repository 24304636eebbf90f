"""Every source pixel with where it goes and where it comes back to, as columns to filter, thin, count and draw."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

import numpy as np
import torch

from pca_core.association.pair import PairAnalysis
from pca_core.association.statistics import count_flow
from pca_core.association.traces import Verdict
from pca_core.checks import InputError
from pca_core.render import verdict_map
from pca_core.types import IGNORE_INDEX

Flow = Literal["label", "prediction", "cycle"]
Truth = Literal["any", "right", "wrong"]
PLASTIC = 1.32471795724474602596
VERDICT_CODES: tuple[Verdict, ...] = ("inconsistent", "consistent", "unlabelled", "not_mutual")
"""Verdict of each code, the order of :func:`pca_core.render.verdict_map`."""


@dataclass(frozen=True, eq=False)
class PixelPairs:
    """M associations of one pair as columns, in the order of the source pixels; class ids are 255 where there is none.

    Attributes:
        source_index, target_index, return_index: (M,) int64 flat pixels i, j* and i*.
        similarity: (M,) float64, D(i, j*): cosine, or −KL in nats.
        margin: (M,) float64, similarity of the first less the second candidate; infinite where there is no second.
        own_class: (M,) uint8, label of i.
        match_label: (M,) uint8, label of j*; None where the target has no labels.
        match_prediction: (M,) uint8, what the net says j* is; None where only features are known.
        return_class: (M,) uint8, label of i*, the class after the cycle.
        verdict: (M,) uint8, place in :data:`VERDICT_CODES`.
        source_size: (height, width) of the source's feature map.
    """

    source_index: np.ndarray
    target_index: np.ndarray
    return_index: np.ndarray
    similarity: np.ndarray
    margin: np.ndarray
    own_class: np.ndarray
    match_label: np.ndarray | None
    match_prediction: np.ndarray | None
    return_class: np.ndarray
    verdict: np.ndarray
    source_size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.source_index)

    def take(self, chosen: np.ndarray) -> PixelPairs:
        """The pairs of a mask or of positions, in that order."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: column[chosen] for name, column in columns.items() if isinstance(column, np.ndarray)})

    def end_class(self, flow: Flow) -> np.ndarray:
        """(M,) uint8, the class that a pair leads to: by the label of j*, by its prediction, or after the whole cycle.

        Raises:
            InputError: When that is not known of this pair.
        """
        column = {"label": self.match_label, "prediction": self.match_prediction, "cycle": self.return_class}[flow]
        if column is None:
            raise InputError(
                "FLOW_UNKNOWN",
                f"The class of the match by {flow} is not known: the target has no {flow}s. Ask for the flow 'cycle' instead.",
            )
        return column


@dataclass(frozen=True)
class PairFilter:
    """Which pairs to keep; what is left at its default keeps all.

    Attributes:
        classes: Labels of the source pixel; empty keeps every class, unlabelled pixels too.
        min_margin: Smallest difference between first and second candidate.
        verdicts: How the cycle ends; empty keeps all.
        truth: Whether the match has the source pixel's class by the target's label; pairs with an unlabelled end are neither.
        flow, cell: One cell (own class, class it leads to) of the matrix of that flow.

    Raises:
        InputError: On a verdict, truth or flow that does not exist.
    """

    classes: tuple[int, ...] = ()
    min_margin: float = 0.0
    verdicts: tuple[Verdict, ...] = ()
    truth: Truth = "any"
    flow: Flow = "cycle"
    cell: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name, values, allowed in (
            ("verdicts", self.verdicts, VERDICT_CODES),
            ("truth", (self.truth,), get_args(Truth)),
            ("flow", (self.flow,), get_args(Flow)),
        ):
            unknown = [value for value in values if value not in allowed]
            if unknown:
                raise InputError("FILTER_UNKNOWN", f"{name} must be of {', '.join(allowed)}, got {unknown[0]!r}.")


def list_pairs(analysis: PairAnalysis, keep: PairFilter | None = None) -> PixelPairs:
    """Every source pixel's association as columns on the CPU, or those that a filter keeps.

    Raises:
        InputError: When the filter asks for target labels or predictions that are not there.
    """
    found, pair = analysis.association, analysis.pair
    target_index, return_index = found.target_index.cpu().numpy(), found.return_index.cpu().numpy()
    own_class = _ids(pair.source_labels)
    pairs = PixelPairs(
        source_index=np.arange(len(target_index)),
        target_index=target_index,
        return_index=return_index,
        similarity=found.similarity.double().cpu().numpy(),
        margin=found.margin.double().cpu().numpy(),
        own_class=own_class,
        match_label=None if pair.target_labels is None else _ids(pair.target_labels)[target_index],
        match_prediction=None if pair.target_prediction is None else _ids(pair.target_prediction)[target_index],
        return_class=own_class[return_index],
        verdict=verdict_map(found, pair.source_labels).ravel(),
        source_size=found.source_size,
    )
    return pairs if keep is None else filter_pairs(pairs, keep)


def _ids(class_map: torch.Tensor) -> np.ndarray:
    return class_map.flatten().cpu().numpy().astype(np.uint8)


def filter_pairs(pairs: PixelPairs, keep: PairFilter) -> PixelPairs:
    """The pairs that pass every part of a filter.

    Raises:
        InputError: When it asks for target labels or predictions that are not there.
    """
    mask = pairs.margin >= keep.min_margin
    if keep.classes:
        mask &= np.isin(pairs.own_class, keep.classes)
    if keep.verdicts:
        mask &= np.isin(pairs.verdict, [VERDICT_CODES.index(verdict) for verdict in keep.verdicts])
    if keep.truth != "any":
        end = pairs.end_class("label")
        is_judged = (pairs.own_class != IGNORE_INDEX) & (end != IGNORE_INDEX)
        mask &= is_judged & ((pairs.own_class == end) == (keep.truth == "right"))
    if keep.cell is not None:
        mask &= (pairs.own_class == keep.cell[0]) & (pairs.end_class(keep.flow) == keep.cell[1])
    return pairs.take(mask)


def margin_at(pairs: PixelPairs, share: float) -> float:
    """The margin that the clearest share of pairs (0-1) reaches; 0 for all of them, so that none is lost to rounding."""
    if share >= 1 or not len(pairs):
        return 0.0
    kept = max(1, round(share * len(pairs)))
    return float(np.partition(pairs.margin, -kept)[-kept])


def clearest_pairs(pairs: PixelPairs, count: int) -> PixelPairs:
    """The ``count`` pairs of largest margin, the largest first."""
    return pairs.take(np.argsort(-pairs.margin, kind="stable")[:count])


def count_pair_flow(pairs: PixelPairs, flow: Flow, num_classes: int) -> np.ndarray:
    """(K, K) pixel pairs, own class → class they lead to; pairs with an unlabelled end do not count.

    Raises:
        InputError: When that class is not known of this pair.
    """
    return count_flow(torch.from_numpy(pairs.own_class), torch.from_numpy(pairs.end_class(flow)), num_classes)


def thin_pairs(pairs: PixelPairs, count: int) -> PixelPairs:
    """At most ``count`` of the pairs, spread evenly over the image, with rare classes still in sight.

    A class of n pairs gets a part that grows with √n. Within a class pixels queue by ``frac(x/ρ + y/ρ²)``, ρ the plastic
    number: any first part of that queue lies evenly over the image, and a longer one only adds to it.
    Source of the sequence: Roberts, The unreasonable effectiveness of quasirandom sequences, 2018.
    """
    if len(pairs) <= count:
        return pairs
    row, column = np.divmod(pairs.source_index, pairs.source_size[1])
    queue = np.argsort((column / PLASTIC + row / PLASTIC**2) % 1.0, kind="stable")
    ids, numbers = np.unique(pairs.own_class, return_counts=True)
    chosen = [queue[pairs.own_class[queue] == one][:quota] for one, quota in zip(ids, _share_out(numbers, count), strict=True)]
    return pairs.take(np.sort(np.concatenate(chosen)))


def _share_out(numbers: np.ndarray, count: int) -> np.ndarray:
    """How many of each group, ``count`` in all: in parts of √n, none more than it has, each at least one where that can be."""
    quota = np.full(len(numbers), int(count >= len(numbers)), np.int64)
    while (left := count - quota.sum()) > 0:
        weight = np.sqrt(numbers) * (quota < numbers)
        more = np.floor(left * weight / weight.sum()).astype(np.int64)
        if not more.any():  # what is left is less than one each: those who have least come first
            open_groups = np.flatnonzero(quota < numbers)
            more[open_groups[np.argsort(quota[open_groups], kind="stable")][:left]] = 1
        quota = np.minimum(quota + more, numbers)
    return quota
