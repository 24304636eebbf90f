"""What is taken from each strip of scores before the next one overwrites it: group maxima, softmax sums, best rows of columns.

Two ways to the same numbers: plain torch, on any device and dtype, and one fused pass on the CPU
(:mod:`pca_core.association.fused`), chosen when it can run and pays.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from pca_core.association.similarity import Direction

GROUP = 64  # columns whose maximum is taken together; column c belongs to group c modulo the number of groups
FUSED_FROM = 2**21  # scores from which the fused pass repays the loading of its compiler


class Epilogue(Protocol):
    """Takes strips as they pass by, and tells the column side at the end."""

    def add(self, rows: slice, strip: Tensor) -> tuple[Tensor, Tensor]:
        """(group maxima (R, G), softmax sums (R,)) of a strip (R, padded N)."""

    def columns(self) -> tuple[Tensor, Tensor, Tensor]:
        """(best row (N,), its score (N,), softmax sum (N,)) of every column."""


class TorchEpilogue:
    """Plain torch. ``backward`` None leaves the columns alone."""

    def __init__(self, forward: Direction, backward: Direction | None) -> None:
        self._forward, self._backward = forward, backward
        self._work: Tensor | None = None
        if backward is not None:
            self._score_N = torch.full_like(backward.mean_R, -torch.inf)
            self._index_N = torch.zeros(len(backward.mean_R), dtype=torch.long, device=backward.mean_R.device)
            self._sum_N = torch.zeros_like(backward.mean_R)

    def add(self, rows: slice, strip: Tensor) -> tuple[Tensor, Tensor]:
        if self._work is None:
            self._work = torch.empty_like(strip)
        work = torch.sub(strip, self._forward.mean_R[rows, None], out=self._work[: len(strip)])
        sum_R = work.mul_(self._forward.inverse_std_R[rows, None]).exp_().sum(1)
        if self._backward is not None:
            self._add_columns(rows, strip[:, : len(self._score_N)])
        return strip.unflatten(1, (GROUP, -1)).amax(1), sum_R

    def _add_columns(self, rows: slice, strip: Tensor) -> None:
        # Fewer and fewer columns improve from strip to strip, so the row is looked up only for those that do.
        improved = (strip.amax(0) > self._score_N).nonzero()[:, 0]
        self._score_N[improved], row = strip.index_select(1, improved).max(0)
        self._index_N[improved] = row + rows.start
        work = torch.sub(strip, self._backward.mean_R, out=self._work[: len(strip), : len(self._score_N)])
        self._sum_N += work.mul_(self._backward.inverse_std_R).exp_().sum(0)

    def columns(self) -> tuple[Tensor, Tensor, Tensor]:
        return self._index_N, self._score_N, self._sum_N


def make_epilogue(forward: Direction, backward: Direction | None, padded: int) -> Epilogue:
    """The fused pass where it can run and pays, else plain torch. ``padded`` is the width of the strips."""
    scores = len(forward.query_RD) * len(forward.key_ND)
    if scores >= FUSED_FROM and forward.query_RD.device.type == "cpu" and forward.query_RD.dtype == torch.float32:
        try:
            from pca_core.association.fused import FusedEpilogue
        except (
            ImportError,
            RuntimeError,
        ):  # no numba for this Python, or nowhere to keep what it compiles: slower, not different
            return TorchEpilogue(forward, backward)
        return FusedEpilogue(forward, backward, padded)
    return TorchEpilogue(forward, backward)
