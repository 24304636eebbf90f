"""The objective: a weighted sum of named terms.

``L = L_ce + 0.75 L_lovász + 0.1 (L_fass + L_cass) + 0.01 (L_lsr^s + L_lsr^t)``. Source: PLCA section 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term of the objective; zero leaves a term out. Defaults are the paper's; the last two are not in it.

    Raises:
        ValueError: On a weight below zero or one that is no number.
    """

    cross_entropy: float = 1.0
    lovasz: float = 0.75
    feature_association: float = 0.1
    prediction_association: float = 0.1
    source_smoothing: float = 0.01
    target_smoothing: float = 0.01
    entropy: float = 1.0
    self_training: float = 1.0

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"Loss weight {name} must be a number from 0, got {getattr(self, name)}. 0 leaves the term out.")


def total_loss(terms: Mapping[str, Tensor], weights: LossWeights | None = None) -> Tensor:
    """Weighted sum of named terms, ``Σ weight · term``; the names are the fields of :class:`LossWeights`.

    Raises:
        ValueError: On an empty mapping or a name that is no term.
    """
    weights = weights or LossWeights()
    known = LossWeights.__dataclass_fields__
    unknown = sorted(set(terms) - set(known))
    if unknown or not terms:
        raise ValueError(f"Loss terms must be one or more of {', '.join(known)}, got {', '.join(unknown) or 'none'}.")
    return sum(getattr(weights, name) * value for name, value in terms.items())
