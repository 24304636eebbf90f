"""An address leads back to what was seen, says so where it cannot, and opens nothing that was not opened before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.state import address, switches
from app.state.session import BUILT_IN, BUILT_IN_CHECKPOINT
from pca_core import AssociationConfig
from pca_core.data import FolderDataset, encode_jpeg
from pca_core.models import load_checkpoint, save_checkpoint
from tests.app.pages import open_page
from tests.app.test_pages import SECONDS, picture, sentences
from tests.conftest import ROOT


def open_app(**told: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=SECONDS)
    for name, value in told.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def make_folder(root: Path) -> Path:
    (root / "images").mkdir(parents=True)
    for name in ("a", "b"):
        (root / f"images/{name}.jpg").write_bytes(encode_jpeg(picture(ord(name))))
    return root


def test_the_address_brings_the_switches_back():
    app = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=SECONDS)
    for name, value in {
        "level": "prediction",
        "alpha": "0.25",
        "top_k": "3",
        "mutual": "True",
        "pixel": "source-" + "9" * 5000,
    }.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    assert app.number_input(key="top_k").value == 3
    assert app.slider(key="alpha").value == 0.25
    assert app.toggle(key="mutual").value
    assert app.session_state["config"].level == "prediction"


def test_a_folder_and_a_net_opened_here_come_back(tmp_path):
    folder = str(make_folder(tmp_path / "mine"))
    net = tmp_path / "other.safetensors"
    net.write_bytes(BUILT_IN_CHECKPOINT.read_bytes())
    app = open_app()
    choices = app.session_state["choices"]
    choices["target"] = type(choices["target"])(folder, "b")
    app.session_state["checkpoint"] = str(net)
    app.run()
    told = {name: values[0] if isinstance(values, list) else values for name, values in app.query_params.items()}
    assert not any("/" in value for value in told.values())  # no path leaves the server
    again = open_app(**told)
    assert (again.session_state["choices"]["target"].folder, again.session_state["choices"]["target"].name) == (folder, "b")
    assert again.session_state["checkpoint"] == str(net)
    assert not sentences(again)


@pytest.mark.parametrize("place", ["/etc", "../..", "0123456789", "x" * 5000], ids=["path", "dots", "unknown", "long"])
def test_an_address_opens_no_folder_and_no_file_of_its_own(place, tmp_path):
    app = open_app(source_from=place, net=place)
    assert app.session_state["choices"]["source"].folder == str(BUILT_IN["source"])
    assert app.session_state["checkpoint"] == str(BUILT_IN_CHECKPOINT)
    assert [item.value.partition(" that ")[0] for item in app.warning] == [
        "The address names a checkpoint",
        "The address names a source folder",
    ]
    assert not app.error


def test_uploads_do_not_outlive_their_session_and_that_is_said():
    first = FolderDataset(BUILT_IN["target"]).names[0]
    app = open_app(target="my street 123456", target_from="upload")
    assert app.session_state["choices"]["target"].name == first
    assert len(app.warning) == 1
    assert "uploads live with the session" in sentences(app)
    app.run()
    assert not app.warning  # said once


def test_an_image_that_is_gone_is_named():
    app = open_app(source="*gone*")
    assert "There is no source image \\*gone\\*" in sentences(app)
    assert app.session_state["choices"]["source"].name == FolderDataset(BUILT_IN["source"]).names[0]


@pytest.mark.parametrize("pixel", ["", "source", "source--1", "elsewhere-3", "target-x", "source-" + "9" * 5000])
def test_what_is_no_pixel_is_none(pixel):
    assert address.read_pixel({"pixel": pixel}) is None


def test_pixel_and_switches_are_read_as_written():
    assert address.read_pixel({"pixel": "target-17"}) == ("target", 17)
    config = AssociationConfig(level="prediction", alpha=0.25, top_k=4, mutual=True)
    assert address.read_config(address.describe_config(config)) == config
    assert address.describe_config(AssociationConfig()) == {}
    assert address.read_config({"alpha": "7", "top_k": "many", "level": "feature"}) == AssociationConfig()


@pytest.mark.parametrize("told", ["100000", "51", "0", "-3", "9" * 5000, "2.5"])
@pytest.mark.parametrize("page", ["trace", "losses"])
def test_more_candidates_than_the_page_offers_are_the_usual_number(page, told):
    app = open_page(page, top_k=told, alpha="0.35")
    assert app.number_input(key="top_k").value == 1
    assert app.slider(key="alpha").value == 0.35  # what can be read is
    assert not app.error
    assert "top_k" not in app.query_params


def test_as_many_candidates_as_the_page_offers_can_be_told():
    assert address.read_config({"top_k": str(address.MAX_TOP_K)}).top_k == address.MAX_TOP_K
    app = open_page("trace", top_k=str(address.MAX_TOP_K))
    assert app.number_input(key="top_k").value == app.number_input(key="top_k").max == address.MAX_TOP_K


@pytest.mark.parametrize("page", ["trace", "associations", "aggregation", "segmentation", "features", "losses"])
def test_more_candidates_than_there_are_target_pixels_are_one_sentence_and_can_be_lowered(page, tmp_path):
    net = tmp_path / "small.safetensors"
    save_checkpoint(net, replace(load_checkpoint(BUILT_IN_CHECKPOINT), short_side=16))
    app = open_page(page, top_k="50", net=address.name_path(str(net)))
    assert "the number of target pixels (32), got 50. Take fewer candidates k" in sentences(app)
    app.number_input(key="top_k").set_value(32).run()
    assert not app.exception
    assert not app.error


def test_switches_of_pages_not_opened_yet_stay_in_the_address_and_nothing_else_does():
    app = open_app(aggregation_map="entropy", utm="x", source_from_x="a" * 500, **{"x_" + "y" * 99: "1"})
    assert app.query_params["aggregation_map"] == "entropy"
    assert set(app.query_params) == {"aggregation_map", "source", "target"}


NONSENSE = {
    "losses": {"loss_term": "zzz", "loss_bars": "zzz", "loss_weight_lovasz": "nan", "loss_aggregation": "maybe"},
    "associations": {
        **{"pairs_class": "road,zzz", "pairs_verdict": "zzz", "pairs_lines": "7", "pairs_clear": "500"},
        **{"pairs_with": "zzz", "pairs_cell": "0-999", "pairs_flow": "zzz", "pairs_tab": "99"},
    },
    "features": {"feature_method": "umap", "feature_colour": "", "feature_length": "zzz"},
}


@pytest.mark.parametrize("page", NONSENSE)
def test_what_a_page_refuses_does_not_stay_in_the_address(page):
    app = open_page(page, losses_term="zzz", pairs_x="1", features_map="umap", aggregation_map="entropy", **NONSENSE[page])
    assert app.query_params["aggregation_map"] == "entropy"  # of a page not opened yet
    left = {name: app.query_params[name] for name in app.query_params if name not in ("source", "target", "aggregation_map")}
    assert left == ({"pairs_tab": "3"} if page == "associations" else {})  # a number goes to the nearer end


def test_a_switch_that_is_not_in_the_list_is_a_mistake():
    with pytest.raises(KeyError, match="losses_term is no switch"):
        switches.remember("losses_term", "all", "all")


def test_the_link_tells_what_it_leaves_behind():
    def page():
        import streamlit as st

        from app.state import session, uploads

        session.start({})
        session.choose("target", session.UPLOADS, "mine")
        st.text(uploads.tell_missing_from_link())

    assert "Uploaded images stay in this session" in AppTest.from_function(page).run().text[0].value
