# ruff: noqa: PLR0913, PLR0917 (a kernel is handed every pointer and every stride)
"""Triton kernels: a tile of scores is multiplied and, before it leaves the registers, what is wanted of it is taken.

Every product is of rows with rows (both factors contiguous along the inner dimension, which is padded to a multiple of
``INNER``), the one layout that tensor cores take in every precision. ``ROWS``, ``COLUMNS`` and ``INNER`` are the shape of a
tile. Exponentials are base two: ``exp((s − μ)/σ) = 2^((s − mean) · scale)``. Offsets that grow with N·D are 64-bit.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _find_tile(num_rows, num_columns, ROWS: tl.constexpr, COLUMNS: tl.constexpr, GROUP: tl.constexpr):
    """Row and column of this program's tile; GROUP rows of tiles go side by side, so that their keys are still in the cache."""
    program = tl.program_id(0)
    in_group = GROUP * tl.cdiv(num_columns, COLUMNS)
    first = program // in_group * GROUP
    height = tl.minimum(tl.cdiv(num_rows, ROWS) - first, GROUP)
    place = program % in_group
    return first + place % height, place // height


@triton.jit
def _multiply(
    left, right, row, column, num_rows, num_columns, width,
    PRECISION: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, INNER: tl.constexpr,
):  # fmt: skip
    """(ROWS, COLUMNS) products of rows of ``left`` and ``right``; what lies beyond the last repeats the first."""
    inner = tl.arange(0, INNER)
    left_at = left + tl.where(row < num_rows, row, 0).to(tl.int64)[:, None] * width + inner[None, :]
    right_at = right + tl.where(column < num_columns, column, 0).to(tl.int64)[None, :] * width + inner[:, None]
    product = tl.zeros((ROWS, COLUMNS), tl.float32)
    for _ in range(0, width, INNER):
        product = tl.dot(tl.load(left_at), tl.load(right_at), product, input_precision=PRECISION)
        left_at += INNER
        right_at += INNER
    return product


@triton.jit
def scan_tiles(
    query, key, row_mean, row_scale, column_mean, column_scale,
    row_score, row_index, row_sum, column_score, column_index, column_sum,
    num_rows, num_columns, width,
    TOP_K: tl.constexpr, BOTH: tl.constexpr, PRECISION: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, INNER: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """What each tile knows of its rows (k best columns, softmax sum) and, with BOTH, of its columns (best row, softmax sum).

    Of equal scores the first wins. Writes ``row_*`` as (tiles across, [k,] rows), ``column_*`` as (tiles down, columns).
    """
    down, across = _find_tile(num_rows, num_columns, ROWS, COLUMNS, GROUP)
    row, column = down * ROWS + tl.arange(0, ROWS), across * COLUMNS + tl.arange(0, COLUMNS)
    is_row, is_column = row < num_rows, column < num_columns
    score = _multiply(query, key, row, column, num_rows, num_columns, width, PRECISION, ROWS, COLUMNS, INNER)
    score = tl.where(is_row[:, None] & is_column[None, :], score, float("-inf"))
    mean = tl.load(row_mean + row, mask=is_row, other=0.0)
    scale = tl.load(row_scale + row, mask=is_row, other=1.0)
    total = tl.sum(tl.exp2((score - mean[:, None]) * scale[:, None]), 1)
    tl.store(row_sum + across.to(tl.int64) * num_rows + row, total, mask=is_row)
    if BOTH:
        mean = tl.load(column_mean + column, mask=is_column, other=0.0)
        scale = tl.load(column_scale + column, mask=is_column, other=1.0)
        total = tl.sum(tl.exp2((score - mean[None, :]) * scale[None, :]), 0)
        best, place = tl.max(score, 0, return_indices=True)
        at = down.to(tl.int64) * num_columns + column
        tl.store(column_sum + at, total, mask=is_column)
        tl.store(column_score + at, best, mask=is_column)
        tl.store(column_index + at, down * ROWS + place, mask=is_column)
    for rank in tl.static_range(TOP_K):
        best, place = tl.max(score, 1, return_indices=True)
        at = (across * TOP_K + rank).to(tl.int64) * num_rows + row
        tl.store(row_score + at, best, mask=is_row)
        tl.store(row_index + at, across * COLUMNS + place, mask=is_row)
        score = tl.where(place[:, None] == tl.arange(0, COLUMNS)[None, :], float("-inf"), score)


@triton.jit
def weigh_tiles(
    query, key, row_mean, row_scale, row_shift, row_factor, weight, row_sum,
    num_rows, num_columns, width, weight_width,
    PRECISION: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, INNER: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """``factor · 2^((s − mean) · scale − shift)`` of every score, zero beyond the last column, and the sum of each row.

    Writes ``weight`` as (rows, weight_width), ``row_sum`` as (tiles across, rows).
    """
    down, across = _find_tile(num_rows, num_columns, ROWS, COLUMNS, GROUP)
    row, column = down * ROWS + tl.arange(0, ROWS), across * COLUMNS + tl.arange(0, COLUMNS)
    is_row = row < num_rows
    score = _multiply(query, key, row, column, num_rows, num_columns, width, PRECISION, ROWS, COLUMNS, INNER)
    mean = tl.load(row_mean + row, mask=is_row, other=0.0)[:, None]
    scale = tl.load(row_scale + row, mask=is_row, other=0.0)[:, None]
    shift = tl.load(row_shift + row, mask=is_row, other=0.0)[:, None]
    factor = tl.load(row_factor + row, mask=is_row, other=0.0)[:, None]
    value = tl.where((column < num_columns)[None, :], tl.exp2((score - mean) * scale - shift) * factor, 0.0)
    at = row.to(tl.int64)[:, None] * weight_width + column[None, :]
    tl.store(weight + at, value, mask=is_row[:, None] & (column < weight_width)[None, :])
    tl.store(row_sum + across.to(tl.int64) * num_rows + row, tl.sum(value, 1), mask=is_row)


@triton.jit
def multiply_tiles(
    left, right, row_factor, result, num_rows, num_columns, width,
    PRECISION: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, INNER: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """``factor · <left, right>`` of all rows of both: (rows, columns)."""
    down, across = _find_tile(num_rows, num_columns, ROWS, COLUMNS, GROUP)
    row, column = down * ROWS + tl.arange(0, ROWS), across * COLUMNS + tl.arange(0, COLUMNS)
    is_row, is_column = row < num_rows, column < num_columns
    product = _multiply(left, right, row, column, num_rows, num_columns, width, PRECISION, ROWS, COLUMNS, INNER)
    product *= tl.load(row_factor + row, mask=is_row, other=0.0)[:, None]
    at = row.to(tl.int64)[:, None] * num_columns + column[None, :]
    tl.store(result + at, product, mask=is_row[:, None] & is_column[None, :])
