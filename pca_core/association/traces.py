"""What there is to say about one pixel: plain numbers and CPU arrays, ready to draw, to print and to save."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pca_core.types import Domain, Level

Verdict = Literal["consistent", "inconsistent", "unlabelled"]
StageName = Literal["cosine", "normalised", "aggregated", "prediction"]


@dataclass(frozen=True)
class Candidate:
    """One pixel as another one sees it.

    Attributes:
        index, row, column: Place in its feature map.
        similarity: Cosine, or −KL in nats.
        normalised: Contrast-normalised score, in standard deviations of the row.
        probability: Softmax of the normalised row, 0-1.
        times_uniform: The probability as a multiple of 1/N.
        label: Class index by the labels; None when unlabelled or unknown.
        predicted: Class index by the model; None when unknown.
    """

    index: int
    row: int
    column: int
    similarity: float
    normalised: float
    probability: float
    times_uniform: float
    label: int | None
    predicted: int | None


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


@dataclass(frozen=True)
class PixelTrace:
    """The whole story of one source pixel: i → j* → i*.

    Attributes:
        index, row, column: The pixel i.
        label, predicted: Its own class; None when unlabelled / unknown.
        level, alpha: What similarity was used.
        candidates: The most similar target pixels, best first.
        match: j*; among the candidates, or the first of them when no candidate closes the cycle.
        margin: Similarity of the first less the second candidate.
        returns: The source pixels most similar to j*, best first; the first one is i*.
        verdict: How the cycle ends.
        soft_cycle: P(return to the own class) of a random walk there and back, 0-1; None when unlabelled.
        rivals: Source pixels (flat indices) that are associated with the same j*, this one left out.
        similarity_map: (h', w') float32, similarity to every target pixel.
        probability_map: (h', w') float32, p(j|i) as a multiple of uniform.
        return_map: (h, w) float32, similarity of j* to every source pixel.
        aggregation_map: (h', w') float32, weights with which j* borrows from the target pixels, sum 1; zeros but for a one at j*
            when α = 0.
        stages: The ladder.
    """

    index: int
    row: int
    column: int
    label: int | None
    predicted: int | None
    level: Level
    alpha: float
    candidates: tuple[Candidate, ...]
    match: Candidate
    margin: float
    returns: tuple[Candidate, ...]
    verdict: Verdict
    soft_cycle: float | None
    rivals: tuple[int, ...]
    similarity_map: np.ndarray
    probability_map: np.ndarray
    return_map: np.ndarray
    aggregation_map: np.ndarray
    stages: tuple[Stage, ...]
    side: Domain = "source"

    @property
    def way_back(self) -> Candidate:
        """i*, where the cycle ends."""
        return self.returns[0]


@dataclass(frozen=True)
class Claim:
    """A source pixel that is associated with the target pixel in question; ``verdict`` is how its cycle ends."""

    source: Candidate
    verdict: Verdict


@dataclass(frozen=True)
class TargetTrace:
    """The whole story of one target pixel: who claims it, and where it would lead back to.

    Attributes:
        index, row, column: The pixel j.
        label, predicted: Its class; None when unlabelled / unknown.
        level, alpha: What similarity was used.
        claims: Every source pixel associated with it, most similar first. ``source.probability`` is p(j|i), a share of the
            claiming pixel's row.
        returns: The source pixels that it is most similar to, best first.
        similarity_map: (h, w) float32, its similarity to every source pixel.
        aggregation_map: (h', w') float32, weights with which it borrows from the target pixels, sum 1.
    """

    index: int
    row: int
    column: int
    label: int | None
    predicted: int | None
    level: Level
    alpha: float
    claims: tuple[Claim, ...]
    returns: tuple[Candidate, ...]
    similarity_map: np.ndarray
    aggregation_map: np.ndarray
    side: Domain = "target"

    @property
    def num_consistent(self) -> int:
        return sum(claim.verdict == "consistent" for claim in self.claims)
