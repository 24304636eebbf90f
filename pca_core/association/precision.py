"""Exact or fast: what the factors of a product are rounded to, and how far the answers still agree.

``"exact"`` is float32. ``"tf32"`` (10 bits behind the point) and ``"bf16"`` (7 bits) round queries and keys, sums stay float32:
on a GPU the tensor cores then multiply several times as fast. Elsewhere the rounded factors go through the exact pass, which
is no faster but gives the same numbers, so that the agreement can be measured anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pca_core.association.similarity import Direction, Precision
from pca_core.types import Association

_TF32_DROPPED = 13  # of the 23 bits that float32 has behind the point


def round_values(values: Tensor, precision: Precision) -> Tensor:
    """The nearest values that ``precision`` holds, still in the dtype given (float32 at least where it is not exact)."""
    if precision == "exact":
        return values
    if precision == "bf16":
        return values.bfloat16().to(values.dtype)
    bits = values.float().contiguous().view(torch.int32)
    half, kept = 1 << (_TF32_DROPPED - 1), -(1 << _TF32_DROPPED)
    return ((bits + half) & kept).view(torch.float32).to(values.dtype)


def round_directions(forward: Direction, backward: Direction, precision: Precision) -> tuple[Direction, Direction]:
    """Both ways with rounded factors; moments stay those of the exact ones."""
    if precision == "exact":
        return forward, backward
    query_RD, key_ND = (round_values(side, precision) for side in (forward.query_RD, forward.key_ND))
    there = replace(forward, query_RD=query_RD, key_ND=key_ND, precision=precision)
    if forward.is_transpose_of(backward):  # and stays it, so that one product still gives both
        return there, replace(backward, query_RD=key_ND, key_ND=query_RD, precision=precision)
    query_RD, key_ND = (round_values(side, precision) for side in (backward.query_RD, backward.key_ND))
    return there, replace(backward, query_RD=query_RD, key_ND=key_ND, precision=precision)


@dataclass(frozen=True)
class Agreement:
    """How far a fast association says what the exact one says. Shares are 0-1, of all source pixels.

    Attributes:
        match: Same target pixel j*.
        home: Same source pixel i* at the end of the cycle.
        consistent: Same verdict on whether the cycle closes.
        similarity: Largest difference in the similarity of the chosen match.
        probability: Largest difference in ``p(j*|i)``, relative.
    """

    match: float
    home: float
    consistent: float
    similarity: float
    probability: float

    def __str__(self) -> str:
        return (
            f"same j* {self.match:.3%}, same i* {self.home:.3%}, same verdict {self.consistent:.3%}; "
            f"similarity within {self.similarity:.1e}, p(j*|i) within {self.probability:.1%}"
        )


def measure_agreement(exact: Association, fast: Association) -> Agreement:
    """Compare two associations of one pair, e.g. of configs that differ in ``precision`` only."""

    def share(attribute: str) -> float:
        return (getattr(exact, attribute) == getattr(fast, attribute)).double().mean().item()

    return Agreement(
        match=share("target_index"),
        home=share("return_index"),
        consistent=share("is_consistent"),
        similarity=(exact.similarity - fast.similarity).abs().max().item(),
        probability=(fast.forward_prob / exact.forward_prob - 1).abs().max().item(),
    )
