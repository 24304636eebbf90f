"""One pass over a strip of scores on the CPU, compiled by numba: softmax sums both ways, group maxima, best rows of columns.

In torch these are a dozen sweeps over the strip; here each score is loaded once. Rows are shared out among plain threads (the
kernel lets go of the interpreter lock), because numba's own thread pool may not be entered from two sessions at once.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import torch
from numba import njit
from torch import Tensor

from pca_core.association.epilogue import GROUP
from pca_core.association.similarity import Direction

LOG2_E = 1.4426950408889634
_F, _I = np.float32, np.int32
_ROUND = _F(12582912.0)  # 1.5 · 2^23: adding it rounds a float32 to a whole number, which its low bits then hold
_ROUND_BITS = _I(0x4B400000)
_MANTISSA_BITS = _I(23)
# 2^r on [-0.5, 0.5], Taylor to the sixth power: the remainder is below float32 rounding.
_C6, _C5, _C4, _C3, _C2, _C1 = (_F(0.6931471805599453**n / f) for n, f in ((6, 720), (5, 120), (4, 24), (3, 6), (2, 2), (1, 1)))


@njit(fastmath={"contract"}, error_model="numpy", nogil=True, cache=True)
def _exp2(t):
    """2^t in float32 for t ≤ 128 (there: infinity); below −126 it stays at 2^−126."""
    t = t if t > _F(-126.0) else _F(-126.0)
    t = t if t < _F(128.0) else _F(128.0)
    rounded = _F(t + _ROUND)
    r = _F(t - _F(rounded - _ROUND))
    p = _F(_C6 * r + _C5)
    p = _F(p * r + _C4)
    p = _F(p * r + _C3)
    p = _F(p * r + _C2)
    p = _F(p * r + _C1)
    p = _F(p * r + _F(1.0))
    exponent = _I(_I(rounded.view(_I) - _ROUND_BITS) << _MANTISSA_BITS)
    return _I(p.view(_I) + exponent).view(_F)


@njit(fastmath={"contract"}, error_model="numpy", nogil=True, cache=True)
def _sweep_rows(strip, mean, scale, group_max, row_sum):
    """Group maxima and softmax sums of rows. Groups are interleaved, so that every inner loop runs along memory."""
    groups = group_max.shape[1]
    lane_sum = np.empty(groups, _F)
    for i in range(strip.shape[0]):
        lane_max = group_max[i]
        lane_sum[:] = _F(0.0)
        lane_max[:] = _F(-np.inf)
        for start in range(0, strip.shape[1], groups):
            part = strip[i, start : start + groups]
            for lane in range(groups):
                score = part[lane]
                lane_sum[lane] += _exp2(_F((score - mean[i]) * scale[i]))
                lane_max[lane] = score if score > lane_max[lane] else lane_max[lane]
        total = 0.0
        for lane in range(groups):
            total += lane_sum[lane]
        row_sum[i] = total


@njit(fastmath={"contract"}, error_model="numpy", nogil=True, cache=True)
def _sweep_columns(strip, first_row, mean, scale, best_score, best_row, column_sum):
    """Best row and softmax sum of columns, row after row."""
    columns = column_sum.shape[0]
    column_sum[:] = _F(0.0)
    for i in range(strip.shape[0]):
        part = strip[i, :columns]
        row = _I(first_row + i)
        for j in range(columns):
            column_sum[j] += _exp2(_F((part[j] - mean[j]) * scale[j]))
        for j in range(columns):
            is_better = part[j] > best_score[j]
            best_score[j] = part[j] if is_better else best_score[j]
            best_row[j] = row if is_better else best_row[j]


@njit(fastmath={"contract"}, error_model="numpy", nogil=True, cache=True)
def _sweep_both(strip, first_row, of_rows, of_columns):
    """Rows and columns in slices of a few rows, so that a slice is still in the cache for the second look."""
    row_mean, row_scale, group_max, row_sum = of_rows
    mean, scale, best_score, best_row, column_sum = of_columns
    total = np.zeros(column_sum.shape[0], _F)
    for start in range(0, strip.shape[0], 8):
        stop = min(start + 8, strip.shape[0])
        _sweep_rows(strip[start:stop], row_mean[start:stop], row_scale[start:stop], group_max[start:stop], row_sum[start:stop])
        _sweep_columns(strip[start:stop], first_row + start, mean, scale, best_score, best_row, column_sum)
        for j in range(total.shape[0]):
            total[j] += column_sum[j]
    column_sum[:] = total


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="epilogue")


class FusedEpilogue:
    """See :class:`pca_core.association.epilogue.Epilogue`. float32 on the CPU; uses as many threads as torch."""

    def __init__(self, forward: Direction, backward: Direction | None, padded: int) -> None:
        self._threads = max(1, torch.get_num_threads())
        self._groups = padded // GROUP
        self._row_mean, self._row_scale = _as_exponent_of_two(forward)
        self._backward = backward
        if backward is not None:
            columns = len(backward.mean_R)
            self._column_mean, self._column_scale = _as_exponent_of_two(backward)
            self._best_score = np.full((self._threads, columns), -np.inf, _F)
            self._best_row = np.zeros((self._threads, columns), _I)
            self._part_sum = np.zeros((self._threads, columns), _F)
            self._sum = np.zeros(columns, np.float64)

    def add(self, rows: slice, strip: Tensor) -> tuple[Tensor, Tensor]:
        height, scores = len(strip), strip.numpy()
        group_max, row_sum = np.empty((height, self._groups), _F), np.empty(height, _F)
        mean, scale = self._row_mean[rows], self._row_scale[rows]
        share = -(-height // self._threads)
        jobs = []
        for thread, start in enumerate(range(0, height, share)):
            part = slice(start, min(start + share, height))
            of_rows = mean[part], scale[part], group_max[part], row_sum[part]
            jobs.append(_pool(self._threads).submit(self._work, thread, rows.start + start, scores[part], of_rows))
        for job in jobs:
            job.result()
        if self._backward is not None:
            self._sum += self._part_sum[: len(jobs)].sum(0)
        return torch.from_numpy(group_max), torch.from_numpy(row_sum)

    def _work(self, thread: int, first_row: int, scores: np.ndarray, of_rows: tuple[np.ndarray, ...]) -> None:
        if self._backward is None:
            _sweep_rows(scores, *of_rows)
            return
        state = self._best_score[thread], self._best_row[thread], self._part_sum[thread]
        _sweep_both(scores, first_row, of_rows, (self._column_mean, self._column_scale, *state))

    def columns(self) -> tuple[Tensor, Tensor, Tensor]:
        thread = self._best_score.argmax(0)[None]
        best_row = np.take_along_axis(self._best_row, thread, 0)[0].astype(np.int64)
        best_score = np.take_along_axis(self._best_score, thread, 0)[0]
        return torch.from_numpy(best_row), torch.from_numpy(best_score), torch.from_numpy(self._sum.astype(_F))


def _as_exponent_of_two(direction: Direction) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale: ``exp((s − μ)/σ) = 2^((s − mean) · scale)``. The difference comes first, or small σ would cost digits."""
    return direction.mean_R.numpy(), (direction.inverse_std_R.double() * LOG2_E).float().numpy()
