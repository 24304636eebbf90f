"""The Losses page without a browser: terms, weights and aggregation change the numbers, and empty cases are told in words."""

from __future__ import annotations

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.figures.spread import spread_curves
from app.layers.losses import BLUE_ORANGE, loss_layers
from app.state.losses import LossFindings, look
from app.state.session import Choice
from app.views.loss_words import FORMULAS, NAMES, PICK_NAMES, find_silence
from pca_core import LabelSpace
from pca_core.analysis.loss_ledger import TERMS, write_ledger
from pca_core.analysis.loss_readings import PICKS
from pca_core.association import AssociationConfig
from pca_core.data import encode_jpeg, encode_png
from pca_core.losses import LossWeights
from pca_core.types import IGNORE_INDEX
from tests.app.pages import open_page
from tests.app.test_pages import metric, picture, sentences
from tests.conftest import ROOT, make_pair
from tests.unit.test_loss_ledger import make_classifier

LABELS = ("Weighted loss", "Any gradient", "At or above mean", "Gradient in all", "Median", "Maximum")


@pytest.fixture
def page() -> AppTest:
    return open_page("losses")


def told(app: AppTest) -> str:
    return app.markdown[0].value


def table(app: AppTest, column: str):
    """The data frame that has this column."""
    return next(item.value for item in app.dataframe if column in item.value)


def ledger(app: AppTest):
    return table(app, "weighted").set_index("term")


def share_at_mean(app: AppTest) -> float:
    return float(metric(app, "At or above mean").rstrip("%"))


def test_opens_with_a_ledger_that_adds_up(page):
    assert not sentences(page)
    rows = ledger(page)
    assert list(rows.index) == [*(NAMES[name] for name in TERMS), PICK_NAMES["all"]]
    assert rows["weighted"].iloc[:-1].sum() == pytest.approx(rows["weighted"].iloc[-1])
    assert rows["share"].iloc[:-1].sum() == pytest.approx(1)
    assert float(metric(page, "Weighted loss")) == pytest.approx(rows["weighted"].iloc[-1], rel=1e-3)
    assert rows["change"].notna().tolist() == [False, False, True, True, False, False, True]
    assert [item.label for item in page.metric] == list(LABELS)


def test_aggregation_turns_every_delta_around(page):
    before, deltas = share_at_mean(page), [item.delta for item in page.metric]
    page.toggle(key="loss_aggregation").set_value(False).run()
    now = next(item for item in page.metric if item.label == "At or above mean")
    assert float(now.delta) == pytest.approx(float(now.value.rstrip("%")) - before, abs=0.11)
    assert float(now.delta) < 0  # aggregation is there to reach more pixels
    assert [item.delta[0] for item in page.metric if float(item.delta.rstrip("%").replace(",", "")) != 0] == [
        {"+": "-", "-": "+"}[delta[0]] for delta in deltas if float(delta.rstrip("%").replace(",", "")) != 0
    ]
    assert "with aggregation (α = 0.5)" in " ".join(item.value for item in page.caption)


def test_a_term_alone_is_its_line_of_the_ledger(page):
    for term in TERMS:
        page.pills(key="loss_term").set_value(term).run()
        assert not page.exception
        assert float(metric(page, "Weighted loss")) == pytest.approx(ledger(page)["weighted"][NAMES[term]], rel=1e-3)
        assert ("the target feels it through" in told(page)) == (term in ("cross_entropy", "lovasz", "source_smoothing"))
        side = "Target" if term == "target_smoothing" else "Source"
        assert any(item.value == f"**{side} pixels that pay most**" for item in page.markdown)


def test_weights_change_the_objective_and_go_back(page):
    total, usual = float(metric(page, "Weighted loss")), ledger(page)
    assert page.button(key="loss_weights_reset").disabled
    page.number_input(key="loss_weight_cross_entropy").set_value(3.0).run()
    rows = ledger(page)
    assert rows["weight"][NAMES["cross_entropy"]] == 3.0
    assert float(metric(page, "Weighted loss")) == pytest.approx(total + 2 * rows["value"][NAMES["cross_entropy"]], rel=1e-3)
    assert page.query_params["loss_weight_cross_entropy"] == "3.0"
    page.button(key="loss_weights_reset").click().run()
    assert page.number_input(key="loss_weight_cross_entropy").value == 1.0
    assert ledger(page).equals(usual)
    assert "loss_weight_cross_entropy" not in page.query_params


def test_a_term_without_weight_says_that_it_takes_no_part():
    app = open_page("losses", loss_term="lovasz", loss_weight_lovasz="0.0")
    assert "Lovász has weight 0" in told(app)
    assert ledger(app)["weighted"][NAMES["lovasz"]] == 0
    words = [item.value for item in app.info]
    assert "Nobody pays anything." in words
    assert any("No gradient arrives" in one for one in words)
    app.segmented_control(key="loss_bars").set_value("gradient").run()
    assert not app.exception


def test_with_target_smoothing_alone_the_target_pays_and_is_reached():
    weights = {f"loss_weight_{name}": "0.0" for name in TERMS if name != "target_smoothing"}
    app = open_page("losses", **weights)
    assert "of the target pixels pays" in told(app)
    assert "aggregation plays no part" in told(app)
    assert float(metric(app, "Any gradient").rstrip("%")) > 0
    assert ledger(app)["share"][NAMES["target_smoothing"]] == 1


def test_a_pinned_pixel_has_its_own_ledger(page):
    page.session_state["pixel"] = ("source", 4500)
    page.run()
    assert any("source row 35, col 20" in item.value for item in page.markdown)
    own = table(page, "times")
    assert own["paid"].iloc[:-1].sum() == pytest.approx(own["paid"].iloc[-1])
    assert own["term"].tolist() == [*(NAMES[name] for name in TERMS if name != "target_smoothing"), PICK_NAMES["all"]]
    page.session_state["pixel"] = ("source", 100)
    page.run()
    assert table(page, "paid")["paid"].tolist() != own["paid"].tolist()


def test_a_link_restores_every_switch():
    app = open_page("losses", loss_term="associations", loss_aggregation="False", loss_bars="gradient", loss_weight_lovasz="2.0")
    assert app.pills(key="loss_term").value == "associations"
    assert not app.toggle(key="loss_aggregation").value
    assert app.segmented_control(key="loss_bars").value == "gradient"
    assert ledger(app)["weight"][NAMES["lovasz"]] == 2.0


def test_alpha_is_the_one_above_and_the_papers_where_that_is_off(page):
    before = share_at_mean(page)
    page.slider(key="alpha").set_value(0.1).run()
    assert share_at_mean(page) != before
    page.slider(key="alpha").set_value(0.0).run()
    assert share_at_mean(page) == before
    assert any("the paper's α is shown" in item.value for item in page.caption)


def test_the_level_above_changes_no_loss(page):
    before = [item.value for item in page.metric]
    page.segmented_control(key="level").set_value("prediction").run()
    assert [item.value for item in page.metric] == before


def test_a_target_without_labels_is_told_by_predictions(page, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/street.jpg").write_bytes(encode_jpeg(picture()))
    page.session_state["choices"]["target"] = Choice(str(tmp_path), "street")
    page.segmented_control(key="loss_bars").set_value("gradient").run()
    assert not page.exception
    assert any("Classes of the target by prediction" in item.value for item in page.caption)


def test_losses_are_kept_by_content(page, monkeypatch):
    monkeypatch.setattr("app.state.losses.write_ledger", lambda *_: pytest.fail("computed anew"))
    page.pills(key="loss_term").set_value("lovasz").run()
    page.number_input(key="loss_weight_lovasz").set_value(2.0).run()
    assert not page.exception


@pytest.fixture
def findings() -> LossFindings:
    return LossFindings(*(write_ledger(make_pair(3), make_classifier(), AssociationConfig(alpha=alpha)) for alpha in (0.5, 0.0)))


def test_both_images_have_the_same_buttons_whatever_is_looked_at(findings):
    space = LabelSpace("four", ("road", "sky", "tree", "car"), ((0, 0, 0),) * 4)
    for pick in PICKS:
        view = look(findings, pick, LossWeights(), is_on=True)
        layers = loss_layers(view.now, *view.readings, {"paid": "by others", "gradient": "elsewhere"}, make_pair(3), space)
        names = {side: [layer.title for layer in layers if layer.side == side] for side in ("source", "target")}
        assert names["source"] == names["target"]
        empty = {(layer.side, layer.name) for layer in layers if layer.values is None}
        reaches_target = pick in ("all", "associations", "feature_association", "prediction_association", "target_smoothing")
        assert (("target", "gradient_on") in empty) == (not reaches_target)
        assert (("source", "paid") in empty) == (pick == "target_smoothing")


def test_difference_is_grey_where_nothing_changes_and_orange_where_more_arrives(findings):
    space = LabelSpace("four", ("road", "sky", "tree", "car"), ((0, 0, 0),) * 4)
    view = look(findings, "feature_association", LossWeights(), is_on=True)
    layers = loss_layers(view.now, *view.readings, {"paid": "", "gradient": ""}, make_pair(3), space)
    layer = next(one for one in layers if (one.side, one.name) == ("target", "difference"))
    on, off = (reading.gradient["target"] for reading in view.readings)
    assert ((layer.values > 128) == (np.log2(on / off) > 0.02)).mean() > 0.95
    red, _, blue = BLUE_ORANGE[[255, 0]].T.astype(int)
    assert red[0] > blue[0]
    assert red[1] < blue[1]


def test_silence_names_what_is_missing(findings):
    assert find_silence(look(findings, "all", LossWeights(), is_on=True)) is None
    nothing = LossWeights(*[0.0] * 6)
    assert "weight 0" in find_silence(look(findings, "associations", nothing, is_on=False))
    assert set(FORMULAS) == set(TERMS)
    assert set(PICK_NAMES) == set(PICKS)


def test_the_curve_marks_where_it_passes_the_mean():
    first = (np.array([0.25, 0.5, 0.75, 1.0]), np.array([8.0, 2.0, 1.0, 0.0]), 0.75)
    second = (np.array([0.25, 0.5, 0.75, 1.0]), np.array([3.0, 0.5, 0.5, 0.5]), 0.25)
    curve, mark, _, other_mark = spread_curves({"on": first, "off": second}, "target").data
    assert curve.y.tolist() == [8.0, 2.0, 1.0]  # a logarithm has no zero
    assert (mark.x, mark.y, mark.text) == ((0.75,), (1,), ("75.0%",))
    assert (mark.textposition, other_mark.textposition) == ("top right", "bottom left")


def test_a_source_without_any_labelled_pixel_says_so(page, tmp_path):
    for name, content in {
        "images/street.png": encode_png(picture()),
        "labels/street.png": encode_png(np.full(picture().shape[:2], IGNORE_INDEX, np.uint8)),
        "classes.json": (ROOT / "assets/streets/classes.json").read_bytes(),
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    page.session_state["choices"]["source"] = Choice(str(tmp_path), "street")
    page.run()
    assert not page.exception
    assert ledger(page)["pixels"].iloc[:4].tolist() == [0] * 4
    assert float(metric(page, "Weighted loss")) < 0  # smoothing alone
    for term, words in (("lovasz", "No source pixel is labelled"), ("associations", "No cycle closes")):
        page.pills(key="loss_term").set_value(term).run()
        assert not page.exception
        assert words in told(page)
