"""Similarity of pixels, one direction at a time, with the row moments that contrast normalisation needs.

Shape suffixes in this package:
    S  source feature pixels      R  rows of a direction (its querying side)
    T  target feature pixels      N  columns of a direction (its queried side)
    C  feature channels           D  inner dimension: C at feature level, K at prediction level
    K  classes, or top-k choices where said

Both levels become inner products. At feature level ``D(i, j) = <â_i, b̂_j>``. At prediction level
``D(P_i, P_j) = −KL(P_i ‖ P_j) = <P_i, log P_j> − <P_i, log P_i>``, where the last term is constant along the row, so that it
drops out of the argmax, of contrast normalisation and of the softmax; only a similarity shown to a person needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar, get_args

import torch
from torch import Tensor

from pca_core.association.threads import run_in_parts
from pca_core.types import Level

_Prepared = TypeVar("_Prepared")

Precision = Literal["exact", "tf32", "bf16"]
"""What factors are rounded to; see :mod:`pca_core.association.precision`."""

PRECISIONS: tuple[Precision, ...] = get_args(Precision)

LOG2_E = 1.4426950408889634
"""``exp(x) = 2^(x · log₂ e)``."""

LEAST_LENGTH = 1e-12  # of a feature that is not zero
LOG_EPSILON = 1e-10
"""Added to a probability before its logarithm, as in the authors' code."""

MIN_STD = 1e-6
"""Up to this a row of similarities is constant up to float32 rounding: nothing is left of it, see :func:`invert_std`."""


MOMENT_ROWS = 1024
"""Rows that moments are taken over at a time: scratch memory stays in the cache and is not asked of the system anew."""

MOMENT_BLOCKS = 4
"""Bands that a wide covariance is cut into, each computed from the diagonal on: ten blocks of sixteen."""

FEW_THREADS = 4
"""Up to so many, two directions are prepared side by side: products of moments are too small to share out well."""

SIDE_BY_SIDE_FROM = 2**18  # numbers in a map


def to_base_two(values: Tensor) -> Tensor:
    """Exponents or scales of e as those of two, float32."""
    return (values.double() * LOG2_E).float()


def lift(features: Tensor) -> Tensor:
    """Half precision cannot tell near ties apart: float32, or float64 where they are that."""
    return features if features.dtype == torch.float64 else features.float()


@dataclass(frozen=True)
class Direction:
    """Every row pixel looks at every column pixel: ``score = <query, key>``.

    Attributes:
        query_RD, key_ND: Factors of the score matrix, which is never stored.
        mean_R, inverse_std_R: Moments of each row of scores (unbiased), detached. Zero and one without normalisation.
        offset_R: Added to a score gives the similarity itself (zero at feature level, −<P, log P> at prediction level).
        precision: What the factors were rounded to, so that a device may multiply them faster.
    """

    query_RD: Tensor
    key_ND: Tensor
    mean_R: Tensor
    inverse_std_R: Tensor
    offset_R: Tensor
    precision: Precision = "exact"

    def is_transpose_of(self, other: Direction) -> bool:
        """Whether both have the same score matrix, one's rows being the other's columns."""
        # Same memory, not same object: detached views of one tensor are the same factors too.
        return self.query_RD.is_set_to(other.key_ND) and self.key_ND.is_set_to(other.query_RD)

    def detach(self) -> Direction:
        return replace(self, query_RD=self.query_RD.detach(), key_ND=self.key_ND.detach())


def flatten_pixels(map_CHW: Tensor) -> Tensor:
    """(C, h, w) → (h·w, C), contiguous; the inverse of the layout that convolutions use."""
    return map_CHW.flatten(1).T.contiguous()


def unit_pixels(map_CHW: Tensor) -> Tensor:
    """The pixels of a map as rows of unit length, (C, h, w) → (h·w, C); without a graph, and but one new tensor."""
    rows_RC = flatten_pixels(map_CHW)
    has_graph = rows_RC.requires_grad and torch.is_grad_enabled()
    if has_graph or rows_RC.data_ptr() == map_CHW.data_ptr():  # the map lies in memory as its rows do
        return normalise_rows(rows_RC)
    return torch.div(rows_RC, _lengths(rows_RC), out=rows_RC)


def normalise_rows(rows_RC: Tensor) -> Tensor:
    """Scale each row to unit length: ``â = a / ‖a‖``; an all-zero row stays zero, and takes no gradient: it has no direction."""
    return rows_RC / _lengths(rows_RC)


def _lengths(rows_RC: Tensor) -> Tensor:
    """(R, 1); infinite for a row of zeros, whose gradient would else be a million millions."""
    length_R1 = torch.linalg.vector_norm(rows_RC, dim=1, keepdim=True)
    return length_R1.masked_fill(length_R1 <= LEAST_LENGTH, torch.inf)


def safe_log(probabilities: Tensor) -> Tensor:
    """``log(p + 1e-10)``: finite also where a probability is exactly zero."""
    return (probabilities + LOG_EPSILON).log()


@torch.no_grad()
def row_moments(query_RD: Tensor, key_ND: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and inverse standard deviation of each row of ``query · keyᵀ``, without forming it.

    ``μ_i = <q_i, mean(k)>`` and ``σ_i² = q_iᵀ Σ q_i`` with the centred, unbiased covariance ``Σ`` of the keys: no
    cancellation, never negative. Costs 5/8 N·D², once.

    Args:
        query_RD: (R, D).
        key_ND: (N, D).

    Returns:
        mean (R,) and 1/σ (R,), zero for a constant row, as that of a single column is.

    Source: contrast normalisation, PLCA section 3.2; μ and σ carry no gradient.
    """
    center_D, width = key_ND.mean(0), key_ND.size(1)
    covariance_DD = key_ND.new_zeros(width, width)
    step = width // MOMENT_BLOCKS if width >= 32 * MOMENT_BLOCKS else width
    bands = [slice(start, min(start + step, width)) for start in range(0, width, max(step, 1))]
    for keys in key_ND.split(MOMENT_ROWS):  # symmetric: what lies left of the diagonal is left out, and its mirror counted twice
        centered = keys - center_D
        for band in bands:
            covariance_DD[band, band.start :].addmm_(centered[:, band].T, centered[:, band.start :])
    covariance_DD /= max(len(key_ND) - 1, 1)
    for band in bands:
        covariance_DD[band, band.stop :] *= 2
    variances = []
    for queries in query_RD.split(MOMENT_ROWS):
        product = torch.zeros_like(queries)
        for band in bands:
            product[:, band.start :].addmm_(queries[:, band], covariance_DD[band, band.start :])
        variances.append(torch.linalg.vecdot(product, queries))
    return query_RD @ center_D, invert_std(torch.cat(variances))


def invert_std(variance: Tensor) -> Tensor:
    """``1/σ``; zero up to :data:`MIN_STD`, so that a constant row is one of zeros, not of rounding a million times as large."""
    return variance.rsqrt().masked_fill(variance <= MIN_STD**2, 0.0)


def make_direction(query_RD: Tensor, key_ND: Tensor, offset_R: Tensor | None = None, *, normalise: bool = True) -> Direction:
    """Pair a query with its keys and take the moments (or leave scores as they are when ``normalise`` is off)."""
    zero_R = query_RD.new_zeros(len(query_RD))
    mean_R, inverse_std_R = row_moments(query_RD.detach(), key_ND.detach()) if normalise else (zero_R, torch.ones_like(zero_R))
    return Direction(query_RD, key_ND, mean_R, inverse_std_R, zero_R if offset_R is None else offset_R)


def make_directions(
    source_SC: Tensor, target_TC: Tensor, level: Level, *, contrast_normalisation: bool = True
) -> tuple[Direction, Direction]:
    """Return the way there (source → target) and the way back (target → source).

    Args:
        source_SC, target_TC: Features, or probabilities at ``level="prediction"``.
        level: ``"feature"``: cosine, the same product both ways. ``"prediction"``: −KL, which is not symmetric: the way back
            is ``−KL(P_j ‖ P_i)``.
        contrast_normalisation: Off leaves raw scores in the softmax.
    """
    if level == "feature":
        return _pair_up(normalise_rows(source_SC), normalise_rows(target_TC), contrast_normalisation)
    log_source_SK, log_target_TK = safe_log(source_SC), safe_log(target_TC)
    return _prepare(
        lambda: make_direction(source_SC, log_target_TK, _negentropy(source_SC, log_source_SK), normalise=contrast_normalisation),
        lambda: make_direction(target_TC, log_source_SK, _negentropy(target_TC, log_target_TK), normalise=contrast_normalisation),
        source_SC,
    )


def _pair_up(source_SC: Tensor, target_TC: Tensor, contrast_normalisation: bool) -> tuple[Direction, Direction]:
    """Both ways of unit rows."""
    return _prepare(
        lambda: make_direction(source_SC, target_TC, normalise=contrast_normalisation),
        lambda: make_direction(target_TC, source_SC, normalise=contrast_normalisation),
        source_SC,
    )


def _prepare(one: Callable[[], _Prepared], other: Callable[[], _Prepared], example: Tensor) -> tuple[_Prepared, _Prepared]:
    """Both results; on few cores the two are computed side by side."""
    jobs, done = (one, other), {}

    def work(_: int, mine: slice) -> None:
        for number in range(*mine.indices(2)):
            done[number] = jobs[number]()

    is_worth_it = example.device.type == "cpu" and example.numel() >= SIDE_BY_SIDE_FROM
    if is_worth_it and torch.get_num_threads() <= FEW_THREADS:
        run_in_parts(work, 2)
    else:
        work(0, slice(2))
    return done[0], done[1]


def make_map_directions(
    source_CHW: Tensor, target_CHW: Tensor, level: Level, *, contrast_normalisation: bool = True
) -> tuple[Direction, Direction]:
    """:func:`make_directions` of two maps (C, h, w) and (C, h', w')."""
    if level == "feature":
        units = _prepare(lambda: unit_pixels(source_CHW), lambda: unit_pixels(target_CHW), source_CHW)
        return _pair_up(*units, contrast_normalisation)
    source_SC, target_TC = flatten_pixels(source_CHW), flatten_pixels(target_CHW)
    return make_directions(source_SC, target_TC, level, contrast_normalisation=contrast_normalisation)


def _negentropy(probabilities_RK: Tensor, log_RK: Tensor) -> Tensor:
    return -(probabilities_RK * log_RK).sum(1).detach()
