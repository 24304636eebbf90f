"""The Segmentation page without a browser: the inference changes every number, and images without labels work."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.figures.bars import side_bars
from app.figures.matrices import confusion_figure
from app.figures.reliability import reliability_curves
from app.layers.segmentation import CHANGES
from app.state.session import Choice
from pca_core import LabelSpace
from pca_core.analysis import inference_change, segmentation
from pca_core.analysis.calibration import measure_reliability
from pca_core.data import encode_jpeg
from pca_core.render import ERRORS
from tests.app.pages import open_page
from tests.app.test_pages import metric, picture, sentences

LABELS = ("mIoU", "Accuracy", "Confidence", "Entropy")


@pytest.fixture
def page() -> AppTest:
    return open_page("segmentation")


def numbers(app: AppTest, label: str) -> list[float]:
    """Of source and target."""
    return [float(item.value.rstrip("%")) for item in app.metric if item.label == label]


def changes(app: AppTest, label: str) -> list[float]:
    return [float(item.delta) for item in app.metric if item.label == label]


def said(app: AppTest, words: str) -> list[str]:
    return [item.value for item in app.caption if words in item.value]


def bars(app: AppTest, chart: int) -> dict[str, dict[str, float]]:
    """What a chart shows: name -> class -> value."""
    figure = json.loads(app.get("plotly_chart")[chart].proto.spec)
    return {one["name"]: dict(zip(one["x"], values(one["y"]), strict=True)) for one in figure["data"]}


def values(packed: dict[str, str]) -> list[float]:
    """Numbers as plotly packs them."""
    return np.frombuffer(base64.b64decode(packed["bdata"]), packed["dtype"]).tolist()


def test_deltas_are_those_between_both_inferences(page):
    plain = {label: numbers(page, label) for label in LABELS}
    told = {label: changes(page, label) for label in LABELS}
    page.segmented_control(key="segmentation_inference").set_value("aggregated").run()
    for label in LABELS:
        assert numbers(page, label) != plain[label]
        assert changes(page, label) == pytest.approx([-change for change in told[label]])
        now = np.array(numbers(page, label)) - np.array(plain[label])
        assert now == pytest.approx(changes(page, label), abs=0.11)
    assert said(page, "compared with plain inference")
    assert not sentences(page)


def test_the_sentence_shares_out_what_changes(page):
    for caption in said(page, "Aggregation changes"):
        total, *parts = (float(number) for number in re.findall(r"([\d.]+)%", caption.partition("\n")[0]))
        assert total > 0
        assert sum(parts) == pytest.approx(total, abs=0.21)
    assert len(said(page, "Aggregation changes")) == len(said(page, "calibration error")) == 2


def test_alpha_reaches_aggregated_inference_only(page):
    plain, told = numbers(page, "mIoU"), changes(page, "Confidence")
    page.slider(key="alpha").set_value(0.0).run()
    assert said(page, "Aggregation is off above")
    assert (numbers(page, "mIoU"), changes(page, "Confidence")) == (plain, told)  # the paper's α, the one from before
    page.slider(key="alpha").set_value(0.1).run()
    assert numbers(page, "mIoU") == plain
    assert np.abs(changes(page, "Confidence")).max() < np.abs(told).max()


def test_the_pinned_pixel_is_told_by_the_chosen_inference(page):
    page.session_state["pixel"] = ("target", 5000)
    page.run()
    pinned = next(item.value for item in page.markdown if "Pinned pixel" in item.value)
    assert "target row 39, col 8" in pinned
    plain = [item.proto.spec for item in page.get("plotly_chart")[:2]]
    page.segmented_control(key="segmentation_inference").set_value("aggregated").run()
    assert all(now.proto.spec != before for now, before in zip(page.get("plotly_chart")[:2], plain, strict=True))


def test_bars_by_class_are_iou_its_change_and_shares():
    app = open_page("segmentation", segmentation_bars="change")
    change = bars(app, 2)
    app.segmented_control(key="segmentation_bars").set_value("iou").run()
    plain = bars(app, 2)
    app.segmented_control(key="segmentation_inference").set_value("aggregated").run()
    aggregated = bars(app, 2)
    for side in ("Source", "Target"):
        assert change[side]["building"] == pytest.approx(aggregated[side]["building"] - plain[side]["building"])
    app.segmented_control(key="segmentation_bars").set_value("share").run()
    assert sum(bars(app, 2)["Target"].values()) == pytest.approx(100)


def test_against_the_labels_of_either_side_or_reliability(page):
    shown = []
    for value in ("source", "target", "reliability"):
        page.segmented_control(key="segmentation_chart").set_value(value).run()
        assert not page.exception
        shown.append(page.get("plotly_chart")[3].proto.spec)
    assert len(set(shown)) == 3


def test_a_target_without_labels_says_what_they_would_add(page, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/street.jpg").write_bytes(encode_jpeg(picture()))
    page.segmented_control(key="segmentation_chart").set_value("target").run()
    page.session_state["choices"]["target"] = Choice(str(tmp_path), "street")
    page.run()
    assert not page.exception
    assert [item.value for item in page.metric if item.label == "mIoU"][1] == "–"
    assert float(metric(page, "Confidence").rstrip("%")) > 0
    assert len(said(page, "Labels of this image would tell")) == 1
    assert "became" not in said(page, "Labels of this image would tell")[0]
    assert "Confusion, target" not in page.segmented_control(key="segmentation_chart").options
    assert set(bars(page, 2)) == {"Source"}
    page.segmented_control(key="segmentation_bars").set_value("share").run()
    assert set(bars(page, 2)) == {"Source", "Target"}


def test_names_of_cases_stand_at_their_codes():
    for code, name in (
        (inference_change.UNCHANGED, "unchanged"),
        (inference_change.BECAME_RIGHT, "became right"),
        (inference_change.BECAME_WRONG, "became wrong"),
        (inference_change.OTHER_WRONG, "wrong both ways"),
        (inference_change.UNJUDGED_CHANGE, "changed, no label"),
    ):
        assert list(CHANGES)[code] == name
    assert len(CHANGES) == inference_change.NUM_CHANGES
    assert list(ERRORS)[segmentation.RIGHT] == "right"
    assert list(ERRORS)[segmentation.WRONG] == "wrong"
    assert list(ERRORS)[segmentation.UNJUDGED] == "unlabelled"


def test_figures_leave_out_classes_that_occur_nowhere():
    space = LabelSpace("four", ("road", "sky", "tree", "car"), ((0, 0, 0),) * 4)
    values = {"Source": np.array([np.nan, 50.0, np.nan, 0.0]), "Target": np.array([np.nan, np.nan, np.nan, 20.0])}
    assert [list(one.x) for one in side_bars(values, space, "IoU, %").data] == [["sky", "car"]] * 2
    counts = np.zeros((4, 4), int)
    counts[1, 3] = 5
    (heat,) = confusion_figure(counts, space.class_names).data
    assert (list(heat.x), list(heat.y)) == (["sky", "car"], ["sky", "car"])
    assert heat.customdata.tolist() == [[0, 5], [0, 0]]
    assert heat.z[0].tolist() == [0, 1]


def test_reliability_has_a_point_a_filled_bin():
    found = measure_reliability(np.array([0.95, 0.85, 0.85]), np.array([True, True, False]))
    diagonal, curve = reliability_curves({"Target": found}).data
    assert (list(diagonal.x), list(diagonal.y)) == ([0, 1], [0, 1])
    assert (curve.x.tolist(), curve.y.tolist(), curve.customdata.tolist()) == (pytest.approx([0.85, 0.95]), [0.5, 1], [2, 1])
