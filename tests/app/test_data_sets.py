"""Data sets as downloaded on the pages: the part after a colon, names with slashes, the checkpoint's own class order."""

from __future__ import annotations

import shutil

import pytest

from app.state.session import Choice
from tests.app.pages import open_page
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
