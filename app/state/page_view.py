"""The view of a page for its export; loaded when somebody exports, as the drawing library is."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from app.state import aggregation, losses, segmentation
from app.state.aggregation import SpreadFindings
from app.state.cache import Pair
from pca_core.analysis.loss_ledger import LossLedger
from pca_core.analysis.segmentation import SegmentedImage
from pca_core.analysis.spreading import Reach, WeightMaps, reference_alpha
from pca_core.figures.view import View


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
    def segmented(self) -> tuple[SegmentedImage, SegmentedImage]:
        found = segmentation.get_findings(self.kept, self._alpha)
        return tuple(found[side].by_inference[self.switches.inference] for side in ("source", "target"))

    @cached_property
    def weights(self) -> WeightMaps:
        return self._spread.weights

    @cached_property
    def reaches(self) -> tuple[Reach, Reach]:
        return self._spread.reach_without, self._spread.reach_with
