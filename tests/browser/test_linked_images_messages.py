"""What the linked images send and accept, without a browser."""

from __future__ import annotations

import numpy as np
import pytest

from app.components.linked_images import ImagePane, Layer, Marker, events
from app.components.linked_images.payload import pack_images, pack_overlay, read_header


def make_panes() -> dict[str, ImagePane]:
    image = np.full((8, 16, 3), 90, np.uint8)
    return {side: ImagePane(side, image, (2, 4)) for side in ("source", "target")}


def test_equal_content_gives_equal_messages_with_shared_sections() -> None:
    panes = make_panes()
    values = np.arange(8, dtype=np.uint8).reshape(2, 4)
    layers = [Layer("heat", "Heat", side, values) for side in ("source", "target")]
    first, second = (pack_overlay(panes, images_hash="x", layers=layers) for _ in range(2))
    assert first == second
    assert len(read_header(first)["sections"]) == 2  # one map and one palette, though there are two layers
    assert first[-8 - 1024 : -1024] == bytes(range(8))
    assert pack_images(**panes) == pack_images(**make_panes())
    changed = pack_overlay(panes, images_hash="x", layers=[Layer("heat", "Heat", "source", values[::-1])])
    assert read_header(changed)["hash"] != read_header(first)["hash"]


def test_marker_outside_its_grid_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Marker 8 lies outside the source grid of 2 x 4 .*\(0 to 7\)"):
        pack_overlay(make_panes(), images_hash="x", markers=[Marker("source", 8, "query")])


def test_a_layer_without_values_keeps_its_button_and_cannot_be_shown() -> None:
    absent = Layer("heat", "Heat", "source", None, reason="not here")
    header = read_header(pack_overlay(make_panes(), images_hash="x", layers=[absent], scene="target"))
    assert (header["layers"][0]["values"], header["layers"][0]["reason"], header["scene"]) == (None, "not here", "target")
    with pytest.raises(ValueError, match="active_layer names 'heat' on the source side, which has no layers"):
        pack_overlay(make_panes(), images_hash="x", layers=[absent], active_layer={"source": "heat"})


@pytest.mark.parametrize(
    "value",
    [
        None,
        "source",
        {"side": "elsewhere", "index": 1, "serial": 1},
        {"side": "source", "index": 8, "serial": 1},  # one past the last pixel
        {"side": "source", "index": "1", "serial": 1},
        {"side": "source", "index": 1},
    ],
)
def test_what_is_no_pixel_is_no_event(value) -> None:
    assert events.read_pixel(value, make_panes()) is None


def test_an_event_is_new_once(monkeypatch) -> None:
    monkeypatch.setattr(events.st, "session_state", {})
    assert [events.is_new("pair", "handled", serial) for serial in (7, 7, 8)] == [True, False, True]
    assert events.is_new("pair", "returned", 8)
