"""What one association says of an image pair, in numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from pca_core.types import IGNORE_INDEX, Association


@dataclass(frozen=True)
class PairStatistics:
    """Numbers of one pair. Shares are 0-1; None where target labels would be needed and are not there.

    Attributes:
        rate: Cycle-consistency rate, |Î| / labelled source pixels.
        mutual_rate: Source pixels that come back to themselves / labelled source pixels.
        coverage: Distinct associated target pixels / all target pixels.
        consistent_coverage: The same over consistent associations only.
        correct_rate: y_i = y_j* among consistent associations whose target pixel is labelled.
        correct_rate_all: The same among all labelled source pixels.
        hub_share: Share of source pixels claimed by the 1 % most claimed target pixels (even spread: 0.01).
        max_in_degree: Source pixels on the most claimed target pixel.
        rate_by_class: (K,) rate among the source pixels of each class; NaN where there are none.
        cycle_flow: (K, K) counts, own class → class of i*.
        class_flow: (K, K) counts, own class → class of j*, or None.
    """

    rate: float
    mutual_rate: float
    coverage: float
    consistent_coverage: float
    correct_rate: float | None
    correct_rate_all: float | None
    hub_share: float
    max_in_degree: int
    rate_by_class: np.ndarray
    cycle_flow: np.ndarray
    class_flow: np.ndarray | None

    def to_dict(self) -> dict:
        """Plain Python numbers and lists, NaN as None: ready for JSON."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def summarise(
    association: Association, source_labels: Tensor, num_classes: int, target_labels: Tensor | None = None
) -> PairStatistics:
    """Count what an association did.

    Args:
        association: From :func:`pca_core.associate`.
        source_labels: (h, w) int64, the labels it was made with.
        num_classes: K.
        target_labels: (h', w') int64, or None. Only ever used to judge.
    """
    label_S = source_labels.flatten().to(association.target_index.device)
    flow = count_flow(label_S, label_S[association.return_index], num_classes)
    in_degree = association.hubness
    itself_S = torch.arange(len(label_S), device=label_S.device)
    labelled = association.is_labelled
    match_label_S = None if target_labels is None else target_labels.flatten().to(label_S.device)[association.target_index]
    return PairStatistics(
        rate=association.rate,
        mutual_rate=_share((association.return_index == itself_S)[labelled]) or 0.0,
        coverage=association.coverage,
        consistent_coverage=association.consistent_coverage,
        correct_rate=_correct(label_S, match_label_S, association.is_consistent),
        correct_rate_all=_correct(label_S, match_label_S, labelled),
        hub_share=association.hub_share,
        max_in_degree=int(in_degree.max()),
        rate_by_class=_rate_by_class(association, label_S, num_classes),
        cycle_flow=flow,
        class_flow=None if match_label_S is None else count_flow(label_S, match_label_S, num_classes),
    )


def suggest_pixel(association: Association, source_labels: Tensor, target_labels: Tensor | None = None) -> int:
    """A telling source pixel to begin with: consistent, of a rare class, off the edges, with the clearest first choice.

    Args:
        association: From :func:`pca_core.associate`.
        source_labels: (h, w) int64.
        target_labels: (h', w') int64, or None; where known, the match is of the right class too.

    Returns:
        Flat index of a source pixel; the middle of the map when nothing is consistent.
    """
    label_S = source_labels.flatten().to(association.target_index.device)
    consistent = association.is_consistent.nonzero()[:, 0]
    height, width = association.source_size
    if target_labels is not None:
        match_label = target_labels.flatten().to(label_S.device)[association.target_index[consistent]]
        is_right = match_label == label_S[consistent]
        consistent = consistent[is_right] if is_right.any() else consistent
    if len(consistent) == 0:
        return height // 2 * width + width // 2
    count_K = torch.bincount(label_S[consistent])
    common = count_K.max() / 10
    rare = consistent[count_K[label_S[consistent]] <= common] if (count_K > 0).sum() > 1 else consistent
    chosen = rare if len(rare) else consistent
    is_inner = _is_inner(chosen, height, width)
    chosen = chosen[is_inner] if is_inner.any() else chosen  # marks at the very edge are hard to see
    return int(chosen[association.margin[chosen].argmax()])


def _is_inner(index: Tensor, height: int, width: int) -> Tensor:
    """Whether flat indices keep a tenth of the map's height and width away from its edges."""
    row, column = index // width, index % width
    return (torch.minimum(row, height - 1 - row) >= height // 10) & (torch.minimum(column, width - 1 - column) >= width // 10)


def count_flow(from_label_S: Tensor, to_label_S: Tensor, num_classes: int) -> np.ndarray:
    """(K, K) counts of pixel pairs by class, row = from, column = to; pairs with an unlabelled end do not count."""
    both = (from_label_S != IGNORE_INDEX) & (to_label_S != IGNORE_INDEX)
    cell = from_label_S[both].long() * num_classes + to_label_S[both].long()
    return torch.bincount(cell, minlength=num_classes**2).view(num_classes, num_classes).cpu().numpy()


def row_shares(counts: np.ndarray) -> np.ndarray:
    """Each row of (K, K) counts as shares of its sum, 0-1; NaN in a row without counts."""
    total = counts.sum(1, keepdims=True)
    return np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)


def _rate_by_class(association: Association, label_S: Tensor, num_classes: int) -> np.ndarray:
    total = torch.bincount(label_S[association.is_labelled], minlength=num_classes).double()
    closed = torch.bincount(label_S[association.is_consistent], minlength=num_classes).double()
    return (closed / total).cpu().numpy()


def _correct(label_S: Tensor, match_label_S: Tensor | None, among_S: Tensor) -> float | None:
    if match_label_S is None:
        return None
    among_S = among_S & (match_label_S != IGNORE_INDEX)
    return _share((label_S == match_label_S)[among_S])


def _share(flags: Tensor) -> float | None:
    return flags.double().mean().item() if flags.numel() else None


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value.tolist()]
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value
