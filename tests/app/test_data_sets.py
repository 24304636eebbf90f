"""Data sets as downloaded on the pages: the part after a colon, names with slashes, the checkpoint's own class order."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from app.state import cache
from app.state.defaults import BUILT_IN_CHECKPOINT
from app.state.session import Choice
from pca_core.data import encode_png
from tests.app.pages import open_page
from tests.app.test_pages import picture
from tests.unit import miniatures
from tests.unit.test_cli_datasets import make_net

NAME = "frankfurt/frankfurt_000001_000019"


@pytest.fixture
def world(tmp_path, monkeypatch):
    """The command line names GTAV, the val part of Cityscapes and a net in the authors' order."""
    miniatures.make_gtav(tmp_path / "gtav")
    miniatures.make_cityscapes(tmp_path / "cityscapes")
    net = make_net(tmp_path / "net.safetensors", "plca-19")
    target = f"{tmp_path / 'cityscapes'}:val"
    arguments = ["main.py", "--source", str(tmp_path / "gtav"), "--target", target, "--checkpoint", str(net)]
    monkeypatch.setattr("sys.argv", arguments)
    return tmp_path


def test_a_name_with_slashes_is_in_the_address_and_comes_back(world):
    app = open_page("trace", target=NAME)
    assert app.session_state["choices"]["target"] == Choice(f"{world / 'cityscapes'}:val", NAME)
    assert not app.error
    assert any(item.label == "Cycle-consistent" for item in app.metric)
    assert app.query_params["target"] in (NAME, [NAME])


def test_thumbnails_and_choice(world):
    app = open_page("images")
    assert [button.key for button in app.button if str(button.key).startswith("target_use_")][-1] == f"target_use_{NAME}"
    app.button(key=f"target_use_{NAME}").click().run()
    assert app.session_state["choices"]["target"].name == NAME
    app.text_input(key="target_folder_field").set_value(f"{world / 'cityscapes'}:test")
    next(button for button in app.button if button.key and "target_open" in str(button.key)).click().run()
    assert app.session_state["target_folder"] == f"{world / 'cityscapes'}:test"
    app.text_input(key="target_folder_field").set_value(str(world / "cityscapes/leftImg8bit"))
    next(button for button in app.button if button.key and "target_open" in str(button.key)).click().run()
    assert "Did you mean" in app.error[0].value
    assert app.session_state["target_folder"] == f"{world / 'cityscapes'}:test"


def test_images_that_come_and_go_are_seen(world):
    from app.state import cache

    where, city = f"{world / 'cityscapes'}:val", world / "cityscapes/leftImg8bit/val/frankfurt"
    assert len(cache.get_dataset(where, "target").names) == 2
    shutil.copy(city / "frankfurt_000001_000019_leftImg8bit.png", city / "frankfurt_000002_000019_leftImg8bit.png")
    assert len(cache.get_dataset(where, "target").names) == 3
    assert cache.get_dataset(where, "target") is cache.get_dataset(where, "target")


@pytest.fixture
def plain(tmp_path):
    """A folder of images with Cityscapes label ids and nothing that says so."""
    for part in ("images", "labels"):
        (tmp_path / "mine" / part).mkdir(parents=True)
    (tmp_path / "mine/images/street.png").write_bytes(encode_png(picture()))
    ids = np.full(picture().shape[:2], 23, np.uint8)  # sky
    ids[40:], ids[:, :10] = 7, 3  # road; out of roi
    (tmp_path / "mine/labels/street.png").write_bytes(encode_png(ids))
    return tmp_path / "mine", ids


def test_what_label_ids_of_a_folder_are_can_be_said_where_nothing_says_it(plain):
    folder, ids = plain
    app = open_page("images")
    app.text_input(key="source_folder_field").set_value(str(folder))
    next(button for button in app.button if button.key and "source_open" in str(button.key)).click().run()
    assert "Nothing says what the label ids of mine stand for" in app.warning[0].value
    assert not app.error
    assert app.session_state["source_folder"] != str(folder)
    app.selectbox(key=f"source_ids {folder}").select("label_ids").run()
    assert not app.exception
    assert not app.error
    assert not app.warning
    assert app.session_state["source_folder"] == str(folder)
    app.button(key="source_use_street").click().run()
    assert app.query_params["source_ids"] in ("label_ids", ["label_ids"])
    app.selectbox(key=f"source_ids {folder}").select("").run()  # cannot be: it stays as it was
    assert app.error
    assert app.session_state["source_folder"] == str(folder)

    space = cache.get_checkpoint(str(BUILT_IN_CHECKPOINT)).label_space
    label = cache.read_sample(str(folder), "source", "street", "error", space, "label_ids").label
    road, sky = (space.class_names.index(name) for name in ("road", "sky"))
    np.testing.assert_array_equal(label, np.select([ids == 7, ids == 23], [road, sky], 255))


def test_an_address_says_what_label_ids_are(plain, monkeypatch):
    monkeypatch.setattr("sys.argv", ["main.py", "--source", str(plain[0])])
    app = open_page("trace", source_ids="label_ids")
    assert not app.error
    assert not app.warning
    assert app.session_state["choices"]["source"] == Choice(str(plain[0]), "street")
    assert "The built-in images are shown instead" in open_page("trace", source_ids="nonsense").warning[0].value


def test_built_in_streets_say_what_their_ids_are():
    app = open_page("images")
    assert not [one for one in app.selectbox if "_ids " in str(one.key)]
