"""Two linked images on canvases: layers, markers, arrows, hover, zoom and pixel clicks, all drawn in the browser.

The images travel in a message of their own, mounted beside the viewer: Streamlit does not send an unchanged message
again, so a click moves only the overlay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import streamlit as st

from app.components.linked_images.events import is_new, make_receivers, read_pixel
from app.components.linked_images.payload import pack_features, pack_images, pack_overlay, read_header
from app.components.linked_images.types import (
    SIDES,
    UNLABELLED,
    VIRIDIS,
    ImagePane,
    Layer,
    LineSet,
    Link,
    LinkKind,
    Marker,
    MarkerKind,
    PixelEvent,
    RegionEvent,
    Side,
    Swatch,
)

__all__ = [
    "SIDES",
    "UNLABELLED",
    "VIRIDIS",
    "ImagePane",
    "Layer",
    "LineSet",
    "Link",
    "LinkKind",
    "Marker",
    "MarkerKind",
    "PixelEvent",
    "RegionEvent",
    "Side",
    "Swatch",
    "linked_images",
    "pack_features",
    "pack_images",
]

_FOLDER = Path(__file__).parent
_SCRIPTS = (
    *("view.js", "live.js", "payload.js", "panes.js", "lines.js", "wires.js", "markers.js", "region.js"),
    *("controls.js", "input.js", "look.js", "linked_images.js"),
)
_JS = "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in _SCRIPTS)
_CSS = "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in ("linked_images.css", "controls.css"))

_PANE = """
<div class="li-title" data-side="{side}"><span class="li-name"></span><span class="li-size"></span></div>
<div class="li-frame" data-side="{side}"><canvas data-side="{side}" tabindex="0" role="application"></canvas></div>
<div class="li-status" data-side="{side}"></div>
<div class="li-layers" data-side="{side}"><div class="li-choice" role="group"></div><div class="li-legends"></div></div>
"""
_HTML = (
    '<div class="li-root" data-ready="false" data-serial="0"><div class="li-stage">'
    + "".join(_PANE.format(side=side) for side in SIDES)
    + """
<canvas class="li-wires" aria-hidden="true"></canvas>
<div class="li-help" role="note" hidden></div>
</div>
<div class="li-bar">
  <button type="button" class="li-live" data-do="live" aria-pressed="false"
    title="Show what the pixel under the cursor resembles, at once (L)">Live</button>
  <label class="li-opacity">Overlay <input type="range" min="0" max="100" step="5" aria-label="Overlay opacity">
    <output></output></label>
  <div class="li-key"></div>
  <div class="li-zoom" role="group" aria-label="Zoom">
    <button type="button" data-do="out" aria-label="Zoom out">−</button><output>1×</output>
    <button type="button" data-do="in" aria-label="Zoom in">+</button>
    <button type="button" data-do="reset">Reset</button>
    <button type="button" data-do="help" aria-label="Keys" aria-expanded="false">?</button>
  </div>
</div>
<div class="li-fidelity"></div>
<div class="li-spoken" aria-live="polite"></div></div>
"""
)

# Equal scripts are one module in the browser: the store hands its decoded images to the viewer there.
_store = st.components.v2.component("cyclelens_image_store", js=_JS)
_viewer = st.components.v2.component("cyclelens_linked_images", html=_HTML, css=_CSS, js=_JS)


def linked_images(  # noqa: PLR0913 (a mount takes everything by keyword, like Streamlit's own elements)
    source: ImagePane,
    target: ImagePane,
    *,
    key: str,
    layers: Sequence[Layer] = (),
    markers: Sequence[Marker] = (),
    links: Sequence[Link] = (),
    lines: LineSet | None = None,
    packed_images: bytes | None = None,
    packed_features: bytes | None = None,
    active_layer: Mapping[Side, str | None] | None = None,
    scene: str = "",
    opacity: float = 0.6,
    is_mutual: bool = False,
    on_pixel: Callable[[PixelEvent], None] | None = None,
    on_clear: Callable[[], None] | None = None,
    on_undo: Callable[[], None] | None = None,
    on_region: Callable[[RegionEvent], None] | None = None,
    on_layer: Callable[[Side, str | None], None] | None = None,
) -> PixelEvent | None:
    """Show two images side by side and return the pixel that was just clicked, once.

    Args:
        source: Left (or upper) image.
        target: Right (or lower) image.
        key: Streamlit key; also the prefix of what is kept in the session.
        layers: Maps to choose from; each side shows one of its own, or none.
        markers: Highlighted feature pixels.
        links: Arrows between feature pixels.
        lines: Thousands of thin lines, in a picture of their own below the arrows.
        packed_images: ``pack_images(source, target)``, if the caller caches it.
        packed_features: ``pack_features(...)``: the browser then shows similarities under the cursor at once, by itself.
        active_layer: Layer name per side, or None for no layer. It wins over the choice in the browser only when it
            differs from the previous run of the same scene.
        scene: What kind of picture this is, e.g. on which side the pixel lies: the browser keeps a choice of layers for each.
        opacity: Of the layers, 0-1, at first; the reader's slider wins afterwards until this value changes.
        is_mutual: Whether a cycle counts only when it ends on the very pixel it began on; for the cycle under the cursor.
        on_pixel: Called with each click before the script runs, like every Streamlit callback.
        on_clear: Called when a person pressed Escape.
        on_undo: Called when a person pressed Z.
        on_region: Called with a rectangle that a person drew with Shift held down; without it none can be drawn.
        on_layer: Called with side and layer name after a choice in the browser. Without it, choices stay there and
            cost no rerun.

    Returns:
        The click of this run, or None; a rerun for another reason never repeats it.

    Raises:
        ValueError: If a marker or link lies outside its grid, or ``active_layer`` names an unknown layer.
    """
    panes: dict[Side, ImagePane] = {"source": source, "target": target}
    images = pack_images(source, target) if packed_images is None else packed_images
    overlay = pack_overlay(
        panes,
        images_hash=read_header(images)["hash"],
        features_hash=None if packed_features is None else read_header(packed_features)["hash"],
        layers=layers,
        markers=markers,
        links=links,
        lines=lines,
        active_layer=active_layer,
        scene=scene,
        opacity=opacity,
        reports_layer=on_layer is not None,
        takes_regions=on_region is not None,
        is_mutual=is_mutual,
    )

    receivers = make_receivers(
        key,
        panes,
        layers,
        {"pixel": on_pixel, "clear": on_clear, "undo": on_undo, "region": on_region, "layer": on_layer},
    )
    with st.container(gap=None):
        _store(data=images, key=f"{key}--images")
        if packed_features is not None:
            _store(data=packed_features, key=f"{key}--features")
        result = _viewer(data=overlay, key=key, **receivers)
    event = read_pixel(result.get("pixel"), panes)
    return event if event is not None and is_new(key, "returned", event.serial) else None
