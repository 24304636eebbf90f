"""The Aggregation page without a browser: its numbers are the core's, α changes them, a target without labels works."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.state.session import BUILT_IN, BUILT_IN_CHECKPOINT, Choice
from app.views.aggregation import MEANING
from pca_core import load_checkpoint
from pca_core.analysis.spreading import ALPHAS, alpha_effects, describe_loan, measure_reach
from pca_core.data import FolderDataset, encode_jpeg
from pca_core.inference import aggregate_prediction, evaluate
from pca_core.metrics import score
from tests.app.pages import change, open_page
from tests.app.test_pages import metric, picture, sentences


@pytest.fixture
def page() -> AppTest:
    return open_page("aggregation")


def numbers(app: AppTest) -> dict[str, str]:
    return {item.label: item.value for item in app.metric}


def said(app: AppTest) -> str:
    return " ".join(item.value for item in app.caption)


def of_core(analysis, alpha: float) -> dict[str, str]:
    effect, reach = alpha_effects(analysis, (alpha,))[0], measure_reach(analysis, alpha)
    return {
        "Reach": f"{reach.pulled:.1%}".replace("100.0%", "100%"),
        "Spread": f"{reach.spread:.1%}",
        "Flips": f"{effect.flips:.1%}",
        "Cycle-consistent": f"{effect.rate:.1%}",
        "Coverage": f"{effect.coverage:.1%}",
    }


def test_alpha_changes_every_number_as_the_core_says(page, analysis):
    for alpha in (0.5, 0.2):
        page.slider(key="alpha").set_value(alpha).run()
        assert numbers(page) | of_core(analysis, alpha) == numbers(page)
    pulled = [measure_reach(analysis, alpha).pulled for alpha in (0.0, 0.2)]
    assert float(change(page, "Reach")) == pytest.approx(100 * (pulled[1] - pulled[0]), abs=0.051)
    counts = [f"{round(share * 8192):,}" for share in pulled]
    assert f"on **{counts[0]}** of 8,192 target pixels without aggregation, on **{counts[1]}** with α = 0.2" in said(page)
    assert not sentences(page)


def test_off_shows_what_the_papers_alpha_would_do(page):
    before = numbers(page)
    page.slider(key="alpha").set_value(0.0).run()
    assert "Aggregation is off (α = 0)" in page.info[0].value
    assert numbers(page) | {"Pinned target pixel": ""} == before | {
        "Pinned target pixel": "",
        **{label: metric(page, label) for label in ("Borrows from", "Of its own class", "From its surroundings")},
    }  # without aggregation another pixel is the first to show


def test_aggregated_inference_is_that_of_the_core(page, analysis):
    pair, net = analysis.pair, load_checkpoint(BUILT_IN_CHECKPOINT)
    shown = []
    for alpha in (0.5, 0.05):
        page.slider(key="alpha").set_value(alpha).run()
        classes = aggregate_prediction(net, pair.target_features, alpha).argmax(0)
        on_grid = (classes != pair.target_prediction).double().mean().item()
        shown.append(float(metric(page, "New classes").rstrip("%")))
        assert shown[-1] == pytest.approx(100 * on_grid, abs=1)  # the page counts pixels of the image
    assert shown[1] < shown[0]
    plain = score(evaluate(net, [FolderDataset(BUILT_IN["target"])[0]]))
    assert float(metric(page, "Target mIoU")) - float(change(page, "Target mIoU")) == pytest.approx(plain.miou, abs=0.11)


def test_the_pinned_pixel_is_told_by_its_weights(page, analysis):
    for index in (4321, 700):
        page.session_state["pixel"] = ("target", index)
        page.run()
        loan = describe_loan(analysis, index)
        assert metric(page, "Pinned target pixel") == f"{index // 128}, {index % 128}"
        assert metric(page, "Borrows from") == f"{loan.num_lenders:,.0f} pixels"
        assert metric(page, "Of its own class") == f"{loan.own_class_share:.0%}"
        assert metric(page, "From its surroundings") == f"{loan.near_share:.1%}"


def test_a_pinned_source_pixel_shows_its_match(page, analysis):
    page.session_state["pixel"] = ("source", 3000)
    page.run()
    row, column = divmod(int(analysis.association.target_index[3000]), 128)
    assert metric(page, "Pinned target pixel") == f"{row}, {column}"


def test_the_level_reaches_weights_and_loss(page, analysis):
    page.session_state["pixel"] = ("target", 4321)
    page.segmented_control(key="level").set_value("prediction").run()
    other = analysis.with_config(replace(analysis.config, level="prediction"))
    assert metric(page, "Spread") == f"{measure_reach(other, 0.5).spread:.1%}"
    assert metric(page, "Borrows from") == f"{describe_loan(other, 4321).num_lenders:,.0f} pixels"


def test_curves_and_table_hold_every_alpha(page, analysis):
    effects = alpha_effects(analysis)
    table = page.dataframe[0].value
    assert table["α"].tolist() == list(ALPHAS)
    assert table["Flips"].tolist() == [f"{effect.flips:.1%}" for effect in effects]
    figure = json.loads(page.get("plotly_chart")[0].proto.spec)
    coverage = next(one for one in figure["data"] if one["name"] == "Coverage")
    assert values(coverage["y"]) == pytest.approx([effect.coverage for effect in effects])


def values(drawn) -> list[float]:
    """Numbers as plotly packs them, or plain."""
    return np.frombuffer(base64.b64decode(drawn["bdata"]), drawn["dtype"]).tolist() if isinstance(drawn, dict) else drawn


def test_every_map_has_its_meaning():
    for name, meaning in MEANING.items():
        assert meaning in said(open_page("aggregation", aggregation_map=name))


def test_a_target_without_labels_says_what_they_would_add(page, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/street.jpg").write_bytes(encode_jpeg(picture()))
    page.session_state["choices"]["target"] = Choice(str(tmp_path), "street")
    page.run()
    assert not page.exception
    assert metric(page, "Target mIoU") == "–"
    assert "Target labels would tell the mIoU" in said(page)
    assert set(page.dataframe[0].value["Correct"]) == {"–"}
