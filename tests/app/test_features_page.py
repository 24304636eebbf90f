"""The Features page without a browser: switches change the numbers, and the page says what they are."""

from __future__ import annotations

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.components.linked_images import RegionEvent
from app.state import features
from app.state.session import Choice
from pca_core.analysis.domain_gap import measure_gap
from pca_core.analysis.embedding import sample_pixels
from pca_core.analysis.projection import aggregate_target
from pca_core.data import encode_jpeg
from tests.app.pages import open_page
from tests.app.test_pages import metric, picture

NUMBERS = {"Proxy A-distance": "proxy_a_distance", "MMD²": "mmd", "Fréchet distance": "frechet"}


def said(app: AppTest) -> str:
    return " ".join(item.value for item in app.caption)


def table(app: AppTest):
    return next(item.value for item in app.dataframe if "Distance of centroids" in item.value)


def shown(app: AppTest) -> dict[str, str]:
    return {label: metric(app, label) for label in NUMBERS}


def of_core(pair) -> dict[str, str]:
    gap = measure_gap(pair, sample_pixels(pair), 11)
    return {label: f"{getattr(gap, name):.3f}" for label, name in NUMBERS.items()}


def test_numbers_are_the_cores_plain_and_aggregated(analysis):
    app = open_page("features")
    plain = shown(app)
    assert plain == of_core(analysis.pair)
    assert {item.delta for item in app.metric} == {"plain features", "three components"}
    app.toggle(key="feature_aggregated").set_value(True).run()
    assert shown(app) == of_core(aggregate_target(analysis.pair, analysis.config)) != plain
    change = next(item.delta for item in app.metric if item.label == "MMD²")
    assert float(change) == pytest.approx(float(metric(app, "MMD²")) - float(plain["MMD²"]), abs=0.0011)
    app.slider(key="alpha").set_value(0.0).run()
    assert app.toggle(key="feature_aggregated").disabled
    assert shown(app) == plain
    assert not app.exception


def test_classes_far_apart_come_first():
    frame = table(open_page("features"))
    assert len(frame) >= 8
    assert frame["Distance of centroids"].is_monotonic_decreasing
    assert (frame[["Source pixels", "Target pixels"]] > 0).all(axis=None)


def test_length_changes_the_colours_alone():
    app = open_page("features")
    before, explained = shown(app), metric(app, "Colours explain")
    app.segmented_control(key="feature_length").set_value("full").run()
    assert metric(app, "Colours explain") != explained
    assert shown(app) == before


@pytest.mark.parametrize("colouring", ["class", "domain", "verdict"])
@pytest.mark.parametrize("method", ["pca", "tsne", "spectral"])
def test_every_map_under_every_colouring(method, colouring):
    app = open_page("features", feature_method=method, feature_colour=colouring)
    assert app.segmented_control(key="feature_method").value == method
    assert app.segmented_control(key="feature_colour").value == colouring
    assert "1,400 pixels" in said(app)


def test_a_selection_is_told_and_can_be_let_go(analysis):
    app = open_page("features")
    assert app.button(key="feature_clear").disabled
    sample = sample_pixels(analysis.pair)
    places = np.flatnonzero(sample.classes == 8)[:5]
    app.session_state[features._SELECTED] = (pair_key(app), places)
    app.run()
    on_target = int(sample.is_target[places].sum())
    assert f"5 of 1,400 selected, {5 - on_target} source and {on_target} target: 5 car." in said(app)
    app.button(key="feature_clear").click().run()
    assert "selected," not in said(app)


def pair_key(app: AppTest) -> str:
    """Of the pair on the page: part of the key of its findings."""
    kept = {}

    def look(found, *drawn):
        kept["key"] = found.key.split()[0]
        return name(found, *drawn)

    name, features.name_map = features.name_map, look
    try:
        app.run()
    finally:
        features.name_map = name
    return kept["key"]


def test_a_selection_belongs_to_its_pair():
    app = open_page("features")
    app.session_state[features._SELECTED] = ("another pair", np.arange(5))
    app.run()
    assert "selected," not in said(app)
    assert not app.exception


def test_a_rectangle_holds_its_own_side_and_edges(analysis):
    sample, pane = sample_pixels(analysis.pair), type("Pane", (), {"grid": (64, 128)})
    pair = type("Pair", (), {"panes": (pane, pane)})
    event = RegionEvent("target", 10, 20, 30, 40, 1)
    expected = [
        is_target and 10 <= index // 128 <= 30 and 20 <= index % 128 <= 40
        for is_target, index in zip(sample.is_target, sample.index, strict=True)
    ]
    assert features._inside(event, pair, sample).tolist() == expected
    assert 0 < sum(expected) < len(expected)


def test_a_target_without_labels_says_so(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/street.jpg").write_bytes(encode_jpeg(picture()))
    app = open_page("features")
    app.session_state["choices"]["target"] = Choice(str(tmp_path), "street")
    app.run()
    assert not app.exception
    assert "Predictions stand in for the labels of the target" in said(app)
    assert any("(by predictions)" in item.value for item in app.markdown)
