"""What the Features page keeps: colours, the sampled pixels, their map, the gap; and which pixels a person has selected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from app.components.linked_images import RegionEvent
from app.state.cache import Pair
from pca_core.analysis.domain_gap import DomainGap, measure_gap
from pca_core.analysis.embedding import Method, PixelSample, embed, sample_pixels
from pca_core.analysis.projection import FeatureColours, colour_features
from pca_core.types import FeaturePair

MAP = "feature_map"
_REGION = "feature_region"


@dataclass(frozen=True, eq=False)
class FeatureFindings:
    """What no switch changes."""

    colours: FeatureColours
    sample: PixelSample
    gap: DomainGap


def get_findings(pair: Pair) -> FeatureFindings:
    return _find(pair.key, pair.label_space.num_classes, pair.analysis.pair)


@st.cache_resource(max_entries=6, show_spinner="Measuring how far the domains lie apart …")
def _find(key: str, num_classes: int, _pair: FeaturePair) -> FeatureFindings:
    sample = sample_pixels(_pair)
    return FeatureFindings(colour_features(_pair), sample, measure_gap(_pair, sample, num_classes))


def get_map(pair: Pair, sample: PixelSample, method: Method) -> np.ndarray:
    """(M, 2) coordinates of the sampled pixels."""
    return _embed(pair.key, method, sample)


@st.cache_data(max_entries=18, show_spinner="Laying out the map …")
def _embed(key: str, method: Method, _sample: PixelSample) -> np.ndarray:
    return embed(_sample, method)


def keep_region(pair: Pair, event: RegionEvent) -> None:
    """Remember the rectangle that was drawn on an image; it takes the place of a selection on the map."""
    st.session_state[_REGION] = (pair.key, event)
    st.session_state[f"{MAP}_number"] = get_map_number() + 1  # a map without a selection


def drop_region() -> None:
    st.session_state.pop(_REGION, None)


def get_map_number() -> int:
    """Part of the chart's key: another number forgets what was selected on it."""
    return st.session_state.get(f"{MAP}_number", 0)


def get_selection(pair: Pair, sample: PixelSample) -> np.ndarray:
    """(M,) bool, sampled pixels inside the rectangle on the images or, without one, selected on the map."""
    kept = st.session_state.get(_REGION)
    if kept is not None and kept[0] == pair.key:
        return _inside(kept[1], pair, sample)
    chart = st.session_state.get(f"{MAP} {get_map_number()}")
    points = [] if not chart else [point["customdata"][0] for point in chart["selection"]["points"] if "customdata" in point]
    selected = np.zeros(len(sample), bool)
    selected[[point for point in points if 0 <= point < len(sample)]] = True
    return selected


def _inside(event: RegionEvent, pair: Pair, sample: PixelSample) -> np.ndarray:
    columns = pair.panes[event.side == "target"].grid[1]
    row, column = np.divmod(sample.index, columns)
    is_in_rows = (row >= event.first_row) & (row <= event.last_row)
    is_in_columns = (column >= event.first_column) & (column <= event.last_column)
    return (sample.is_target == (event.side == "target")) & is_in_rows & is_in_columns
