"""Segmentation: what the net predicts for both images, how sure it is, how right, and what aggregation changes."""

from __future__ import annotations

import streamlit as st

from app.components.linked_images import Marker
from app.controls import choice
from app.figures.bars import pixel_bars, side_bars
from app.figures.matrices import confusion_figure
from app.figures.reliability import reliability_curves
from app.figures.style import PLAIN
from app.layers.segmentation import CHANGES, segmentation_layers
from app.state import cache, segmentation
from app.state.segmentation import OTHER, SideFindings
from app.text import escape
from app.views.changes import describe_change
from app.views.frame import get_pixel, open_pair, show_images
from app.views.parts import part
from pca_core.analysis.segmentation import SegmentedImage, describe_pixel
from pca_core.analysis.spreading import reference_alpha
from pca_core.types import Domain, LabelSpace

SIDES: dict[Domain, str] = {"source": "Source", "target": "Target"}
INFERENCES = {"plain": "Plain", "aggregated": "With aggregation"}
BARS = {"iou": "IoU", "change": "IoU change by aggregation", "share": "Predicted pixels"}
BARS_MEANING = {
    "iou": "Intersection over union: pixels that are both labelled and predicted as the class, over those that are either.",
    "change": "IoU with aggregated less IoU with plain inference, in points. A class that one of both lacks has none.",
    "share": "Share of the image's pixels that each class is predicted for.",
}
MIOU = "Intersection over union, mean over the classes that occur in labels or predictions of this image, %."
ACCURACY = "Labelled pixels predicted right, %."
CONFIDENCE = "max_k P_k, the probability of the predicted class: its mean over all pixels."
ENTROPY = "−Σ_k P_k log P_k / log K, mean over all pixels: 0 is sure of one class, 1 holds all K for equally likely."
CALIBRATION = (
    "Expected calibration error: pixels are sorted into ten bins by confidence; the error is the mean of |accuracy − confidence| "
    "over the bins, weighted by their pixels. 0 % means: where the net is 80 % sure, it is right 8 times in 10."
)
CHANGE = (
    "Pixels whose predicted class differs between plain and aggregated inference; the layer “Aggregation changes” shows them."
)
PIXEL = (
    "The most probable classes, by the inference chosen above; entropy as a share of log K. The associated pixel is the most "
    "similar one of the other image: j\\* of a source pixel, the pixel that a target pixel returns to."
)


def render() -> None:
    """The page."""
    pair = open_pair()
    if pair is None:
        return
    alpha = reference_alpha(pair.analysis.config)
    found = segmentation.get_findings(pair, alpha)
    left, right = st.columns(2, gap="large", vertical_alignment="bottom")
    with left:
        inference = choice(
            "Inference",
            "segmentation_inference",
            INFERENCES,
            "plain",
            help="With aggregation: the classifier sees aggregated features F̂ = (1−α) F + α Σ w F, and its predictions are "
            "aggregated again. The paper's authors report mIoU that way; it is a different number from plain inference.",
        )
    compared = f"Small figures: compared with {OTHER[inference]} inference (α = {alpha:g})."
    is_off = pair.analysis.config.alpha == 0
    right.caption(compared + (" Aggregation is off above, so the paper's α is shown." if is_off else ""))
    for column, side in zip(st.columns(2, gap="large"), SIDES, strict=True):
        with column:
            _numbers(side, found[side], inference)
    _images(pair, found, inference)
    left, right = st.columns(2, gap="large")
    with left:
        _class_chart(found, inference, pair.label_space)
    with right:
        _judgement_chart(found, inference, pair.label_space)


def _numbers(side: Domain, found: SideFindings, inference: str) -> None:
    now, other = found.by_inference[inference], found.by_inference[OTHER[inference]]
    with st.container(horizontal=True, key=f"segmentation_numbers_{side}"):
        if now.score is None:
            st.metric("mIoU", "–", help="Needs labels of this image.", width="content")
            st.metric("Accuracy", "–", help="Needs labels of this image.", width="content")
        else:
            _metric("mIoU", f"{now.score.miou:.1f}", now.score.miou - other.score.miou, MIOU)
            _metric(
                "Accuracy", f"{now.score.pixel_accuracy:.1f}", now.score.pixel_accuracy - other.score.pixel_accuracy, ACCURACY
            )
        sure = now.mean_confidence - other.mean_confidence
        _metric("Confidence", f"{now.mean_confidence:.1%}", 100 * sure, CONFIDENCE, colour="off")
        _metric("Entropy", f"{now.mean_entropy:.3f}", now.mean_entropy - other.mean_entropy, ENTROPY, colour="off", digits=3)
    st.caption(f"{_change_sentence(found)}  \n{_calibration_sentence(now, other)}", help=f"{CHANGE}\n\n{CALIBRATION}")


def _metric(label: str, value: str, change: float, meaning: str, *, colour: str = "normal", digits: int = 1) -> None:
    st.metric(label, value, help=meaning, width="content", **describe_change(f"{change:+.{digits}f}", colour))


def _calibration_sentence(now: SegmentedImage, other: SegmentedImage) -> str:
    told = now.reliability
    if told is None:
        return "Labels of this image would tell how right it is."
    change = 100 * (told.error - other.reliability.error)
    sure = f"{told.mean_confidence:.0%} sure, {told.mean_accuracy:.0%} right"
    return f"{sure}: calibration error **{told.error:.1%}** ({change:+.1f})."


def _change_sentence(found: SideFindings) -> str:
    change = found.change
    named = list(zip(CHANGES, change.shares, strict=True))[1:] if change.iou is not None else []
    told = ", ".join(f"{share:.1%} {name}" for name, share in named if share > 0)
    return f"Aggregation changes **{change.changed_share:.1%}** of pixels" + (f": {told}." if told else ".")


@part
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
        switches={"inference": inference},
    )
    labels = {"source": pair.analysis.pair.source_labels, "target": pair.analysis.pair.target_labels}
    places: dict[Domain, int] = {"source": source, "target": target}
    for column, pane, one in zip(st.columns(2, gap="large"), pair.panes, SIDES, strict=True):
        told = describe_pixel(found[one].by_inference[inference].probabilities, labels[one], places[one])
        row, place = divmod(places[one], pane.grid[1])
        label = "no label" if told.label is None else f"label {escape(pair.label_space.class_names[told.label])}"
        what = "Pinned pixel" if one == side else "Its associated pixel"
        with column.container(key=f"segmentation_pixel_{one}", gap="xxsmall"):
            st.markdown(f"**{what}** · {SIDES[one].lower()} row {row}, col {place}")
            st.caption(f"{label}, entropy {told.entropy:.2f}", help=PIXEL)
            st.plotly_chart(pixel_bars(told.likely, pair.label_space), key=f"segmentation_classes_{one}", config=PLAIN)


def _class_chart(found: dict[Domain, SideFindings], inference: str, space: LabelSpace) -> None:
    seen = {SIDES[side]: one.by_inference[inference] for side, one in found.items()}
    labelled = {name: one for name, one in seen.items() if one.score is not None}
    options = BARS if labelled else {"share": BARS["share"]}
    shown = choice("By class", "segmentation_bars", options, next(iter(options)), help="  \n".join(BARS_MEANING.values()))
    if shown == "iou":
        figure = side_bars({name: one.score.iou for name, one in labelled.items()}, space, "IoU, %")
    elif shown == "change":
        changes = {SIDES[side]: one.change.iou for side, one in found.items() if one.change.iou is not None}
        figure = side_bars(changes, space, "IoU, points", is_change=True)
    else:
        figure = side_bars({name: 100 * one.class_shares for name, one in seen.items()}, space, "Pixels, %")
    st.plotly_chart(figure, key="segmentation_by_class", config=PLAIN)
    st.caption(BARS_MEANING[shown])


def _judgement_chart(found: dict[Domain, SideFindings], inference: str, space: LabelSpace) -> None:
    seen = {side: one.by_inference[inference] for side, one in found.items()}
    labelled = {side: one for side, one in seen.items() if one.score is not None}
    if not labelled:
        st.info("Labels beside the images would show here which classes are taken for which.")
        return
    options = {side: f"Confusion, {SIDES[side].lower()}" for side in labelled} | {"reliability": "Reliability"}
    default = "target" if "target" in labelled else "source"
    shown = choice("Against the labels", "segmentation_chart", options, default)
    if shown == "reliability":
        figure = reliability_curves({SIDES[side]: one.reliability for side, one in labelled.items()})
        meaning = "Below the dotted line the net is surer than it is right."
    else:
        figure = confusion_figure(labelled[shown].confusion, space.class_names)
        meaning = "Each row is a label: which share of its pixels is predicted as which class. Hover for the pixels."
    st.plotly_chart(figure, key="segmentation_judgement", config=PLAIN)
    st.caption(meaning)
