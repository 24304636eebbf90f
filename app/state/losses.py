"""What the Losses page keeps of a pair: its ledger with and without aggregation. Weights and picks cost no new one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.state import cache
from app.state.cache import Pair
from app.state.caching import cached
from pca_core.analysis.loss_ledger import LossLedger, write_ledger
from pca_core.analysis.loss_readings import PICKS, Reach, Reading, measure_reach, read_ledger
from pca_core.association import AssociationConfig
from pca_core.losses import LossWeights
from pca_core.types import Domain, FeaturePair


@dataclass(frozen=True, eq=False)
class LossFindings:
    """Both ledgers of a pair."""

    aggregated: LossLedger
    plain: LossLedger


def get_findings(pair: Pair, alpha: float) -> LossFindings:
    """The ledger with ``alpha`` and without aggregation; both levels of association are in it, whatever the switch says."""
    config = replace(pair.analysis.config, level="feature")
    aggregated, plain = (
        _write(pair.key, replace(config, alpha=one), pair.analysis.pair, pair.checkpoint_path) for one in (alpha, 0.0)
    )
    return LossFindings(aggregated, plain)


@cached(12, "Following every term of the loss back to the pixels …")
def _write(key: str, config: AssociationConfig, _pair: FeaturePair, _path: str) -> LossLedger:
    return write_ledger(_pair, cache.get_checkpoint(_path).model.classify, config)


@dataclass(frozen=True, eq=False)
class LossView:
    """What is looked at: some terms under weights, with aggregation on or off.

    Attributes:
        pick: A key of :data:`~pca_core.analysis.loss_readings.PICKS`.
        is_on: Whether ``now`` is with aggregation.
        weights: Of all terms.
        ledgers, readings: With aggregation and without.
    """

    pick: str
    is_on: bool
    weights: LossWeights
    ledgers: tuple[LossLedger, LossLedger]
    readings: tuple[Reading, Reading]

    @property
    def ledger(self) -> LossLedger:
        return self.ledgers[0 if self.is_on else 1]

    @property
    def now(self) -> Reading:
        return self.readings[0 if self.is_on else 1]

    @property
    def other(self) -> Reading:
        return self.readings[1 if self.is_on else 0]

    @property
    def payer(self) -> Domain:
        """The image whose pixels pay."""
        return self.now.payer

    @property
    def reached(self) -> Domain:
        """The image whose gradient is told: the target, unless none of it gets there."""
        return "target" if any(one.gradient["target"].any() for one in self.readings) else "source"

    def reach(self, reading: Reading) -> Reach:
        """How its gradient spreads, held against the mean without aggregation."""
        return measure_reach(reading.gradient[self.reached], self.readings[1].average(self.reached))


def look(found: LossFindings, pick: str, weights: LossWeights, *, is_on: bool) -> LossView:
    """Read both ledgers for the terms of a pick."""
    ledgers = found.aggregated, found.plain
    first, second = (read_ledger(ledger, weights, PICKS[pick]) for ledger in ledgers)
    return LossView(pick, is_on, weights, ledgers, (first, second))
