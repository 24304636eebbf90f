"""What is being looked at: the pair, the net, the pinned pixel and the switches that figures depend on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np

from pca_core.analysis.domain_gap import DomainGap, measure_gap
from pca_core.analysis.embedding import Method, PixelSample, embed, sample_pixels
from pca_core.analysis.loss_ledger import LossLedger, write_ledger
from pca_core.analysis.loss_readings import PICKS
from pca_core.analysis.pairs import Flow, PairFilter, PixelPairs, list_pairs
from pca_core.analysis.projection import FeatureColours, aggregate_target, colour_features
from pca_core.analysis.segmentation import SegmentedImage, describe_segmentation
from pca_core.analysis.spreading import (
    AlphaEffect,
    Loan,
    Reach,
    WeightMaps,
    alpha_effects,
    describe_loan,
    map_weights,
    measure_reach,
    reference_alpha,
)
from pca_core.association import PairAnalysis
from pca_core.inference import aggregate_prediction
from pca_core.losses.objective import LossWeights
from pca_core.models import Checkpoint
from pca_core.types import Domain, FeaturePair, LabelSpace, Sample

LineColour = Literal["verdict", "class"]
Inference = Literal["plain", "aggregated"]


@dataclass(frozen=True)
class Switches:
    """What a page lets people choose beside the association's config; each has the page's own default.

    Attributes:
        lines: Pairs drawn at most.
        line_colour: What the colour of a line means.
        keep: Pairs drawn and counted.
        flow: Class that a pair leads to in the flow matrix.
        inference: Plain, or with features and predictions aggregated.
        embedding: Map of sampled pixels.
        is_unit: Feature colours of unit features, without their length.
        is_target_aggregated: Features as association sees them.
        loss: Terms of the objective that are looked at, a key of :data:`~pca_core.analysis.loss_readings.PICKS`.
        weights: Of the terms of the objective.

    Raises:
        ValueError: On a loss that is no such key.
    """

    lines: int = 1000
    line_colour: LineColour = "verdict"
    keep: PairFilter = field(default_factory=PairFilter)
    flow: Flow = "cycle"
    inference: Inference = "plain"
    embedding: Method = "pca"
    is_unit: bool = True
    is_target_aggregated: bool = False
    loss: str = "all"
    weights: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        if self.loss not in PICKS:
            raise ValueError(f"loss must be one of {', '.join(PICKS)}, got {self.loss[:40]!r}.")


@dataclass(frozen=True, eq=False)
class View:
    """All that a figure may show; what several figures start from is computed once and kept.

    Attributes:
        analysis: The pair, associated under its config.
        source, target: The images with what is known of their labels.
        checkpoint: The net that saw them.
        pixel: Side and flat index of the pixel in question.
        switches: See :class:`Switches`.
        pooling: Of the pair, see :func:`pca_core.inference.make_pair`.
    """

    analysis: PairAnalysis
    source: Sample
    target: Sample
    checkpoint: Checkpoint
    pixel: tuple[Domain, int]
    switches: Switches = field(default_factory=Switches)
    pooling: int = 1

    @property
    def label_space(self) -> LabelSpace:
        return self.checkpoint.label_space

    @cached_property
    def pairs(self) -> PixelPairs:
        """The pixel pairs that pass the filter."""
        return list_pairs(self.analysis, self.switches.keep)

    @property
    def segmented(self) -> tuple[SegmentedImage, SegmentedImage]:
        """Source and target by the inference in question."""
        return self.segmented_plain if self.switches.inference == "plain" else self.segmented_aggregated

    @cached_property
    def segmented_plain(self) -> tuple[SegmentedImage, SegmentedImage]:
        """Source and target by plain inference."""
        return self._segment("plain")

    @cached_property
    def segmented_aggregated(self) -> tuple[SegmentedImage, SegmentedImage]:
        """Source and target with features and predictions aggregated."""
        return self._segment("aggregated")

    def _segment(self, inference: Inference) -> tuple[SegmentedImage, SegmentedImage]:
        pair, alpha = self.analysis.pair, reference_alpha(self.analysis.config)
        found = []
        for sample, features, plain in (
            (self.source, pair.source_features, pair.source_probabilities),
            (self.target, pair.target_features, pair.target_probabilities),
        ):
            probabilities = plain if inference == "plain" else aggregate_prediction(self.checkpoint, features, alpha)
            found.append(describe_segmentation(probabilities, sample.image.shape[:2], sample.label))
        return found[0], found[1]

    @cached_property
    def ledgers(self) -> tuple[LossLedger, LossLedger]:
        """Every term of the loss with aggregation and without; both levels of association are in it."""
        config = replace(self.analysis.config, level="feature")
        alphas = reference_alpha(config), 0.0
        classify = self.checkpoint.model.classify
        first, second = (write_ledger(self.analysis.pair, classify, replace(config, alpha=alpha)) for alpha in alphas)
        return first, second

    @cached_property
    def weights(self) -> WeightMaps:
        """What all target pixels borrow; α plays no part."""
        return map_weights(self.analysis)

    @cached_property
    def reaches(self) -> tuple[Reach, Reach]:
        """How far the association loss reaches without aggregation and with."""
        return measure_reach(self.analysis, 0.0), measure_reach(self.analysis, reference_alpha(self.analysis.config))

    @cached_property
    def effects(self) -> list[AlphaEffect]:
        """What the association comes to under each of :data:`~pca_core.analysis.spreading.ALPHAS`."""
        return alpha_effects(self.analysis)

    @cached_property
    def loan(self) -> Loan:
        """What the target pixel in question borrows."""
        return describe_loan(self.analysis, self.target_pixel)

    @property
    def is_target_aggregated(self) -> bool:
        """Whether features are looked at as association sees them; without aggregation that is no difference."""
        return self.switches.is_target_aggregated and self.analysis.config.alpha > 0

    @cached_property
    def features(self) -> FeaturePair:
        """The pair with the features in question."""
        pair = self.analysis.pair
        return aggregate_target(pair, self.analysis.config) if self.is_target_aggregated else pair

    @cached_property
    def colours(self) -> FeatureColours:
        """The features in question as colours."""
        return colour_features(self.features, is_unit=self.switches.is_unit)

    @cached_property
    def sample(self) -> PixelSample:
        """Pixels of both images, for the map and the gap."""
        return sample_pixels(self.features)

    @cached_property
    def points(self) -> np.ndarray:
        """(M, 2) float32, the sampled pixels on a plane; see :func:`~pca_core.analysis.embedding.embed`."""
        return embed(self.sample, self.switches.embedding)

    @cached_property
    def gap(self) -> DomainGap:
        """How far the domains lie apart."""
        return measure_gap(self.features, self.sample, self.label_space.num_classes)

    @property
    def target_pixel(self) -> int:
        """The pixel in question, or the one that it is associated with."""
        side, index = self.pixel
        return index if side == "target" else int(self.analysis.association.target_index[index])

    def describe_config(self) -> str:
        """The config in a few words, for captions."""
        config = self.analysis.config
        parts = [f"{config.level.capitalize()} level", f"α = {config.alpha:g}" if config.alpha else "no aggregation"]
        parts += [f"{self.pooling} × {self.pooling} feature pixels averaged"] * (self.pooling > 1)
        parts += ["mutual only"] * config.mutual + [f"k = {config.top_k}"] * (config.top_k > 1)
        return ", ".join(parts)
