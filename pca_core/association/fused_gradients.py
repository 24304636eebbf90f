"""Gradients of chosen log-probabilities on the CPU, tile by tile; the scores are multiplied once for both ways.

A strip of rows is cut into contiguous tiles. First each thread takes columns: it multiplies a tile, turns it into weights while
it is hot and adds to the gradient of its keys. Then each takes rows of the strip, for the gradient of its queries. No two
threads ever write to one place, and sums are the same for any number of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pca_core.association.fused import TILE_COLUMNS, TILE_ROWS, as_exponent_of_two, part_of
from pca_core.association.kernels import to_weights, to_weights_both
from pca_core.association.similarity import Direction, to_base_two
from pca_core.association.threads import run_in_parts
from pca_core.memory import fit_tile


@dataclass(frozen=True)
class _Terms:
    """``factor · 2^((s − mean) · scale − shift)`` of each row of a direction, as arrays for the loops."""

    arrays: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, direction: Direction, log_normalizer_R: Tensor, factor_R: Tensor) -> _Terms:
        shift = to_base_two(log_normalizer_R).numpy()
        return cls((*as_exponent_of_two(direction), shift, factor_R.contiguous().numpy()))

    def part(self, rows: slice) -> tuple[np.ndarray, ...]:
        return part_of(self.arrays, rows)


def weigh_gradients(
    forward: Direction,
    log_normalizer_R: Tensor,
    factor_R: Tensor,
    backward: tuple[Direction, Tensor, Tensor] | None = None,
    tile_rows: int | None = None,
) -> tuple[Tensor, Tensor]:
    """``G k`` and ``Gᵀ q`` with ``G_ij = factor_i p(j|i)``, plus ``factor_j p(i|j)`` where the way back has the same scores.

    Args:
        forward: Queries q (R, D) and keys k (N, D), float32 on the CPU.
        log_normalizer_R, factor_R: (R,) of its rows.
        backward: The transposed direction with its own (N,) normalisers and factors.
        tile_rows: Height of a strip.

    Returns:
        (R, D) and (N, D).
    """
    query_RD, key_ND = forward.query_RD, forward.key_ND
    of_rows = _Terms.of(forward, log_normalizer_R, factor_R)
    of_columns = None if backward is None else _Terms.of(*backward)
    grad_query_RD, grad_key_ND = torch.zeros_like(query_RD), torch.zeros_like(key_ND)
    starts = range(0, len(key_ND), TILE_COLUMNS)
    columns = [slice(start, min(start + TILE_COLUMNS, len(key_ND))) for start in starts]
    height = min(fit_tile(tile_rows or TILE_ROWS), len(query_RD))
    buffer = key_ND.new_empty(height * len(key_ND))
    for first in range(0, len(query_RD), max(height, 1)):
        strip = slice(first, min(first + height, len(query_RD)))
        rows = strip.stop - first
        tiles = [buffer[rows * part.start : rows * part.stop].view(rows, -1) for part in columns]

        def weigh(_: int, mine: slice, strip: slice = strip, tiles: list[Tensor] = tiles) -> None:
            for part, tile in zip(columns[mine], tiles[mine], strict=True):
                torch.mm(query_RD[strip], key_ND[part].T, out=tile)
                if of_columns is None:
                    to_weights(tile.numpy(), *of_rows.part(strip))
                else:
                    to_weights_both(tile.numpy(), of_rows.part(strip), of_columns.part(part))
                grad_key_ND[part].addmm_(tile.T, query_RD[strip])

        def gather(_: int, mine: slice, first: int = first, tiles: list[Tensor] = tiles) -> None:
            grad = grad_query_RD[first + mine.start : first + mine.stop]
            for part, tile in zip(columns, tiles, strict=True):
                grad.addmm_(tile[mine], key_ND[part])

        run_in_parts(weigh, len(columns))
        run_in_parts(gather, rows)
    return grad_query_RD, grad_key_ND
