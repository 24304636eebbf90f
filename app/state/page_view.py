"""The view of a page for its export; loaded when somebody exports, as the drawing library is."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from app.state import aggregation, features, losses, segmentation
from app.state.aggregation import SpreadFindings
from app.state.cache import Pair
from app.state.features import FeatureFindings
from pca_core.analysis.domain_gap import DomainGap
from pca_core.analysis.embedding import PixelSample
from pca_core.analysis.loss_ledger import LossLedger
from pca_core.analysis.projection import FeatureColours
from pca_core.analysis.segmentation import SegmentedImage
from pca_core.analysis.spreading import AlphaEffect, Reach, WeightMaps, reference_alpha
from pca_core.figures.view import Inference, View


@dataclass(frozen=True, eq=False)
class PageView(View):
    """What the pages keep of the pair is not computed again.

    Attributes:
        kept: The pair as the pages know it.
    """

    kept: Pair = field(kw_only=True)

    @property
    def _alpha(self) -> float:
        return reference_alpha(self.analysis.config)

    @property
    def _spread(self) -> SpreadFindings:
        return aggregation.get_findings(self.kept, self._alpha)

    @cached_property
    def ledgers(self) -> tuple[LossLedger, LossLedger]:
        found = losses.get_findings(self.kept, self._alpha)
        return found.aggregated, found.plain

    @cached_property
    def segmented_plain(self) -> tuple[SegmentedImage, SegmentedImage]:
        return self._segmented("plain")

    @cached_property
    def segmented_aggregated(self) -> tuple[SegmentedImage, SegmentedImage]:
        return self._segmented("aggregated")

    def _segmented(self, inference: Inference) -> tuple[SegmentedImage, SegmentedImage]:
        found = segmentation.get_findings(self.kept, self._alpha)
        return tuple(found[side].by_inference[inference] for side in ("source", "target"))

    @property
    def _features(self) -> FeatureFindings:
        return features.get_findings(self.kept, is_aggregated=self.is_target_aggregated)

    @cached_property
    def colours(self) -> FeatureColours:
        return self._features.colours[self.switches.is_unit]

    @cached_property
    def sample(self) -> PixelSample:
        return self._features.sample

    @cached_property
    def points(self) -> np.ndarray:
        return features.get_map(self._features, self.switches.embedding)

    @cached_property
    def gap(self) -> DomainGap:
        return self._features.gap

    @cached_property
    def effects(self) -> list[AlphaEffect]:
        return aggregation.get_effects(self.kept)

    @cached_property
    def weights(self) -> WeightMaps:
        return self._spread.weights

    @cached_property
    def reaches(self) -> tuple[Reach, Reach]:
        return self._spread.reach_without, self._spread.reach_with
