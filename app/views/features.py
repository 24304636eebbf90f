"""Features: what the net sees alike, within an image and across the domains, and how far the domains lie apart."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import streamlit as st

from app.components.linked_images import Marker
from app.controls import choice, toggle
from app.figures.feature_map import Colouring, colour_by_class, colour_by_domain, colour_by_verdict, feature_map
from app.layers.features import feature_layers
from app.state import cache, features, switches
from app.state.features import FeatureFindings
from app.text import escape
from app.views.frame import get_pixel, open_pair, show_images
from app.views.parts import part
from pca_core.analysis.domain_gap import DomainGap
from pca_core.analysis.embedding import FEWEST, PixelSample, count_selected, nearest_sampled, sample_verdicts
from pca_core.types import IGNORE_INDEX

METHODS = {"pca": "PCA", "tsne": "t-SNE", "spectral": "Spectral"}
MEANING = {
    "pca": "Two directions of largest variance: true distances, at once.",
    "tsne": "Neighbours stay neighbours; distances between groups mean nothing. Seeded, so it is the same each time.",
    "spectral": "Eigenmaps of the graph of nearest neighbours (what UMAP starts from): groups and the bridges between them.",
}
COLOURINGS = {"class": "Class", "domain": "Domain", "verdict": "Verdict"}
LENGTHS = {"unit": "Direction", "full": "Direction and length"}
METRIC_HEIGHT = 104


def render() -> None:
    """The page."""
    pair = open_pair()
    if pair is None:
        return
    length, is_aggregated = _controls(pair)
    plain = features.get_findings(pair)
    found = features.get_findings(pair, is_aggregated=True) if is_aggregated else plain
    _numbers(found, length, plain.gap if is_aggregated else None)
    _maps(pair, found, length, is_aggregated)
    _classes(pair, found.gap)


def _controls(pair: cache.Pair) -> tuple[str, bool]:
    alpha = pair.analysis.config.alpha
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        length = choice(
            "Colours show",
            "feature_length",
            LENGTHS,
            "unit",
            help="Direction: features of unit length, what the cosine compares; so are the numbers and the map. "
            "Direction and length: features as the net gives them.",
        )
    with right:
        is_wanted = toggle(
            "Aggregated target",
            "feature_aggregated",
            False,
            disabled=alpha == 0,
            help="Everything on this page with the target features F̂ = (1−α) F + α Σ w F of the α above, as association sees "
            "them; the change against plain features is beside each number. Only the target is drawn together, so these "
            "distances often grow. With α = 0 there is nothing to aggregate.",
        )
    return length, is_wanted and alpha > 0


def _numbers(found: FeatureFindings, length: str, plain: DomainGap | None) -> None:
    """Each number with one line on what it means; ``plain`` is what it is told beside."""
    gap, explained = found.gap, found.colours[length == "unit"].explained
    columns = st.columns(4)
    _number(
        columns[0],
        "Proxy A-distance",
        gap.proxy_a_distance,
        plain and plain.proxy_a_distance,
        "2 (1 − 2ε), ε the cross-validated error of a logistic regression that tells source from target pixels of the sample. "
        "Pixels of one object are alike, so it errs towards 2.",
        "Can a line tell the domains apart? 0 no, 2 always. Lower is better.",
    )
    _number(
        columns[1],
        "MMD²",
        gap.mmd,
        plain and plain.mmd,
        "Unbiased squared maximum mean discrepancy: mean similarity within the domains less that across them, under five RBF "
        "kernels round the median distance. By chance: 95th percentile over 100 random dealings of the pixels to two sides.",
        f"How different are the clouds? By chance below {_show(gap.mmd_by_chance, 4)}. Lower is better.",
    )
    _number(
        columns[2],
        "Fréchet distance",
        gap.frechet,
        plain and plain.frechet,
        "‖μ − μ'‖² + tr(Σ + Σ' − 2 (Σ Σ')^½) of the unit features of the sample: 0 for alike Gaussians.",
        f"Shift of mean ({_show(gap.frechet_by_mean, 2)}) and of spread (the rest). Lower is better.",
    )
    columns[3].metric(
        "Colours explain",
        f"{explained.sum():.0%}",
        "three components",
        delta_color="off",
        delta_arrow="off",
        help="Share of the variance of both images' features that the principal components shown as red, green and blue hold. "
        "One basis and one scale for both images, 1st to 99th percentile.",
        height=METRIC_HEIGHT,
    )
    columns[3].caption("Red, green, blue: " + ", ".join(f"{share:.0%}" for share in explained) + ". More tells more.")


def _number(column, label: str, value: float, beside: float | None, formula: str, meaning: str) -> None:
    is_change = beside is not None and math.isfinite(value - beside)
    column.metric(
        label,
        _show(value, 3),
        f"{value - beside:+.3f}" if is_change else "plain features",  # a line either way: nothing below moves
        delta_color="inverse" if is_change else "off",
        delta_arrow="auto" if is_change else "off",
        help=formula,
        height=METRIC_HEIGHT,
    )
    column.caption(meaning)


def _show(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


@part
def _maps(pair: cache.Pair, found: FeatureFindings, length: str, is_aggregated: bool) -> None:
    """The images and the map of sampled pixels: each shows what is selected on the other."""
    sample = found.sample
    selected = features.get_selection(pair, sample)
    side, index = get_pixel(pair)
    show_images(
        pair,
        key="features",
        layers=feature_layers(pair, found.colours[length == "unit"], sample, selected),
        markers=[Marker(side, index, "query", "i" if side == "source" else "j")],
        active_layer={one: _active(sample, selected, one) for one in ("source", "target")},
        scene=length,
        opacity=0.75,
        on_region=lambda event: features.keep_region(pair, sample, event),
        switches={
            "embedding": switches.peek("feature_method", "pca", among=METHODS),
            "is_unit": length == "unit",
            "is_target_aggregated": is_aggregated,
        },
    )
    if len(sample) < FEWEST:
        st.info(f"These images have {len(sample)} feature pixels together, too few for a map. Choose larger images.")
        return
    left, right, last = st.columns([3, 3, 4], vertical_alignment="bottom")
    with left:
        method = choice("Map of sampled pixels", "feature_method", METHODS, "pca")
    with right:
        kind = choice("Coloured by", "feature_colour", COLOURINGS, "class")
    last.caption(MEANING[method])
    points = features.get_map(found, method)
    pinned = nearest_sampled(sample, side, index, pair.panes[side == "target"].grid)
    chart = features.name_map(found, method, kind)
    st.plotly_chart(
        feature_map(points, sample, pair.label_space, _colour(pair, sample, kind), selected, pinned),
        key=chart,
        on_select=lambda: features.keep_map_selection(pair, sample, chart),
        selection_mode=("lasso", "box"),
        config={"displaylogo": False, "modeBarButtonsToRemove": ["toImage", "autoScale2d"]},
    )
    _say_selected(pair, sample, selected)


def _colour(pair: cache.Pair, sample: PixelSample, kind: str) -> Colouring:
    if kind == "verdict":
        return colour_by_verdict(sample_verdicts(sample, pair.analysis.association, pair.analysis.pair.source_labels))
    return colour_by_domain(sample) if kind == "domain" else colour_by_class(sample, pair.label_space)


def _say_selected(pair: cache.Pair, sample: PixelSample, selected: np.ndarray) -> None:
    left, right = st.columns([5, 1], vertical_alignment="center")
    right.button(
        "Select none", on_click=features.clear_selection, disabled=not selected.any(), key="feature_clear", width="stretch"
    )
    with left.container(height=60, border=False, key="feature_selected_said"):  # two lines, so that nothing below moves
        if not selected.any():
            st.caption(
                f"● source, ◆ target, ring: nearest to the pinned pixel; {len(sample):,} pixels, drawn evenly over classes. "
                "Lasso or box here marks pixels on the images; Shift-drag on an image marks points here."
            )
            return
        number, on_target = int(selected.sum()), int((selected & sample.is_target).sum())
        names = {**dict(enumerate(pair.label_space.class_names)), IGNORE_INDEX: "unlabelled"}
        classes = ", ".join(f"{count} {escape(names[one])}" for one, count in count_selected(sample, selected))
        st.caption(f"{number:,} of {len(sample):,} selected, {number - on_target:,} source and {on_target:,} target: {classes}.")


def _active(sample: PixelSample, selected: np.ndarray, side: str) -> str:
    return "selected" if (selected & (sample.is_target == (side == "target"))).any() else "colours"


def _classes(pair: cache.Pair, gap: DomainGap) -> None:
    st.subheader("Class by class", anchor=False)
    frame = pd.DataFrame(
        {
            "Class": pair.label_space.class_names,
            "Distance of centroids": gap.centroid_distance,
            "Source pixels": gap.class_pixels[0],
            "Target pixels": gap.class_pixels[1],
        }
    )
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
        f"(by {gap.judged_by}): 0 points the same way, 1 is unrelated, 2 opposite. Lower is better; classes far apart are those "
        "that association has to bring together, and of few pixels a mean says little."
    )
    missing = [
        escape(name) for name, one in zip(pair.label_space.class_names, gap.centroid_distance, strict=True) if math.isnan(one)
    ]
    if missing:
        right.caption(f"Not on both images: {', '.join(missing)}.")
    if gap.judged_by == "predictions":
        right.caption(
            "Predictions stand in for the labels of the target: where they are wrong, so are these distances. "
            "With target labels they would be those of the true classes."
        )
