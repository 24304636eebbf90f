"""Loops over one tile of scores, compiled by numba to vector instructions.

Each loop writes few arrays, so that the compiler can prove that they do not overlap; a tile is passed over four rows at a time,
which are then still in the first cache for the next loop. Exponentials are base two: ``exp((s − μ)/σ) = 2^((s − mean) · scale)``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

QUAD = 4  # rows that a pass takes together
_CHUNK = 512  # scores of a row whose maximum decides whether they are looked through one by one
_LANES = 64  # running sums and maxima side by side: several vector registers, so that no addition waits for the one before
_F, _I = np.float32, np.int32
_ROUND = _F(12582912.0)  # 1.5 · 2^23: adding it rounds a float32 to a whole number, which its low bits then hold
_BIAS, _MANTISSA_BITS = _I(127), _I(23)
_LEAST, _MOST = _F(-127.0), _F(128.0)
# 2^r on [−0.5, 0.5], least relative error for its degree: 7.5e-8, about the rounding of float32.
_P0, _P1, _P2, _P3, _P4, _P5 = map(
    _F,
    (
        1.0000000716556785,
        0.6931469670586041,
        0.24022119718703475,
        0.05550713280924201,
        0.009675541618402323,
        0.0013276470424411514,
    ),
)
# No "reassoc": it would cancel the rounding constant. Scores are finite, so maxima need no care for NaN and signed zeros.
_compile_inline = njit(fastmath={"contract"}, error_model="numpy", nogil=True, inline="always")
_compile = njit(fastmath={"contract", "nnan", "nsz"}, error_model="numpy", nogil=True, cache=True)


@_compile_inline
def _exp2(t):
    """2^t in float32: zero from t = −127 down, infinity from 128 up."""
    t = t if t > _LEAST else _LEAST
    t = t if t < _MOST else _MOST
    shifted = _F(t + _ROUND)
    r = _F(t - _F(shifted - _ROUND))
    p = _F(_P5 * r + _P4)
    p = _F(p * r + _P3)
    p = _F(p * r + _P2)
    p = _F(p * r + _P1)
    p = _F(p * r + _P0)
    return _F(p * _I((shifted.view(_I) + _BIAS) << _MANTISSA_BITS).view(_F))


@_compile
def _sweep_row(scores, mean, scale, lane_sum, lane_max):
    """Softmax sum and maximum of a stretch of one row."""
    for lane in range(_LANES):
        lane_sum[lane] = _F(0.0)
        lane_max[lane] = _F(-np.inf)
    whole = scores.shape[0] - scores.shape[0] % _LANES
    for start in range(0, whole, _LANES):
        part = scores[start : start + _LANES]
        for lane in range(_LANES):
            score = part[lane]
            lane_sum[lane] += _exp2(_F(_F(score - mean) * scale))
            lane_max[lane] = score if score > lane_max[lane] else lane_max[lane]
    for place in range(whole, scores.shape[0]):
        score = scores[place]
        lane_sum[place - whole] += _exp2(_F(_F(score - mean) * scale))
        lane_max[place - whole] = max(score, lane_max[place - whole])
    total, most = _F(0.0), _F(-np.inf)
    for lane in range(_LANES):
        total += lane_sum[lane]
        most = max(lane_max[lane], most)
    return total, most


@_compile
def _keep_best(scores, first_column, best_score, best_column):
    """Sort into the k best of a row what belongs there; of equal scores the first column wins."""
    last = best_score.shape[0] - 1
    for place in range(scores.shape[0]):
        score, column = scores[place], first_column + place
        if score < best_score[last] or (score == best_score[last] and column > best_column[last]):
            continue
        rank = last
        while rank > 0 and score > best_score[rank - 1]:
            best_score[rank], best_column[rank] = best_score[rank - 1], best_column[rank - 1]
            rank -= 1
        best_score[rank], best_column[rank] = score, column


@_compile
def sweep_rows(tile, first, stop, first_column, of_rows):
    """Add rows ``first`` to ``stop`` of a tile to what they know."""
    mean, scale, row_sum, best_score, best_column = of_rows
    lane_sum, lane_max = np.empty(_LANES, _F), np.empty(_LANES, _F)
    last = best_score.shape[1] - 1
    for i in range(first, stop):
        for start in range(0, tile.shape[1], _CHUNK):
            chunk = tile[i, start : start + _CHUNK]
            total, most = _sweep_row(chunk, mean[i], scale[i], lane_sum, lane_max)
            row_sum[i] += total
            if most > best_score[i, last]:  # ever rarer: about k times in the n-th chunk of n
                _keep_best(chunk, first_column + start, best_score[i], best_column[i])


@_compile
def _add_quad(row0, row1, row2, row3, mean, scale, column_sum):
    for j in range(column_sum.shape[0]):
        m, s = mean[j], scale[j]
        first = _F(_exp2(_F(_F(row0[j] - m) * s)) + _exp2(_F(_F(row1[j] - m) * s)))
        second = _F(_exp2(_F(_F(row2[j] - m) * s)) + _exp2(_F(_F(row3[j] - m) * s)))
        column_sum[j] += _F(first + second)


@_compile
def _better_of_two(row0, row1, index, best_score, best_row):
    next_index = _I(index + 1)
    for j in range(best_score.shape[0]):
        score, row = best_score[j], best_row[j]
        row = index if row0[j] > score else row
        score = row0[j] if row0[j] > score else score
        row = next_index if row1[j] > score else row
        score = row1[j] if row1[j] > score else score
        best_score[j], best_row[j] = score, row


@_compile
def sweep_both(tile, first_row, first_column, of_rows, of_columns):
    """Rows and columns of a tile, four rows at a time, so that they are still in the first cache for the second look.

    The height of the tile is a multiple of four; rows beyond those of ``of_rows`` hold −∞, which adds nothing.
    """
    mean, scale, column_sum, best_score, best_row = of_columns
    tile_sum = np.zeros(tile.shape[1], _F)
    for i in range(0, tile.shape[0], QUAD):
        sweep_rows(tile, i, min(i + QUAD, of_rows[0].shape[0]), first_column, of_rows)
        _add_quad(tile[i], tile[i + 1], tile[i + 2], tile[i + 3], mean, scale, tile_sum)
        _better_of_two(tile[i], tile[i + 1], _I(first_row + i), best_score, best_row)
        _better_of_two(tile[i + 2], tile[i + 3], _I(first_row + i + 2), best_score, best_row)
    for j in range(tile.shape[1]):
        column_sum[j] += tile_sum[j]


@_compile
def to_weights(tile, mean, scale, log2_normalizer, factor):
    """Scores → ``factor · p(column | row)``, in place."""
    for i in range(mean.shape[0]):
        row, m, s, z, f = tile[i], mean[i], scale[i], log2_normalizer[i], factor[i]
        for j in range(row.shape[0]):
            row[j] = _F(f * _exp2(_F(_F(_F(row[j] - m) * s) - z)))


@_compile
def _add_weights_of_columns(row, weight, mean, scale, log2_normalizer, factor):
    for j in range(row.shape[0]):
        exponent = _F(_F(_F(row[j] - mean[j]) * scale[j]) - log2_normalizer[j])
        row[j] = _F(weight[j] + _F(factor[j] * _exp2(exponent)))


@_compile
def to_weights_both(tile, of_rows, of_columns):
    """Scores → ``factor_i · p(j | i) + factor_j · p(i | j)``, in place."""
    mean, scale, log2_normalizer, factor = of_rows
    column_mean, column_scale, column_log2_normalizer, column_factor = of_columns
    weight = np.empty(tile.shape[1], _F)
    for i in range(mean.shape[0]):
        row, m, s, z, f = tile[i], mean[i], scale[i], log2_normalizer[i], factor[i]
        for j in range(row.shape[0]):
            weight[j] = _F(f * _exp2(_F(_F(_F(row[j] - m) * s) - z)))
        _add_weights_of_columns(row, weight, column_mean, column_scale, column_log2_normalizer, column_factor)


@_compile
def _exponentials_of_row(row, mean, scale, lane_sum):
    for lane in range(_LANES):
        lane_sum[lane] = _F(0.0)
    whole = row.shape[0] - row.shape[0] % _LANES
    for start in range(0, whole, _LANES):
        part = row[start : start + _LANES]
        for lane in range(_LANES):
            value = _exp2(_F(_F(part[lane] - mean) * scale))
            part[lane] = value
            lane_sum[lane] += value
    for place in range(whole, row.shape[0]):
        row[place] = _exp2(_F(_F(row[place] - mean) * scale))
        lane_sum[place - whole] += row[place]
    total = _F(0.0)
    for lane in range(_LANES):
        total += lane_sum[lane]
    return total


@_compile
def _exponentials_of_columns(row, mean, scale, result):
    for j in range(row.shape[0]):
        result[j] = _exp2(_F(_F(row[j] - mean[j]) * scale[j]))


@_compile
def _add_row(row, column_sum):
    for j in range(row.shape[0]):
        column_sum[j] += row[j]


@_compile
def to_exponentials(tile, of_rows, row_sum):
    """Scores → ``2^((s − mean_i) · scale_i)``, in place; their sums over each row are set."""
    mean, scale = of_rows
    lane_sum = np.empty(_LANES, _F)
    for i in range(tile.shape[0]):
        row_sum[i] = _exponentials_of_row(tile[i], mean[i], scale[i], lane_sum)


@_compile
def to_exponentials_both(tile, mirror, of_rows, of_columns, row_sum, column_sum):
    """The same, and ``2^((s − mean_j) · scale_j)`` into ``mirror``, its sums over each column added."""
    mean, scale = of_rows
    column_mean, column_scale = of_columns
    lane_sum = np.empty(_LANES, _F)
    for i in range(tile.shape[0]):
        _exponentials_of_columns(tile[i], column_mean, column_scale, mirror[i])
        _add_row(mirror[i], column_sum)
        row_sum[i] = _exponentials_of_row(tile[i], mean[i], scale[i], lane_sum)


@_compile
def _weights_of_row(row, mean, scale, log2_normalizer, result):
    for j in range(row.shape[0]):
        result[j] = _exp2(_F(_F(_F(row[j] - mean) * scale) - log2_normalizer))


@_compile
def _weights_of_columns(row, mean, scale, log2_normalizer):
    for j in range(row.shape[0]):
        row[j] = _exp2(_F(_F(_F(row[j] - mean[j]) * scale[j]) - log2_normalizer[j]))


@_compile
def _slope_of_row(slope, weight, factor, offset):
    for j in range(slope.shape[0]):
        slope[j] = _F(_F(factor * weight[j]) * _F(slope[j] - offset))


@_compile
def _add_slope_of_columns(slope, mirror_slope, mirror_weight, factor, offset):
    for j in range(slope.shape[0]):
        slope[j] += _F(_F(factor[j] * mirror_weight[j]) * _F(mirror_slope[j] - offset[j]))


@_compile
def to_slopes(tile, slope, of_rows):
    """Scores → softmax weights; their slopes → ``factor_i · p_ij · (slope − offset_i)``, the slopes of the scores; in place."""
    mean, scale, log2_normalizer, factor, offset = of_rows
    for i in range(tile.shape[0]):
        _weights_of_row(tile[i], mean[i], scale[i], log2_normalizer[i], tile[i])
        _slope_of_row(slope[i], tile[i], factor[i], offset[i])


@_compile
def to_slopes_both(tile, slope, mirror, of_rows, of_columns):
    """The same of a tile and of its mirror image, whose rows are this one's columns.

    ``mirror`` holds the slopes of the mirrored weights. Afterwards ``tile`` holds the mirrored weights, ``mirror`` the weights
    and ``slope`` the slopes of the scores, which both share.
    """
    mean, scale, log2_normalizer, factor, offset = of_rows
    column_mean, column_scale, column_log2_normalizer, column_factor, column_offset = of_columns
    weight = np.empty(tile.shape[1], _F)
    for i in range(tile.shape[0]):
        _weights_of_row(tile[i], mean[i], scale[i], log2_normalizer[i], weight)
        _weights_of_columns(tile[i], column_mean, column_scale, column_log2_normalizer)
        _slope_of_row(slope[i], weight, factor[i], offset[i])
        _add_slope_of_columns(slope[i], mirror[i], tile[i], column_factor, column_offset)
        mirror[i] = weight
