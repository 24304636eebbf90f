"""What the Aggregation page keeps of a pair."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from app.state import segmentation
from app.state.cache import Pair
from app.state.caching import cached
from pca_core.analysis.spreading import (
    ALPHAS,
    AlphaEffect,
    Reach,
    WeightMaps,
    alpha_effects,
    flip_map,
    map_weights,
    measure_reach,
    with_alpha,
)
from pca_core.association import AssociationConfig, PairAnalysis


@dataclass(frozen=True, eq=False)
class SpreadFindings:
    """Everything that no click changes.

    Attributes:
        weights: Of all target pixels; the same for every α.
        effect_without, effect: Without aggregation and for the α shown.
        flips: (h, w) bool.
        reach_without, reach_with: Without aggregation and with the α shown.
        classes: (h', w') uint8, prediction of aggregated inference.
        changed: Share of the pixels of the target image that it gives another class, 0-1.
        miou, miou_without: Of the target image, aggregated and plain, in points; None without labels.
    """

    weights: WeightMaps
    effect_without: AlphaEffect
    effect: AlphaEffect
    flips: np.ndarray
    reach_without: Reach
    reach_with: Reach
    classes: np.ndarray
    changed: float
    miou: float | None
    miou_without: float | None


@dataclass(frozen=True, eq=False)
class _Always:
    """What no α changes: the pair without aggregation, its numbers, its reach; and the weights."""

    plain: PairAnalysis
    effect: AlphaEffect
    reach: Reach
    weights: WeightMaps


def get_findings(pair: Pair, alpha: float) -> SpreadFindings:
    """What aggregation with ``alpha`` does to the pair."""
    config = _plain_config(pair)
    return _find(pair.key, config, alpha, pair, _find_always(pair.key, config, pair.analysis))


def get_effects(pair: Pair) -> list[AlphaEffect]:
    """One per α of :data:`~pca_core.analysis.spreading.ALPHAS`: a sweep each."""
    config = _plain_config(pair)
    return _find_effects(pair.key, config, pair.analysis, _find_always(pair.key, config, pair.analysis))


def _plain_config(pair: Pair) -> AssociationConfig:
    return replace(pair.analysis.config, alpha=0.0)


@cached(12, "Associating the pair under every α …")
def _find_effects(key: str, config: AssociationConfig, _analysis: PairAnalysis, _always: _Always) -> list[AlphaEffect]:
    return alpha_effects(_analysis, ALPHAS, _always.plain)


@cached(6, "Weighing every target pixel against every other …")
def _find_always(key: str, config: AssociationConfig, _analysis: PairAnalysis) -> _Always:
    plain = with_alpha(_analysis, 0.0)
    return _Always(plain, alpha_effects(plain, (0.0,), plain)[0], measure_reach(plain, 0.0), map_weights(plain))


@cached(12, "Following the gradient to every target pixel …")
def _find(key: str, config: AssociationConfig, alpha: float, _pair: Pair, _always: _Always) -> SpreadFindings:
    analysis = with_alpha(_pair.analysis, alpha)
    segmented = segmentation.get_side(_pair, "target", alpha)
    plain, aggregated = (segmented.by_inference[name] for name in ("plain", "aggregated"))
    return SpreadFindings(
        _always.weights,
        _always.effect,
        alpha_effects(analysis, (alpha,), _always.plain)[0],
        flip_map(analysis, _always.plain),
        _always.reach,
        measure_reach(analysis, alpha),
        aggregated.probabilities.argmax(0).cpu().numpy().astype(np.uint8),
        segmented.change.changed_share,
        None if aggregated.score is None else aggregated.score.miou,
        None if plain.score is None else plain.score.miou,
    )
