"""Association on the CPU at the speed of the matrix product: tile by tile, all that is wanted of a tile is taken while it is hot.

Each thread owns a range of rows. It multiplies a tile of 512 × 1,024 scores (two megabytes) and lets the loops of
:mod:`pca_core.association.kernels` take from it what is wanted: softmax sums of rows and columns, best columns of a row, best
row of a column. What torch would do in a dozen sweeps over a strip then costs a third of the product.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from pca_core.association.kernels import QUAD, sweep_both, sweep_rows, to_weights
from pca_core.association.similarity import Direction, to_base_two
from pca_core.association.strips import Scan
from pca_core.association.threads import run_in_parts
from pca_core.memory import fit_tile

TILE_ROWS, TILE_COLUMNS = 512, 1024


def iterate_tiles(direction: Direction, rows: slice, tile_rows: int) -> Iterator[tuple[slice, slice, Tensor]]:
    """Yield (rows, columns, scores); the scores have a multiple of four rows, those beyond ``rows`` −∞. The buffer is reused."""
    buffer = direction.key_ND.new_empty(_whole_quads(tile_rows) * TILE_COLUMNS)
    for row in range(rows.start, rows.stop, tile_rows):
        strip = slice(row, min(row + tile_rows, rows.stop))
        height = strip.stop - strip.start
        for column in range(0, len(direction.key_ND), TILE_COLUMNS):
            keys_TD = direction.key_ND[column : column + TILE_COLUMNS]
            tile = buffer[: _whole_quads(height) * len(keys_TD)].view(-1, len(keys_TD))
            torch.mm(direction.query_RD[strip], keys_TD.T, out=tile[:height])
            tile[height:] = -torch.inf
            yield strip, slice(column, column + len(keys_TD)), tile


def _whole_quads(rows: int) -> int:
    return -(-rows // QUAD) * QUAD


class _Sweep:
    """Rows of one direction, and its columns where they are the rows of ``backward``, in arrays that threads fill."""

    def __init__(self, forward: Direction, backward: Direction | None, top_k: int, tile_rows: int | None) -> None:
        self._forward, self._backward = forward, backward
        self._tile_rows = fit_tile(tile_rows or TILE_ROWS)
        rows, columns = len(forward.query_RD), len(forward.key_ND)
        best = np.full((rows, top_k), -np.inf, np.float32), np.zeros((rows, top_k), np.int64)
        self._of_rows = (*as_exponent_of_two(forward), np.zeros(rows), *best)
        threads = torch.get_num_threads()
        if backward is not None:
            self._column_moments = as_exponent_of_two(backward)
            self._of_columns = (
                np.zeros((threads, columns)),
                np.full((threads, columns), -np.inf, np.float32),
                np.zeros((threads, columns), np.int32),
            )

    def run(self, part: int, rows: slice) -> None:
        """One thread's share."""
        for strip, columns, tile in iterate_tiles(self._forward, rows, self._tile_rows):
            of_rows = part_of(self._of_rows, strip)
            if self._backward is None:
                sweep_rows(tile.numpy(), 0, strip.stop - strip.start, columns.start, of_rows)
                continue
            of_columns = (
                *part_of(self._column_moments, columns),
                *(array[part, columns] for array in self._of_columns),
            )
            sweep_both(tile.numpy(), strip.start, columns.start, of_rows, of_columns)

    def scan_rows(self) -> Scan:
        _, _, row_sum, best_score, best_column = map(torch.from_numpy, self._of_rows)
        return Scan(best_column, best_score, row_sum.log().float())

    def scan_columns(self) -> Scan:
        column_sum, best_score, best_row = self._of_columns
        part = best_score.argmax(0)[None]  # the first of equals, which has the lower rows
        score, row = (torch.from_numpy(np.take_along_axis(array, part, 0)[0]) for array in (best_score, best_row))
        return Scan(row.long()[:, None], score[:, None], torch.from_numpy(column_sum.sum(0)).log().float())


def scan(forward: Direction, backward: Direction | None, top_k: int, tile_rows: int | None = None) -> tuple[Scan, Scan | None]:
    """What :func:`pca_core.association.strips.scan_strips` does, for float32 on the CPU."""
    sweep = _Sweep(forward, backward, top_k, tile_rows)
    run_in_parts(sweep.run, len(forward.query_RD), least=QUAD)
    return sweep.scan_rows(), None if backward is None else sweep.scan_columns()


def softmax_matmul(direction: Direction, value_NV: Tensor, log_normalizer_R: Tensor, tile_rows: int | None = None) -> Tensor:
    """What :func:`pca_core.association.tiled.softmax_matmul` does, for float32 on the CPU."""
    result = value_NV.new_zeros(len(direction.query_RD), value_NV.size(1))
    log2_normalizer = to_base_two(log_normalizer_R).numpy()
    of_rows = *as_exponent_of_two(direction), log2_normalizer, np.ones_like(log2_normalizer)
    height = fit_tile(tile_rows or TILE_ROWS)

    def work(_: int, rows: slice) -> None:
        for strip, columns, tile in iterate_tiles(direction, rows, height):
            to_weights(tile.numpy(), *part_of(of_rows, strip))
            result[strip].addmm_(tile[: strip.stop - strip.start], value_NV[columns])

    run_in_parts(work, len(result), least=QUAD)
    return result


def part_of(arrays: tuple[np.ndarray, ...], rows: slice) -> tuple[np.ndarray, ...]:
    """The same rows of each."""
    return tuple(array[rows] for array in arrays)


def as_exponent_of_two(direction: Direction) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale: ``exp((s − μ)/σ) = 2^((s − mean) · scale)``. The difference comes first, or small σ would cost digits."""
    return direction.mean_R.numpy(), to_base_two(direction.inverse_std_R).numpy()
