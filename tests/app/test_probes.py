"""Probes without a browser: kept, named, removed, in the address, and never beyond the images."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from app.state import probes
from app.state.probes import MAX_PROBES, Probe
from tests.app.test_address import open_app
from tests.app.test_pages import sentences

PIXELS = 64 * 128


def told(app: AppTest) -> str:
    values = app.query_params.get("probes", [""])
    return values[0] if isinstance(values, list) else values


def kept(app: AppTest) -> list[tuple[str, int, str]]:
    return [(probe.side, probe.index, probe.name) for probe in app.session_state["probes"]]


def test_a_pinned_pixel_is_kept_named_and_let_go():
    app = open_app(pixel="source-4000")
    field = app.text_input(key="probe_name_source_4000")
    assert field.placeholder == "source car (31, 32)"
    field.set_value("  left ~ wheel\n").run()
    app.button(key="probe_keep_button").click().run()
    assert kept(app) == [("source", 4000, "left wheel")]
    assert told(app) == "s4000.left wheel"
    assert app.button(key="probe_keep_button").disabled  # it is one already
    app.text_input(key="probe_rename_source_4000").set_value("").run()
    assert told(app) == "s4000"
    app.button(key="probe_remove_0").click().run()
    assert kept(app) == []
    assert told(app) == ""
    assert not app.exception


def test_going_to_a_probe_pins_its_pixel():
    app = open_app(pixel="source-4000", probes="t3000~s5555")
    app.button(key="probe_go_0").click().run()
    assert app.session_state["pixel"] == ("target", 3000)
    assert app.session_state["pixels_before"] == [("source", 4000)]  # so that Z goes back
    assert any("target pixel (23, 56)" in item.value for item in app.markdown)


def test_six_can_be_kept_and_the_seventh_is_refused_in_words():
    app = open_app(pixel="source-1", probes="~".join(f"s{index}" for index in range(10, 10 + MAX_PROBES)))
    assert len(kept(app)) == MAX_PROBES
    assert app.button(key="probe_keep_button").disabled
    assert any("6 places are taken" in item.value for item in app.caption)


@pytest.mark.parametrize(
    ("address", "left", "said"),
    [
        ("s4000~x~s5.a", [("source", 4000, ""), ("source", 5, "a")], "One probe was left out"),
        (f"s{PIXELS}~t{PIXELS - 1}~s{'9' * 500}", [("target", PIXELS - 1, "")], "2 probes were left out"),
        ("s7~s7.again", [("source", 7, "")], "One probe was left out"),
        ("~".join(f"s{index}" for index in range(9)), [("source", index, "") for index in range(6)], "3 probes were left out"),
        ("s1~s2.![x](http://192.0.2.1/x.png)", [("source", 1, ""), ("source", 2, "![x](http://192.0.2.1/x.png)")], ""),
    ],
    ids=["no probe", "outside the images", "told twice", "too many", "a name of markup"],
)
def test_an_address_brings_back_only_what_is_a_probe(address, left, said):
    app = open_app(probes=address)
    assert kept(app) == left
    assert len(app.warning) == (1 if said else 0)
    assert said in sentences(app)
    app.run()
    assert not app.warning  # said once


def test_names_stay_text():
    app = open_app(probes="s2.<img src=x onerror=alert(1)>")
    row = next(item.proto.body for item in app.get("html") if "&lt;img" in item.proto.body)
    assert "<img" not in row


def test_another_image_takes_the_probes_of_its_own_side_only():
    def page():
        from app.state import session

        session.start({})
        chosen = session.get_choice("target")
        session.choose("target", chosen.folder, chosen.name)

    app = AppTest.from_function(page)
    app.query_params["probes"] = "s4000~t3000"
    app.run()
    assert kept(app) == [("source", 4000, "")]
    assert told(app) == "s4000"


@pytest.mark.parametrize(
    ("text", "name"),
    [("", ""), (" a\t b\n", "a b"), ("x" * 500, "x" * 40), ("a~b", "a b"), ("\u202eabc\x00", "abc")],
)
def test_names_are_one_short_line(text, name):
    assert probes.clean_name(text) == name


def test_probes_are_read_as_written(monkeypatch):
    wanted = (Probe("source", 1, "a.b"), Probe("target", 22), Probe("source", 3, "c d, (e)"))
    monkeypatch.setattr(probes, "list_probes", lambda: wanted)
    assert probes.read_probes(probes.describe()) == (wanted, 0)
