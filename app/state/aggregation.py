"""What the Aggregation page keeps of a pair."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from app.state import cache, session
from app.state.cache import Pair
from pca_core.analysis.spreading import (
    ALPHAS,
    AlphaEffect,
    Reach,
    WeightMaps,
    alpha_effects,
    flip_map,
    map_weights,
    measure_reach,
)
from pca_core.association import AssociationConfig, PairAnalysis
from pca_core.inference import aggregate_prediction


@dataclass(frozen=True, eq=False)
class SpreadFindings:
    """Everything that no click changes.

    Attributes:
        weights: Of all target pixels; the same for every α.
        effects: One per α of :data:`~pca_core.analysis.spreading.ALPHAS`, and ``effect`` for the α shown.
        flips: (h, w) bool.
        reach_without, reach_with: Without aggregation and with the α shown.
        classes: (h', w') uint8, prediction of aggregated inference; ``changed`` is the share of pixels that it changes.
    """

    weights: WeightMaps
    effects: list[AlphaEffect]
    effect: AlphaEffect
    flips: np.ndarray
    reach_without: Reach
    reach_with: Reach
    classes: np.ndarray
    changed: float


def get_findings(pair: Pair, alpha: float) -> SpreadFindings:
    """What aggregation with ``alpha`` does to the pair."""
    config = replace(pair.analysis.config, alpha=0.0)
    weights, effects, without = _find_always(pair.key, config, pair.analysis)
    return _find(pair.key, config, alpha, pair.analysis, weights, effects, without, session.get_checkpoint_path())


@st.cache_resource(max_entries=6, show_spinner="Weighing every target pixel against every other …")
def _find_always(key: str, config: AssociationConfig, _analysis: PairAnalysis) -> tuple[WeightMaps, list[AlphaEffect], Reach]:
    return map_weights(_analysis), alpha_effects(_analysis, ALPHAS), measure_reach(_analysis, 0.0)


@st.cache_resource(max_entries=12, show_spinner="Following the gradient to every target pixel …")
def _find(
    key: str, config: AssociationConfig, alpha: float, _analysis: PairAnalysis, _weights, _effects, _without, _path: str
) -> SpreadFindings:
    pair = _analysis.pair
    classes = aggregate_prediction(cache.get_checkpoint(_path), pair.target_features, alpha).argmax(0)
    return SpreadFindings(
        _weights,
        _effects,
        alpha_effects(_analysis, (alpha,))[0],
        flip_map(_analysis, alpha),
        _without,
        measure_reach(_analysis, alpha),
        classes.cpu().numpy().astype(np.uint8),
        (classes != pair.target_prediction).double().mean().item(),
    )
