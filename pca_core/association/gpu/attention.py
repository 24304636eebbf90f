"""Softmax-weighted sums on a GPU for values of any width: weights come ready from the product, a strip at a time.

Attention kernels that keep a row's whole sum in registers end at 256 channels or so. Here a strip of weights (256 MiB) goes
through memory between two products, ``8 N²`` bytes in all: little beside ``4 N² D`` operations once D is in the hundreds.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from pca_core.association.gpu.kernels import multiply_tiles, weigh_tiles
from pca_core.association.gpu.launch import PAD, Blocks, as_factor, choose_arithmetic, choose_blocks, launch, storage_of
from pca_core.association.similarity import LOG2_E, Direction
from pca_core.device import choose_tile_rows
from pca_core.memory import fit_tile

TOO_LARGE = 1e30  # a sum of exponentials from which the weighted values might overflow


class Weigher:
    """Launches strips of ``factor · exp((s − μ)/σ − shift)`` of one direction."""

    def __init__(self, direction: Direction, blocks: Blocks | None = None) -> None:
        self.direction = direction
        self._blocks = blocks or choose_blocks(direction.query_RD.device)
        self._query_RD, self._key_ND = (as_factor(side, direction.precision) for side in (direction.query_RD, direction.key_ND))
        self._arithmetic = choose_arithmetic(direction.precision, direction.query_RD.device)
        self.width = -(-len(self._key_ND) // PAD) * PAD
        self._dtype = storage_of(direction.precision, direction.query_RD.device)

    def iterate(self, shift_R: Tensor, factor_R: Tensor, tile_rows: int | None) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Yield (rows, weights (rows, N padded with zeros), sums of the weights (rows,)). The buffer is reused."""
        direction, num_columns = self.direction, len(self._key_ND)
        height = fit_tile(tile_rows or choose_tile_rows(num_columns, torch.float32, shift_R.device))
        buffer = shift_R.new_empty(min(height, len(shift_R)), self.width, dtype=self._dtype)
        for start in range(0, len(shift_R), height):
            rows = slice(start, min(start + height, len(shift_R)))
            num_rows = rows.stop - start
            sum_PR = shift_R.new_empty(self._blocks.count_tiles(num_rows, self.width)[1], num_rows)
            launch(
                weigh_tiles,
                self._blocks,
                num_rows,
                self.width,
                self._query_RD[rows],
                self._key_ND,
                direction.mean_R[rows],
                direction.inverse_std_R[rows] * LOG2_E,
                shift_R[rows] * LOG2_E,
                factor_R[rows],
                buffer,
                sum_PR,
                num_rows,
                num_columns,
                self._query_RD.size(1),
                self.width,
                PRECISION=self._arithmetic,
            )
            yield rows, buffer[:num_rows], sum_PR.sum(0)

    def multiply(self, weight_RN: Tensor, value_VN: Tensor, factor_R: Tensor) -> Tensor:
        """``factor · weight · valueᵀ``, (R, V), of a strip and values from :func:`transpose_values`."""
        result = factor_R.new_empty(len(weight_RN), len(value_VN))
        launch(
            multiply_tiles,
            self._blocks,
            *result.shape,
            weight_RN,
            value_VN,
            factor_R,
            result,
            *result.shape,
            self.width,
            PRECISION=self._arithmetic,
        )
        return result


def softmax_matmul(
    direction: Direction, value_NV: Tensor, log_normalizer_R: Tensor, tile_rows: int | None = None, blocks: Blocks | None = None
) -> Tensor:
    """What :func:`pca_core.association.tiled.softmax_matmul` does, for float32."""
    weigher, value_VN = Weigher(direction, blocks), _transpose_values(value_NV, direction)
    result, one_R = value_NV.new_empty(len(log_normalizer_R), value_NV.size(1)), torch.ones_like(log_normalizer_R)
    for rows, weight_RN, _ in weigher.iterate(log_normalizer_R, one_R, tile_rows):
        result[rows] = weigher.multiply(weight_RN, value_VN, one_R[rows])
    return result


def iterate_weights(
    direction: Direction, log_normalizer_R: Tensor, factor_R: Tensor, tile_rows: int | None = None
) -> Iterator[tuple[slice, Tensor]]:
    """What :func:`pca_core.association.strips.iterate_weights` does, for float32."""
    for rows, weight_RN, _ in Weigher(direction).iterate(log_normalizer_R, factor_R, tile_rows):
        yield rows, weight_RN[:, : len(direction.key_ND)]


def _transpose_values(value_NV: Tensor, direction: Direction) -> Tensor:
    """Values as rows over N, padded like the weights: (V, N)."""
    return as_factor(value_NV.T, direction.precision)


def attend(direction: Direction, value_NV: Tensor, tile_rows: int | None = None, blocks: Blocks | None = None) -> Tensor:
    """``softmax_j((s_ij − μ_i)/σ_i) · value``: (R, V), differentiable in queries, keys and values; O(N·(D + V)) memory.

    Two products forward: contrast-normalised scores need no running maximum, so weights and their sums come from the same
    pass; the few rows whose sum grows too large are done again with the maximum taken out. Five products backward.
    """
    moments = direction.mean_R, direction.inverse_std_R
    return _Attend.apply(direction.query_RD, direction.key_ND, value_NV, *moments, direction.precision, tile_rows, blocks)


class _Attend(torch.autograd.Function):
    """With ``P`` the weights, ``O = P V`` and ``δ = Σ dO ∘ O`` of each row:

    ``dV = Pᵀ dO``, ``dS = P ∘ (dO Vᵀ − δ)``, ``dq = dS k / σ``, ``dk = (dS / σ)ᵀ q``.
    """

    @staticmethod
    def forward(ctx, query_RD, key_ND, value_NV, mean_R, inverse_std_R, precision, tile_rows, blocks):
        direction = Direction(query_RD, key_ND, mean_R, inverse_std_R, torch.zeros_like(mean_R), precision)
        weigher, value_VN = Weigher(direction, blocks), _transpose_values(value_NV, direction)
        result_RV, sum_R = value_NV.new_empty(len(query_RD), value_NV.size(1)), torch.empty_like(mean_R)
        for rows, weight_RN, total in weigher.iterate(torch.zeros_like(mean_R), torch.ones_like(mean_R), tile_rows):
            sum_R[rows] = total
            result_RV[rows] = weigher.multiply(weight_RN, value_VN, 1 / total)
        log_normalizer_R = sum_R.log()
        bad = (~(sum_R < TOO_LARGE)).nonzero()[:, 0]
        for row in bad.tolist():
            score_N = (key_ND @ query_RD[row] - mean_R[row]) * inverse_std_R[row]
            log_normalizer_R[row] = score_N.logsumexp(0)
            result_RV[row] = score_N.softmax(0) @ value_NV
        ctx.save_for_backward(query_RD, key_ND, value_NV, mean_R, inverse_std_R, result_RV, log_normalizer_R)
        ctx.tile_rows = tile_rows
        return result_RV

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_RV):
        query_RD, key_ND, value_NV, mean_R, inverse_std_R, result_RV, log_normalizer_R = ctx.saved_tensors
        direction = Direction(query_RD, key_ND, mean_R, inverse_std_R, torch.zeros_like(mean_R))
        delta_R1 = torch.linalg.vecdot(grad_RV, result_RV)[:, None]
        grad_query_RD, grad_key_ND, grad_value_NV = map(torch.zeros_like, (query_RD, key_ND, value_NV))
        for rows, weight_RN in iterate_weights(direction, log_normalizer_R, torch.ones_like(mean_R), ctx.tile_rows):
            grad_value_NV.addmm_(weight_RN.T, grad_RV[rows])
            grad_score_RN = torch.mm(grad_RV[rows], value_NV.T).sub_(delta_R1[rows])
            grad_score_RN.mul_(weight_RN).mul_(inverse_std_R[rows, None])
            torch.mm(grad_score_RN, key_ND, out=grad_query_RD[rows])
            grad_key_ND.addmm_(grad_score_RN.T, query_RD[rows])
        return grad_query_RD, grad_key_ND, grad_value_NV, None, None, None, None, None
