"""Exact sweeps over a similarity matrix that is never stored.

In float32 the tiles of :mod:`pca_core.association.fused` are swept on the CPU, those of :mod:`pca_core.association.gpu` on a
GPU, elsewhere the strips of :mod:`pca_core.association.strips`; all give the same numbers up to rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pca_core.association.dispatch import find_attention, find_fused, find_gradients
from pca_core.association.similarity import Direction, make_directions
from pca_core.association.strips import Scan, iterate_strips, iterate_weights, scan_strips


@torch.no_grad()
def scan(forward: Direction, top_k: int = 1, tile_rows: int | None = None) -> Scan:
    """Sweep one direction: top-k columns and softmax normaliser of every row."""
    return _sweep(forward, None, top_k, tile_rows)[0]


@torch.no_grad()
def scan_both_ways(forward: Direction, backward: Direction, top_k: int = 1, tile_rows: int | None = None) -> tuple[Scan, Scan]:
    """Sweep both directions; in a single pass when the score matrix is the same (cosine), else in two.

    Args:
        forward: Source → target.
        backward: Target → source.
        top_k: Choices to keep per source row; one per target row.
        tile_rows: Rows of scores held at a time; None takes what was measured to be fast.
    """
    if forward.is_transpose_of(backward):
        return _sweep(forward, backward, top_k, tile_rows)
    return scan(forward, top_k, tile_rows), scan(backward, 1, tile_rows)


def _sweep(forward: Direction, backward: Direction | None, top_k: int, tile_rows: int | None) -> tuple[Scan, Scan | None]:
    fused = find_fused(forward, top_k)
    rows, columns = (fused.scan if fused else scan_strips)(forward, backward, top_k, tile_rows)
    return _repair(forward, rows, tile_rows), backward and _repair(backward, columns, tile_rows)


@torch.inference_mode(False)
@torch.enable_grad()
def warm_up() -> None:
    """Compile what is compiled, so that nobody waits for it: seconds once a machine, then kept on disk."""
    pixels = torch.eye(8).repeat(256, 1)
    forward, backward = make_directions(pixels, pixels, "feature")
    there, back = scan_both_ways(forward, backward)
    softmax_matmul(forward, pixels, there.log_normalizer_R)
    if fused := find_gradients(forward):
        way_back = backward, back.log_normalizer_R, backward.inverse_std_R
        for columns in (way_back, None):
            fused.weigh_gradients(forward, there.log_normalizer_R, forward.inverse_std_R, columns)
    if attention := find_attention(forward):
        leaf = pixels.clone().requires_grad_()
        attention.attend_within(leaf, forward.inverse_std_R, leaf).sum().backward()
    scan_both_ways(*make_directions(pixels.softmax(1), pixels.softmax(1), "prediction"))


def _repair(direction: Direction, result: Scan, tile_rows: int | None) -> Scan:
    """Compute again, with the maximum taken out, the normalisers that overflowed."""
    bad = (~result.log_normalizer_R.isfinite()).nonzero()[:, 0]
    if len(bad) == 0:
        return result
    inverse_std_R, mean_R = direction.inverse_std_R[bad], direction.mean_R[bad]
    parts = [
        ((strip - mean_R[rows, None]) * inverse_std_R[rows, None]).logsumexp(1)
        for rows, strip in iterate_strips(direction.query_RD[bad], direction.key_ND, tile_rows)
    ]
    log_normalizer_R = result.log_normalizer_R.index_copy(0, bad, torch.cat(parts))
    return Scan(result.index_RK, result.score_RK, log_normalizer_R)


@torch.no_grad()
def softmax_matmul(direction: Direction, value_NV: Tensor, log_normalizer_R: Tensor, tile_rows: int | None = None) -> Tensor:
    """``Σ_j p(j|i) value_j`` for every row i: (R, V). Values may have any width."""
    if fused := find_fused(direction):
        return fused.softmax_matmul(direction, value_NV, log_normalizer_R, tile_rows)
    result = value_NV.new_empty(len(direction.query_RD), value_NV.size(1))
    for rows, probability_RN in iterate_weights(direction, log_normalizer_R, tile_rows=tile_rows):
        torch.mm(probability_RN, value_NV, out=result[rows])
    return result
