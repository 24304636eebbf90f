"""What there is to say about one pixel: plain numbers and CPU arrays, ready to draw, to print and to save."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pca_core.types import Domain, Level

Verdict = Literal["consistent", "inconsistent", "unlabelled", "not_mutual"]
"""How a cycle ends; ``not_mutual``: on the own class but not on the pixel itself, which mutual association asks for."""
StageName = Literal["cosine", "normalised", "aggregated", "prediction"]


@dataclass(frozen=True, kw_only=True)
class Pixel:
    """One feature pixel.

    Attributes:
        index, row, column: Place in its feature map; the index is flat and row-major.
        label: Class index by the labels; None when unlabelled or unknown.
        predicted: Class index by the model; None when unknown.
    """

    index: int
    row: int
    column: int
    label: int | None
    predicted: int | None


@dataclass(frozen=True, kw_only=True)
class Candidate(Pixel):
    """One pixel as another one sees it.

    Attributes:
        similarity: Cosine, or −KL in nats.
        normalised: Contrast-normalised score, in standard deviations of the row.
        probability: Softmax of the normalised row, 0-1.
        times_uniform: The probability as a multiple of 1/N.
    """

    similarity: float
    normalised: float
    probability: float
    times_uniform: float


@dataclass(frozen=True)
class Stage:
    """One rung of the ladder: which target pixel a variant of the similarity picks, and how its cycle ends.

    Attributes:
        name: ``cosine`` (raw features), ``normalised`` (the same scores in standard deviations: it moves probabilities, never
            the match), ``aggregated`` (features after spatial aggregation), ``prediction`` (−KL of aggregated predictions).
        alpha: Of the aggregation before it, 0 where there is none. Every rung takes its first choice, whatever k is.
        match: The picked target pixel.
        margin: Similarity of the first less the second choice.
        way_back: The source pixel it comes back to.
        verdict: How the cycle ends.
        is_flip: The match differs from the stage before.
    """

    name: StageName
    alpha: float
    match: Candidate
    margin: float
    way_back: Candidate
    verdict: Verdict
    is_flip: bool


@dataclass(frozen=True, kw_only=True)
class Trace(Pixel):
    """What the stories of both sides share; the pixel itself is the one in question.

    Attributes:
        side: Where the pixel lies.
        level, alpha: What similarity was used.
        returns: The source pixels most similar to the target pixel of the story, best first.
        aggregation_map: (h', w') float32, weights with which that target pixel borrows from the target pixels, sum 1; zeros but
            for a one at the pixel itself when α = 0.
    """

    side: Domain
    level: Level
    alpha: float
    returns: tuple[Candidate, ...]
    aggregation_map: np.ndarray

    @property
    def way_back(self) -> Candidate:
        """The source pixel where the way back ends."""
        return self.returns[0]

    @property
    def aggregation_times_uniform(self) -> np.ndarray:
        """(h', w') the weights as multiples of uniform, 1/T."""
        return self.aggregation_map * self.aggregation_map.size


@dataclass(frozen=True, kw_only=True)
class PixelTrace(Trace):
    """The whole story of one source pixel: i → j* → i*.

    Attributes:
        candidates: The most similar target pixels, best first.
        match: j*; among the candidates, or the first of them when no candidate closes the cycle.
        margin: Similarity of the first less the second candidate.
        verdict: How the cycle ends.
        soft_cycle: P(return to the own class) of a random walk there and back, 0-1; None when unlabelled or not asked for.
        rivals: Source pixels (flat indices) that are associated with the same j*, this one left out.
        similarity_map: (h', w') float32, similarity to every target pixel.
        probability_map: (h', w') float32, p(j|i) as a multiple of uniform.
        return_map: (h, w) float32, similarity of j* to every source pixel.
        stages: The ladder.
    """

    candidates: tuple[Candidate, ...]
    match: Candidate
    margin: float
    verdict: Verdict
    soft_cycle: float | None
    rivals: tuple[int, ...]
    similarity_map: np.ndarray
    probability_map: np.ndarray
    return_map: np.ndarray
    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class Claim:
    """A source pixel that is associated with the target pixel in question; ``verdict`` is how its cycle ends."""

    source: Candidate
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class TargetTrace(Trace):
    """The whole story of one target pixel: who claims it, and where it would lead back to.

    Attributes:
        claims: Every source pixel associated with it, most similar first. ``source.probability`` is p(j|i), a share of the
            claiming pixel's row.
        similarity_map: (h, w) float32, its similarity to every source pixel.
    """

    claims: tuple[Claim, ...]
    similarity_map: np.ndarray

    @property
    def num_consistent(self) -> int:
        return sum(claim.verdict == "consistent" for claim in self.claims)
