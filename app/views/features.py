"""Features: what the net sees alike, within an image and across the domains, and how far the domains lie apart."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.components.linked_images import Marker
from app.controls import choice
from app.figures.feature_map import feature_map
from app.layers.features import feature_layers
from app.state import cache, features
from app.state.features import FeatureFindings
from app.views.frame import get_pixel, open_pair, show_images
from pca_core.analysis.embedding import nearest_sampled

METHODS = {"pca": "PCA", "tsne": "t-SNE", "spectral": "Spectral"}
MEANING = {
    "pca": "Two directions of largest variance: true distances, at once.",
    "tsne": "Neighbours stay neighbours; distances between groups mean nothing. 1,400 pixels, seeded.",
    "spectral": "Eigenmaps of the graph of nearest neighbours (what UMAP starts from): groups and the bridges between them.",
}
COLOURINGS = {"class": "Class", "domain": "Domain"}


def render() -> None:
    """The page."""
    pair = open_pair()
    if pair is None:
        return
    found = features.get_findings(pair)
    _numbers(found)
    _maps(pair, found)
    _classes(pair, found)


def _numbers(found: FeatureFindings) -> None:
    gap, explained = found.gap, found.colours.explained
    one, two, three, four = st.columns(4)
    one.metric(
        "Proxy A-distance",
        f"{gap.proxy_a_distance:.2f}",
        help="2 (1 − 2ε), ε the cross-validated error of a linear classifier that tells source from target features. 0: it "
        "cannot tell them apart; 2: it always can. Lower is better aligned.",
    )
    two.metric(
        "MMD²",
        f"{gap.mmd:.3f}",
        help="Unbiased squared maximum mean discrepancy of the unit features under five RBF kernels. Lower is better aligned; "
        f"dealing the pixels to the sides at random stays below {gap.mmd_by_chance:.4f} in 95 of 100 cases.",
    )
    three.metric(
        "MMD² by chance",
        f"{gap.mmd_by_chance:.4f}",
        help="95th percentile over 100 random dealings: below it there is no gap to see.",
    )
    four.metric(
        "Colours explain",
        f"{explained.sum():.0%}",
        help="Share of the variance of both images' features that the three components shown as red, green and blue hold.",
    )


@st.fragment
def _maps(pair: cache.Pair, found: FeatureFindings) -> None:
    """The images and the map of sampled pixels: each shows what is selected on the other."""
    sample = found.sample
    selected = features.get_selection(pair, sample)
    show_images(
        pair,
        key="features",
        layers=feature_layers(pair, found, selected),
        markers=[Marker(*get_pixel(pair), "query", "i" if get_pixel(pair)[0] == "source" else "j")],
        active_layer={side: _active(found, selected, side) for side in ("source", "target")},
        scene="features",
        opacity=0.75,
        on_region=lambda event: features.keep_region(pair, event),
    )
    left, right, last = st.columns([2, 2, 4], vertical_alignment="bottom")
    with left:
        method = choice("Map of sampled pixels", "feature_method", METHODS, "pca")
    with right:
        colouring = choice("Coloured by", "feature_colour", COLOURINGS, "class")
    last.caption(
        f"{MEANING[method]} Lasso or box on the map marks pixels on both images; Shift-drag on an image marks points here."
    )
    points = features.get_map(pair, sample, method)
    side, index = get_pixel(pair)
    figure = feature_map(
        points, sample, pair.label_space, colouring, selected, nearest_sampled(sample, side, index, _grid(pair, side))
    )
    st.plotly_chart(
        figure,
        key=f"{features.MAP} {features.get_map_number()}",
        on_select=features.drop_region,
        selection_mode=("lasso", "box"),
        config={"displaylogo": False, "modeBarButtonsToRemove": ["toImage", "autoScale2d"]},
    )
    st.caption(
        f"{int(selected.sum())} of {len(sample)} sampled pixels selected. ● source, ◆ target, ring: nearest to the pinned pixel."
    )


def _grid(pair: cache.Pair, side: str) -> tuple[int, int]:
    return pair.panes[side == "target"].grid


def _active(found: FeatureFindings, selected, side: str) -> str:
    is_any = bool((selected & (found.sample.is_target == (side == "target"))).any())
    return "selected" if is_any else "colours"


def _classes(pair: cache.Pair, found: FeatureFindings) -> None:
    st.subheader("Class by class", anchor=False)
    distances = found.gap.centroid_distance
    frame = pd.DataFrame({"Class": pair.label_space.class_names, "Distance of centroids": distances})
    frame = frame.dropna().sort_values("Distance of centroids", ascending=False)
    left, right = st.columns([3, 2], gap="large")
    left.dataframe(
        frame,
        hide_index=True,
        width="stretch",
        height=min(420, 38 + 35 * max(len(frame), 1)),
        column_config={"Distance of centroids": st.column_config.ProgressColumn(format="%.3f", min_value=0.0, max_value=2.0)},
        key="class_distances",
    )
    right.markdown(
        "Cosine distance between the mean feature of a class on the source (by labels) and on the target "
        f"(by {found.gap.judged_by}): 0 points the same way, 1 is unrelated, 2 opposite. Classes far apart are those that "
        "association has to bring together."
    )
    if found.gap.judged_by == "predictions":
        right.caption("Predictions stand in for the labels of the target: where they are wrong, so are these distances.")
