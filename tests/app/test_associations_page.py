"""The Associations page without a browser: switches and filters change the numbers, and the page says what they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from streamlit.testing.v1 import AppTest

from app.figures.flow import clickable_flow
from app.layers.associations import pair_lines
from app.state.session import Choice
from app.views.changes import describe_change
from app.views.tables import show_margin
from pca_core.analysis.pairs import list_pairs, thin_pairs
from pca_core.association import PairAnalysis
from pca_core.data import LABEL_SPACES, encode_jpeg
from pca_core.figures.drawing import show_matrix
from pca_core.render import NO_PIXELS
from pca_core.types import FeaturePair
from tests.app.pages import change, open_page
from tests.app.test_pages import metric, picture, sentences


@pytest.fixture
def associations() -> AppTest:
    return open_page("associations")


def said(app: AppTest) -> str:
    return next(item.value for item in app.caption if "pairs pass" in item.value)


def number_passing(app: AppTest) -> int:
    return int(said(app).split("**")[1].replace(",", ""))


def reference(app: AppTest) -> list[str]:
    return app.segmented_control(key="pairs_with").options


def test_opens_on_every_pair_with_deltas_beside_aggregation_off(associations):
    assert "**8,192** of 8,192 pairs pass; 1,000 drawn" in said(associations)
    now = float(metric(associations, "Coverage").rstrip("%"))
    associations.slider(key="alpha").set_value(0.0).run()
    without = float(metric(associations, "Coverage").rstrip("%"))
    associations.slider(key="alpha").set_value(0.5).run()
    assert float(change(associations, "Coverage")) == pytest.approx(now - without, abs=0.11)
    assert not sentences(associations)


@pytest.mark.parametrize(("change", "shown"), [("+43.2", "+43.2"), ("-0.3", "-0.3"), ("-0.0", "0.0"), ("+0", "0")])
def test_a_change_that_rounds_to_nothing_is_neither_better_nor_worse(change, shown):
    keywords = describe_change(change, "inverse")
    assert keywords["delta"] == shown
    assert keywords["delta_color"] == ("off" if float(shown) == 0 else "inverse")
    assert ("delta_arrow" in keywords) == (float(shown) == 0)


@pytest.mark.parametrize(
    ("margin", "shown"),
    [(0.04427, "0.0443"), (0.001, "0.0010"), (0.000123, "0.00012"), (3.21e-6, "3.2e-06"), (0.0, "0"), (float("inf"), "–")],
)
def test_a_tiny_margin_is_no_zero(margin, shown):
    assert show_margin(margin) == shown


def test_few_lines_are_clear_and_thousands_hide_nothing():
    height, width = 50, 100
    ids = torch.zeros(height, width, dtype=torch.int64)
    features = torch.randn(8, height, width, generator=torch.Generator().manual_seed(0))
    pairs = list_pairs(PairAnalysis(FeaturePair(features, features, ids)))
    space = LABEL_SPACES["camvid-11"]
    opacity = [pair_lines(thin_pairs(pairs, count), "verdict", space).opacity for count in (15, 200, 1000, 5000)]
    assert opacity == sorted(opacity, reverse=True)
    assert opacity[0] > 0.6
    assert opacity[-1] < 0.1


def test_the_reference_follows_the_switches(associations):
    usual = associations.segmented_control(key="pairs_with")
    assert usual.value == "usual"
    assert reference(associations)[0] == "aggregation off"
    associations.segmented_control(key="level").set_value("prediction").run()
    assert reference(associations)[:3] == ["the paper's settings", "aggregation off", "feature level"]
    assert associations.segmented_control(key="pairs_with").value == "usual"
    beside_paper = change(associations, "Pairs")
    associations.segmented_control(key="pairs_with").set_value("level").run()
    assert change(associations, "Pairs") == beside_paper  # that is the paper's here
    associations.segmented_control(key="pairs_with").set_value("aggregation").run()
    assert change(associations, "Pairs") != beside_paper
    associations.segmented_control(key="level").set_value("feature").run()  # "aggregation" is the usual one again
    assert not associations.exception
    assert change(associations, "Pairs") is not None


def test_mutual_is_told_beside_not_mutual(associations):
    all_pairs = int(metric(associations, "Pairs").replace(",", ""))
    associations.toggle(key="mutual").set_value(True).run()
    mutual = int(metric(associations, "Pairs").replace(",", ""))
    assert int(change(associations, "Pairs").replace(",", "")) == mutual - all_pairs < 0


def test_verdicts_share_out_the_pairs(associations):
    numbers = []
    for verdict in ("consistent", "inconsistent", "unlabelled"):
        associations.segmented_control(key="pairs_verdict").set_value(verdict).run()
        numbers.append(number_passing(associations))
    assert sum(numbers) == 8192
    assert numbers[0] == int(metric(associations, "Pairs").replace(",", ""))


def test_opens_on_a_telling_pair_and_says_so(associations):
    assert any(
        "For a start, one telling pair" in item.value and "goes to target pixel" in item.value for item in associations.caption
    )
    pinned = open_page("associations", pixel="source-4000")
    assert not any("For a start" in item.value for item in pinned.caption)


def test_every_filter_narrows(associations):
    before = number_passing(associations)
    for widget, value in (
        (associations.multiselect(key="pairs_class"), ["car", "building"]),
        (associations.segmented_control(key="pairs_truth"), "wrong"),
        (associations.slider(key="pairs_clear"), 50),
        (associations.segmented_control(key="pairs_verdict"), "consistent"),
    ):
        widget.set_value(value).run()
        assert 0 < number_passing(associations) < before
        before = number_passing(associations)
    assert "margin ≥" in said(associations)


def test_lines_are_at_most_as_many_as_asked_for(associations):
    for count, drawn in (("0", "0 drawn"), ("200", "200 drawn"), ("5000", "5,000 drawn")):
        associations.segmented_control(key="pairs_lines").set_value(count).run()
        assert said(associations).endswith(f"; {drawn}.")


def test_a_cell_of_the_address_lists_its_pairs():
    app = open_page("associations", pairs_cell="1-0", pairs_flow="label")
    assert ", building → sky;" in said(app)
    table = next(item.value for item in app.dataframe if "Label of j*" in item.value)
    assert set(table["Label"]) == {"building"}
    assert set(table["Label of j*"]) == {"sky"}
    assert table["Margin"].is_monotonic_decreasing
    few = number_passing(app)
    assert len(table) == min(few, 200)
    app.button(key="pairs_all_cells").click().run()
    assert number_passing(app) == 8192


def test_a_class_without_pixels_says_so_in_its_row():
    counts = np.array([[2, 0], [0, 0]])
    figure = clickable_flow(counts, ["road", "car"], "Match", None)
    assert [(note.y, note.text) for note in figure.layout.annotations] == [(1, NO_PIXELS)]
    assert figure.data[1].text[2:] == (NO_PIXELS, NO_PIXELS)
    axes = Figure().subplots()
    show_matrix(axes, counts, ["road", "car"], "", "")
    assert [text.get_text() for text in axes.texts] == [NO_PIXELS, "100%"]


@pytest.mark.parametrize("cell", ["", "1", "99-0", "a-b", "1-2-3", "-1-0", "9" * 5000])
def test_what_is_no_cell_is_none(cell):
    assert number_passing(open_page("associations", pairs_cell=cell)) == 8192


def test_every_tab_shows_its_own():
    app = open_page("associations", pairs_cell="1-1")
    tables = []
    for tab in ("Similarity and margin", "Class by class", "Every switch"):
        app.session_state["pairs_tab"] = tab
        app.run()
        assert not app.exception
        tables.append([list(item.value.columns) for item in app.dataframe])
    assert tables[0] == []
    assert tables[1][0][:4] == ["Class", "pixels", "share", "rate"]
    switches = next(item.value for item in app.dataframe)
    assert list(switches["Setting"]) == ["now", *reference(app)]
    assert switches["Cycle-consistent"][0] == metric(app, "Cycle-consistent")


def test_a_target_without_labels_says_what_they_would_add(associations, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/street.jpg").write_bytes(encode_jpeg(picture()))
    associations.segmented_control(key="pairs_truth").set_value("right").run()
    associations.session_state["choices"]["target"] = Choice(str(tmp_path), "street")
    associations.run()
    assert not associations.exception
    assert metric(associations, "Correct") == "–"
    assert associations.segmented_control(key="pairs_truth").disabled
    assert number_passing(associations) == 8192
    assert any("With target labels" in item.value for item in associations.caption)
    assert associations.segmented_control(key="pairs_flow").options == ["Match, by prediction", "After the cycle"]


def test_mutual_only_tells_what_breaks_from_what_is_not_mutual():
    app = open_page("associations", mutual="True", pairs_verdict="not_mutual", pairs_tab="0")
    assert 0 < number_passing(app) < 8192
    table = next(item.value for item in app.dataframe if "Cycle" in item.value)
    assert set(table["Cycle"]) == {"✗ not mutual"}
    assert (table["After the cycle"] == table["Label"]).all()
    app.segmented_control(key="pairs_verdict").set_value("inconsistent").run()
    table = next(item.value for item in app.dataframe if "Cycle" in item.value)
    assert (table["After the cycle"] != table["Label"]).all()
    app.segmented_control(key="pairs_verdict").set_value("not_mutual").run()
    app.toggle(key="mutual").set_value(False).run()  # there is no such verdict any more
    assert not app.exception
    assert number_passing(app) == 8192
