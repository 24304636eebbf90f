"""Sweeping a similarity matrix strip by strip in plain torch: any device, any precision, and the reference for the faster ways.

Every sweep holds one strip of ``tile_rows`` × N scores, so extra memory is O(N·D). The softmax needs no running maximum:
contrast-normalised scores have mean zero, so the sum of their exponentials is at least N, and it overflows only if one score
lies 88 standard deviations out; :mod:`pca_core.association.tiled` finds such rows and does them again with the maximum taken out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from pca_core.association.similarity import Direction
from pca_core.device import choose_tile_rows
from pca_core.memory import fit_tile


@dataclass(frozen=True)
class Scan:
    """The best columns of each row and the normaliser of its softmax.

    Attributes:
        index_RK: (R, k) int64, best first.
        score_RK: (R, k), raw scores ``<query, key>``.
        log_normalizer_R: (R,), ``log Σ_j exp((score_j − μ)/σ)``.
    """

    index_RK: Tensor
    score_RK: Tensor
    log_normalizer_R: Tensor

    def log_probability(self, direction: Direction) -> Tensor:
        """``log p(choice | row)``, (R, k)."""
        centered_RK = self.score_RK - direction.mean_R[:, None]
        return centered_RK * direction.inverse_std_R[:, None] - self.log_normalizer_R[:, None]


def iterate_strips(query_RD: Tensor, key_ND: Tensor, tile_rows: int | None) -> Iterator[tuple[slice, Tensor]]:
    """Yield (rows, scores) where scores is (rows, N). The buffer is reused."""
    if len(query_RD) == 0:
        return
    tile_rows = tile_rows or choose_tile_rows(len(key_ND), key_ND.dtype, key_ND.device)
    tile_rows = min(fit_tile(tile_rows), len(query_RD))
    buffer = query_RD.new_empty(tile_rows, len(key_ND))
    for start in range(0, len(query_RD), tile_rows):
        rows = slice(start, min(start + tile_rows, len(query_RD)))
        yield rows, torch.mm(query_RD[rows], key_ND.T, out=buffer[: rows.stop - rows.start])


def iterate_weights(
    direction: Direction, log_normalizer_R: Tensor, factor_R: Tensor | None = None, tile_rows: int | None = None
) -> Iterator[tuple[slice, Tensor]]:
    """Yield (rows, weights) where weights is (rows, N): ``factor_i · p(j|i)``. The buffer is reused."""
    shift_R1 = (direction.mean_R * direction.inverse_std_R + log_normalizer_R)[:, None]
    for rows, strip in iterate_strips(direction.query_RD, direction.key_ND, tile_rows):
        strip.mul_(direction.inverse_std_R[rows, None]).sub_(shift_R1[rows]).exp_()
        yield rows, strip if factor_R is None else strip.mul_(factor_R[rows, None])


def scan_strips(
    forward: Direction, backward: Direction | None, top_k: int, tile_rows: int | None = None
) -> tuple[Scan, Scan | None]:
    """Sweep the rows of ``forward``, and its columns too when they are the rows of ``backward``."""
    scores, indices, sums, work = [], [], [], None
    columns = None if backward is None else _Columns(backward)
    for rows, strip in iterate_strips(forward.query_RD, forward.key_ND, tile_rows):
        work = torch.empty_like(strip) if work is None else work[: len(strip)]
        torch.sub(strip, forward.mean_R[rows, None], out=work)
        sums.append(work.mul_(forward.inverse_std_R[rows, None]).exp_().sum(1))
        best = strip.topk(top_k, dim=1)
        scores.append(best.values)
        indices.append(best.indices)
        if columns is not None:
            columns.add(rows, strip, work)
    return Scan(torch.cat(indices), torch.cat(scores), torch.cat(sums).log()), columns and columns.scan()


class _Columns:
    """What the columns keep of the strips that pass by: best row, its score, softmax sum."""

    def __init__(self, backward: Direction) -> None:
        self._backward = backward
        self._score_N = torch.full_like(backward.mean_R, -torch.inf)
        self._index_N = torch.zeros(len(backward.mean_R), dtype=torch.long, device=backward.mean_R.device)
        self._sum_N = torch.zeros_like(backward.mean_R)

    def add(self, rows: slice, strip: Tensor, work: Tensor) -> None:
        # Fewer and fewer columns improve from strip to strip, so the row is looked up only for those that do.
        improved = (strip.amax(0) > self._score_N).nonzero()[:, 0]
        self._score_N[improved], row = strip.index_select(1, improved).max(0)
        self._index_N[improved] = row + rows.start
        torch.sub(strip, self._backward.mean_R, out=work)
        self._sum_N += work.mul_(self._backward.inverse_std_R).exp_().sum(0)

    def scan(self) -> Scan:
        return Scan(self._index_N[:, None], self._score_N[:, None], self._sum_N.log())
