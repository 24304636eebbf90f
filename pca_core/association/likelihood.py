"""Log-probabilities of chosen columns, differentiable: the backward pass recomputes scores instead of keeping them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pca_core.association.dispatch import find_gpu, find_gradients
from pca_core.association.similarity import Direction
from pca_core.association.strips import iterate_weights


@dataclass(frozen=True)
class Chosen:
    """What rows of a direction chose.

    Attributes:
        row_M: (M,) int64, the rows that count, each once.
        index_M: (M,) int64, the column that each chose.
        weight_M: (M,), how much each counts.
        log_normalizer_R: (R,) of all rows, from a scan of the same direction.
    """

    row_M: Tensor
    index_M: Tensor
    weight_M: Tensor
    log_normalizer_R: Tensor

    def value(self, direction: Direction) -> Tensor:
        """``Σ_m w_m · (log Z_m − (<q_m, k_{t_m}> − μ_m)/σ_m)``."""
        score_M = (direction.query_RD[self.row_M] * direction.key_ND[self.index_M]).sum(1)
        normalised_M = (score_M - direction.mean_R[self.row_M]) * direction.inverse_std_R[self.row_M]
        return (self.weight_M * (self.log_normalizer_R[self.row_M] - normalised_M)).sum()

    def factor(self, direction: Direction) -> Tensor:
        """(R,): ``w/σ`` of the rows that count, 0 of others."""
        factor_R = torch.zeros_like(self.log_normalizer_R)
        return factor_R.index_copy(0, self.row_M, self.weight_M * direction.inverse_std_R[self.row_M])

    def pull(self, direction: Direction, factor_R: Tensor, grad_query_RD: Tensor, grad_key_ND: Tensor) -> None:
        """Add the part of the gradient that pulls the pairs together: ``−w/σ`` times the other end."""
        factor_M1 = factor_R[self.row_M, None]
        grad_query_RD.index_add_(0, self.row_M, direction.key_ND[self.index_M] * -factor_M1)
        grad_key_ND.index_add_(0, self.index_M, direction.query_RD[self.row_M] * -factor_M1)


def pair_nll(forward: Direction, backward: Direction, there: Chosen, back: Chosen, tile_rows: int | None = None) -> Tensor:
    """``−Σ_m w_m log p(index_m | row_m)`` over the choices of both ways, differentiable in the factors of the directions.

    Returns:
        Scalar tensor. Extra memory is O(N·D), forward and backward.
    """
    share = len(there.row_M) / max(len(forward.query_RD), 1) + len(back.row_M) / max(len(backward.query_RD), 1)
    if share > 1 and forward.is_transpose_of(backward) and find_gradients(forward):  # one product of all rows costs less
        return _PairNLL.apply(forward.query_RD, forward.key_ND, forward.detach(), backward.detach(), there, back, tile_rows)
    return row_nll(forward, there, tile_rows) + row_nll(backward, back, tile_rows)


def row_nll(direction: Direction, chosen: Chosen, tile_rows: int | None = None) -> Tensor:
    """The same of one way."""
    of_rows = direction.mean_R, direction.inverse_std_R, chosen.log_normalizer_R
    query_MD, *of_rows = (tensor[chosen.row_M] for tensor in (direction.query_RD, *of_rows))
    return _RowNLL.apply(query_MD, direction.key_ND, *of_rows, chosen.index_M, chosen.weight_M, tile_rows)


class _RowNLL(torch.autograd.Function):
    """``∂/∂q_m = (w_m/σ_m) (Σ_j p_mj k_j − k_{t_m})`` and ``∂/∂k_j = Σ_m (w_m/σ_m) (p_mj − [j = t_m]) q_m``."""

    @staticmethod
    def forward(ctx, query_MD, key_ND, mean_M, inverse_std_M, log_normalizer_M, index_M, weight_M, tile_rows):
        ctx.save_for_backward(query_MD, key_ND, mean_M, inverse_std_M, log_normalizer_M, index_M, weight_M)
        ctx.tile_rows = tile_rows
        direction, chosen = _restore(query_MD, key_ND, mean_M, inverse_std_M, log_normalizer_M, index_M, weight_M)
        return chosen.value(direction)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_output):
        direction, chosen = _restore(*ctx.saved_tensors)
        factor_M = grad_output * chosen.factor(direction)
        gradients = _weigh_gradients(direction, chosen.log_normalizer_R, factor_M, ctx.tile_rows)
        chosen.pull(direction, factor_M, *gradients)
        return *gradients, None, None, None, None, None, None


def _restore(query_MD, key_ND, mean_M, inverse_std_M, log_normalizer_M, index_M, weight_M) -> tuple[Direction, Chosen]:
    """A direction of the rows that count alone."""
    direction = Direction(query_MD, key_ND, mean_M, inverse_std_M, torch.zeros_like(mean_M))
    return direction, Chosen(torch.arange(len(mean_M), device=mean_M.device), index_M, weight_M, log_normalizer_M)


def _weigh_gradients(
    direction: Direction, log_normalizer_R: Tensor, factor_R: Tensor, tile_rows: int | None
) -> tuple[Tensor, Tensor]:
    """``G k`` and ``Gᵀ q`` with ``G_ij = factor_i p(j|i)``."""
    if fused := find_gradients(direction):
        return fused.weigh_gradients(direction, log_normalizer_R, factor_R, None, tile_rows)
    gpu = find_gpu(direction)
    strips = (gpu.iterate_weights if gpu else iterate_weights)(direction, log_normalizer_R, factor_R, tile_rows)
    grad_query_RD, grad_key_ND = torch.empty_like(direction.query_RD), torch.zeros_like(direction.key_ND)
    for rows, weight_RN in strips:
        torch.mm(weight_RN, direction.key_ND, out=grad_query_RD[rows])
        grad_key_ND.addmm_(weight_RN.T, direction.query_RD[rows])
    return grad_query_RD, grad_key_ND


class _PairNLL(torch.autograd.Function):
    """Both ways of one score matrix: ``G_ij = (w_i/σ_i) p(j|i) + (w_j/σ_j) p(i|j)``, so three products instead of six."""

    @staticmethod
    def forward(ctx, query_RD, key_ND, forward, backward, there, back, tile_rows):
        ctx.save_for_backward(query_RD, key_ND)
        ctx.rest = forward, backward, there, back, tile_rows
        return there.value(forward) + back.value(backward)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_output):
        forward, backward, there, back, tile_rows = ctx.rest
        factor_R, factor_N = grad_output * there.factor(forward), grad_output * back.factor(backward)
        way_back = backward, back.log_normalizer_R, factor_N
        fused = find_gradients(forward)
        grad_query_RD, grad_key_ND = fused.weigh_gradients(forward, there.log_normalizer_R, factor_R, way_back, tile_rows)
        there.pull(forward, factor_R, grad_query_RD, grad_key_ND)
        back.pull(backward, factor_N, grad_key_ND, grad_query_RD)
        return grad_query_RD, grad_key_ND, None, None, None, None, None
