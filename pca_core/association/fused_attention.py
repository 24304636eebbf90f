"""What pixels of one map borrow from each other, on the CPU: attention with symmetric scores, half of which are enough.

``out_i = Σ_j w_ij v_j`` with ``w_i· = softmax_j(<k_i, k_j> / σ_i)``. A tile of scores right of the diagonal is, transposed, the
tile on the other side; only the scale of its rows is another. So a tile is multiplied once and both are made of it: three
products of a tile for two instead of four forward, seven instead of ten backward.

A strip of rows is cut into tiles from the diagonal on. First each thread takes tiles, and adds what belongs to the rows of their
columns; then each takes rows of the strip. No two threads ever write to one place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pca_core.association.fused import part_of
from pca_core.association.kernels import to_exponentials, to_exponentials_both, to_slopes, to_slopes_both
from pca_core.association.similarity import to_base_two
from pca_core.association.threads import run_in_parts
from pca_core.memory import fit_tile

TILE = 384  # rows and columns: what a thread reads and writes of a tile stays in its cache
_ROWS_A_THREAD = 64  # of a strip, so that products of a part of its rows do not starve


def attend_within(key_TC: Tensor, inverse_std_T: Tensor, value_TV: Tensor) -> Tensor:
    """``softmax(k kᵀ / σ) v``: (T, C), (T,) and (T, V) → (T, V), float32 on the CPU; differentiable in keys and values."""
    return _Attention.apply(key_TC, inverse_std_T, value_TV)


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, key_TC, inverse_std_T, value_TV):
        value_TV = value_TV.contiguous()
        # By Cauchy and Schwarz no score of a unit or zero row is above its own: no exponential overflows.
        highest_T = torch.linalg.vecdot(key_TC, key_TC)
        of_rows = highest_T, to_base_two(inverse_std_T)
        sum_T, result_TV = torch.zeros_like(highest_T, dtype=torch.float64), torch.zeros_like(value_TV)
        _borrow(key_TC, value_TV, tuple(array.numpy() for array in of_rows), sum_T, result_TV)
        result_TV /= sum_T[:, None].float()
        ctx.save_for_backward(key_TC, inverse_std_T, value_TV, result_TV, *of_rows, sum_T.log2().float())
        return result_TV

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_TV):
        key_TC, inverse_std_T, value_TV, result_TV, *of_rows = ctx.saved_tensors
        grad_TV = grad_TV.contiguous()
        of_rows += inverse_std_T, (grad_TV * result_TV).sum(1)
        grad_key_TC, grad_value_TV = torch.zeros_like(key_TC), torch.zeros_like(value_TV)
        arrays = tuple(array.contiguous().numpy() for array in of_rows)
        with torch.autocast("cpu", enabled=False):
            _add_gradients(key_TC, value_TV, grad_TV, arrays, grad_key_TC, grad_value_TV)
        return grad_key_TC, None, grad_value_TV


@dataclass(frozen=True)
class _Strip:
    """Rows of the matrix and its tiles from the diagonal on, each contiguous in buffers that strips share."""

    rows: slice
    tiles: tuple[slice, ...]

    @property
    def height(self) -> int:
        return self.rows.stop - self.rows.start

    def is_within(self, columns: slice) -> bool:
        """Whether the columns are rows of this strip too: then the mirror image is computed as well, not taken from here."""
        return columns.stop <= self.rows.stop

    def view(self, buffer: Tensor, columns: slice) -> Tensor:
        """The place of a tile in a buffer: (rows, columns)."""
        return buffer[self.height * columns.start : self.height * columns.stop].view(self.height, -1)


def _strip_height(length: int) -> int:
    """Asked once for a pass: it shrinks while anything in the process is short of memory."""
    return min(fit_tile(max(TILE, _ROWS_A_THREAD * torch.get_num_threads())), length)


def _iterate_strips(length: int, height: int) -> Iterator[_Strip]:
    for start in range(0, length, height):
        stop = min(start + height, length)
        bounds = [*range(start, stop, TILE), *range(stop, length, TILE), length]
        yield _Strip(slice(start, stop), tuple(map(slice, bounds[:-1], bounds[1:])))


def _borrow(key_TC: Tensor, value_TV: Tensor, of_rows: tuple[np.ndarray, ...], sum_T: Tensor, result_TV: Tensor) -> None:
    """Add exponentials to the sums and, times the values, to the results."""
    length, height, sums = len(key_TC), _strip_height(len(key_TC)), sum_T.numpy()
    buffer = key_TC.new_empty(height * length)
    for strip in _iterate_strips(length, height):
        row_sums = np.empty((len(strip.tiles), strip.height), np.float32)

        def weigh(_: int, mine: slice, strip: _Strip = strip, row_sums: np.ndarray = row_sums) -> None:
            for number in range(*mine.indices(len(strip.tiles))):
                columns = strip.tiles[number]
                tile = torch.mm(key_TC[strip.rows], key_TC[columns].T, out=strip.view(buffer, columns))
                if strip.is_within(columns):
                    to_exponentials(tile.numpy(), part_of(of_rows, strip.rows), row_sums[number])
                    continue
                mirror = torch.empty_like(tile)
                of_tile = part_of(of_rows, strip.rows), part_of(of_rows, columns)
                column_sums = np.zeros(tile.size(1), np.float32)
                to_exponentials_both(tile.numpy(), mirror.numpy(), *of_tile, row_sums[number], column_sums)
                sums[columns] += column_sums
                result_TV[columns].addmm_(mirror.T, value_TV[strip.rows])

        def gather(_: int, mine: slice, strip: _Strip = strip) -> None:
            result = result_TV[strip.rows][mine]
            for columns in strip.tiles:
                result.addmm_(strip.view(buffer, columns)[mine], value_TV[columns])

        run_in_parts(weigh, len(strip.tiles))
        sums[strip.rows] += row_sums.sum(0, dtype=np.float64)
        run_in_parts(gather, strip.height)


def _add_gradients(
    key_TC: Tensor,
    value_TV: Tensor,
    grad_TV: Tensor,
    of_rows: tuple[np.ndarray, ...],
    grad_key_TC: Tensor,
    grad_value_TV: Tensor,
) -> None:
    """Add the gradients of keys and values. A weight's slope is ``<grad_i, v_j>``, its offset ``Σ_j w_ij slope_ij``."""
    length, height = len(key_TC), _strip_height(len(key_TC))
    slopes, mirrors = key_TC.new_empty(height * length), key_TC.new_empty(height * length)
    for strip in _iterate_strips(length, height):

        def weigh(_: int, mine: slice, strip: _Strip = strip) -> None:
            rows = strip.rows
            for columns in strip.tiles[mine]:
                tile = torch.mm(key_TC[rows], key_TC[columns].T, out=strip.view(mirrors, columns))
                slope = torch.mm(grad_TV[rows], value_TV[columns].T, out=strip.view(slopes, columns))
                weight = tile
                if strip.is_within(columns):
                    to_slopes(tile.numpy(), slope.numpy(), part_of(of_rows, rows))
                else:
                    weight = torch.mm(value_TV[rows], grad_TV[columns].T)  # the slopes of the mirror image, until it is swept
                    of_tile = part_of(of_rows, rows), part_of(of_rows, columns)
                    to_slopes_both(tile.numpy(), slope.numpy(), weight.numpy(), *of_tile)
                grad_value_TV[columns].addmm_(weight.T, grad_TV[rows])
                grad_key_TC[columns].addmm_(slope.T, key_TC[rows])

        def gather(_: int, mine: slice, strip: _Strip = strip) -> None:
            grad_key, grad_value = grad_key_TC[strip.rows][mine], grad_value_TV[strip.rows][mine]
            for columns in strip.tiles:
                grad_key.addmm_(strip.view(slopes, columns)[mine], key_TC[columns])
                if not strip.is_within(columns):
                    grad_value.addmm_(strip.view(mirrors, columns)[mine], grad_TV[columns])

        run_in_parts(weigh, len(strip.tiles))
        run_in_parts(gather, strip.height)
