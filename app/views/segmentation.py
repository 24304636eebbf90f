"""Segmentation: what the net predicts for both images, how sure it is, how right, and what aggregation changes."""

from __future__ import annotations

import streamlit as st

from app.components.linked_images import Marker
from app.controls import choice
from app.figures.bars import iou_bars, share_bars
from app.figures.matrices import confusion_figure
from app.figures.style import PLAIN
from app.layers.segmentation import segmentation_layers
from app.state import cache, segmentation
from app.state.segmentation import SideFindings
from app.text import escape
from app.views.frame import get_pixel, open_pair, show_images
from pca_core.analysis.segmentation import SegmentedImage, top_classes
from pca_core.analysis.spreading import reference_alpha
from pca_core.types import Domain

SIDES: dict[Domain, str] = {"source": "Source", "target": "Target"}
INFERENCES = {"plain": "Plain", "aggregated": "With aggregation"}


def render() -> None:
    """The page."""
    pair = open_pair()
    if pair is None:
        return
    found = segmentation.get_findings(pair, reference_alpha(pair.analysis.config))
    inference = choice(
        "Inference",
        "inference",
        INFERENCES,
        "plain",
        help="With aggregation: the classifier sees aggregated features, and its predictions are aggregated again. The authors "
        "report mIoU that way; it is a different number, so the small figures tell the difference between both.",
    )
    for column, side in zip(st.columns(2, gap="large"), SIDES, strict=True):
        with column:
            _numbers(found[side], inference)
    _images(pair, found, inference)
    _charts(pair, found, inference)


def _numbers(found: SideFindings, inference: str) -> None:
    now = found.by_inference[inference]
    other = found.by_inference["plain" if inference == "aggregated" else "aggregated"]
    columns = st.columns(4)
    if now.score is not None:
        columns[0].metric("mIoU", f"{now.score.miou:.1f}", f"{now.score.miou - other.score.miou:+.1f}", help=MIOU)
        delta = now.score.pixel_accuracy - other.score.pixel_accuracy
        columns[1].metric(
            "Accuracy", f"{now.score.pixel_accuracy:.1f}", f"{delta:+.1f}", help="Labelled pixels predicted right, %."
        )
    else:
        columns[0].metric("mIoU", "–", help="Needs labels of this image.")
        columns[1].metric("Accuracy", "–", help="Needs labels of this image.")
    delta = 100 * (now.mean_confidence - other.mean_confidence)
    columns[2].metric(
        "Confidence", f"{now.mean_confidence:.1%}", f"{delta:+.1f}", delta_color="off", help="Mean of max_k P_k over all pixels."
    )
    if now.calibration_error is not None:
        delta = 100 * (now.calibration_error - other.calibration_error)
        columns[3].metric(
            "Calibration error", f"{now.calibration_error:.1%}", f"{delta:+.1f}", delta_color="inverse", help=CALIBRATION
        )
    else:
        columns[3].metric("Entropy", f"{now.mean_entropy:.3f}", help="Mean entropy of the predictions as a share of log K.")


MIOU = "Intersection over union, mean over the classes that occur in labels or predictions of this image, %."
CALIBRATION = "Mean |confidence − accuracy| over ten bins of confidence: 0 means that 80 % sure is right 8 times in 10."


@st.fragment
def _images(pair: cache.Pair, found: dict[Domain, SideFindings], inference: str) -> None:
    """What a click changes."""
    side, index = get_pixel(pair)
    association = pair.analysis.association
    target = index if side == "target" else int(association.target_index[index])
    source = index if side == "source" else int(association.target_return_index[index])
    show_images(
        pair,
        key="segmentation",
        layers=[layer for one in SIDES for layer in segmentation_layers(one, found[one], inference, pair.label_space)],
        markers=[
            Marker("source", source, "query" if side == "source" else "return", "i" if side == "source" else "i*"),
            Marker("target", target, "query" if side == "target" else "match", "j" if side == "target" else "j*"),
        ],
        active_layer={"source": "prediction", "target": "prediction"},
        scene="segmentation",
    )
    feature_pair = pair.analysis.pair
    with_probabilities = {
        "source": (source, feature_pair.source_probabilities),
        "target": (target, feature_pair.target_probabilities),
    }
    for column, one in zip(st.columns(2, gap="large"), SIDES, strict=True):
        pixel, probabilities = with_probabilities[one]
        row, place = divmod(pixel, pair.panes[0 if one == "source" else 1].grid[1])
        is_pinned = one == side
        column.markdown(
            f"**{'Pinned pixel' if is_pinned else 'Its associated pixel'}** · {SIDES[one].lower()} row {row}, col {place}"
        )
        names, palette = pair.label_space.class_names, pair.label_space.palette
        likely = top_classes(probabilities, pixel)
        column.plotly_chart(
            share_bars({names[k]: share for k, share in likely}, {names[k]: palette[k] for k, _ in likely}),
            key=f"pixel_classes_{one}",
            config=PLAIN,
        )


def _charts(pair: cache.Pair, found: dict[Domain, SideFindings], inference: str) -> None:
    space = pair.label_space
    seen: dict[Domain, SegmentedImage] = {side: found[side].by_inference[inference] for side in SIDES}
    labelled = {side: one for side, one in seen.items() if one.score is not None}
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("IoU by class" if labelled else "Predicted classes", anchor=False)
        if labelled:
            values = {SIDES[side]: one.score.iou for side, one in labelled.items()}
            st.plotly_chart(iou_bars(values, space, "IoU, %"), key="segmentation_iou", config=PLAIN)
        else:
            values = {SIDES[side]: one.class_shares * 100 for side, one in seen.items()}
            st.plotly_chart(iou_bars(values, space, "Pixels, %"), key="segmentation_shares", config=PLAIN)
    with right:
        st.subheader("Confusion", anchor=False)
        if not labelled:
            st.info("Labels beside the images would show here which classes are taken for which.")
            return
        options = {side: SIDES[side] for side in labelled}
        side = choice("Of", "confusion_side", options, "target" if "target" in labelled else "source")
        figure = confusion_figure(labelled[side].confusion, space.class_names)
        st.plotly_chart(figure, key="segmentation_confusion", config=PLAIN)
        changes = found[side].change.shares()
        told = ", ".join(f"{name} {share:.1%}" for name, share in changes.items() if name.startswith("became"))
        st.caption(f"Aggregated inference changes {found[side].change.changed_share:.1%} of this image's pixels: {escape(told)}.")
