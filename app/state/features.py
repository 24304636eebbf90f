"""What the Features page keeps: colours, the sampled pixels, their map, the gap; and which pixels a person has selected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from app.components.linked_images import RegionEvent
from app.state.cache import Pair
from app.state.caching import cached
from pca_core.analysis.domain_gap import DomainGap, measure_gap
from pca_core.analysis.embedding import Method, PixelSample, embed, sample_pixels
from pca_core.analysis.projection import FeatureColours, aggregate_target, colour_features
from pca_core.association import AssociationConfig, PairAnalysis

MAP = "feature_map"
_SELECTED = "feature_selected"
_MAP_NUMBER = "feature_map_number"


@dataclass(frozen=True, eq=False)
class FeatureFindings:
    """What no click changes.

    Attributes:
        key: Of the features that were looked at: those of the pair, or with the target aggregated.
        colours: By whether features were brought to unit length.
        sample: The same pixels whether the target is aggregated or not.
    """

    key: str
    colours: dict[bool, FeatureColours]
    sample: PixelSample
    gap: DomainGap


def get_findings(pair: Pair, *, is_aggregated: bool = False) -> FeatureFindings:
    """Of the features as the net gives them, or with the target aggregated by the α of the config."""
    config = pair.analysis.config
    alpha = config.alpha if is_aggregated else 0.0
    kept = AssociationConfig(alpha=alpha, contrast_normalisation=config.contrast_normalisation)
    return _find(pair.key, kept, pair.label_space.num_classes, pair.analysis)


@cached(12, "Measuring how far the domains lie apart …")
def _find(key: str, config: AssociationConfig, num_classes: int, _analysis: PairAnalysis) -> FeatureFindings:
    pair = _analysis.pair if config.alpha == 0 else aggregate_target(_analysis.pair, config)
    sample = sample_pixels(pair)
    colours = {is_unit: colour_features(pair, is_unit=is_unit) for is_unit in (True, False)}
    return FeatureFindings(f"{key} {config.alpha:g}", colours, sample, measure_gap(pair, sample, num_classes))


def get_map(found: FeatureFindings, method: Method) -> np.ndarray:
    """(M, 2) coordinates of the sampled pixels."""
    return _embed(found.key, method, found.sample)


@cached(18, "Laying out the map …")
def _embed(key: str, method: Method, _sample: PixelSample) -> np.ndarray:
    return embed(_sample, method)


def keep_region(pair: Pair, sample: PixelSample, event: RegionEvent) -> None:
    """Select the sampled pixels inside the rectangle that was drawn on an image, in place of those selected on the map."""
    _keep(pair, np.flatnonzero(_inside(event, pair, sample)))
    _renew_map()


def keep_map_selection(pair: Pair, sample: PixelSample, chart: str) -> None:
    """Select what was drawn round on the map, in place of a rectangle on an image."""
    points = (st.session_state.get(chart) or {"selection": {"points": []}})["selection"]["points"]
    places = [int(point["customdata"][0]) for point in points if "customdata" in point]
    _keep(pair, np.array([place for place in places if 0 <= place < len(sample)], int))


def clear_selection() -> None:
    """Select nothing, on the map neither."""
    st.session_state.pop(_SELECTED, None)
    _renew_map()


def name_map(found: FeatureFindings, *drawn: str) -> str:
    """Key of the chart; other features or another drawing are another chart, as an outline on it would lie elsewhere."""
    return " ".join((MAP, found.key, *drawn, str(st.session_state.get(_MAP_NUMBER, 0))))


def get_selection(pair: Pair, sample: PixelSample) -> np.ndarray:
    """(M,) bool, the sampled pixels that were selected on this pair, by rectangle or on the map."""
    key, places = st.session_state.get(_SELECTED, (pair.key, []))
    selected = np.zeros(len(sample), bool)
    if key == pair.key:
        selected[places] = True
    return selected


def _keep(pair: Pair, places: np.ndarray) -> None:
    st.session_state[_SELECTED] = (pair.key, places)


def _inside(event: RegionEvent, pair: Pair, sample: PixelSample) -> np.ndarray:
    columns = pair.panes[event.side == "target"].grid[1]
    row, column = np.divmod(sample.index, columns)
    is_in_rows = (row >= event.first_row) & (row <= event.last_row)
    is_in_columns = (column >= event.first_column) & (column <= event.last_column)
    return (sample.is_target == (event.side == "target")) & is_in_rows & is_in_columns


def _renew_map() -> None:
    """The next map is another chart: what was drawn on the last one is gone."""
    st.session_state[_MAP_NUMBER] = st.session_state.get(_MAP_NUMBER, 0) + 1
