"""What every page of a pair begins with and shares: the switches, the pair, the linked images, the pinned pixel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from app.components.linked_images import Layer, LineSet, Link, Marker, PixelEvent, RegionEvent, Side, linked_images
from app.controls import association_controls
from app.state import cache, session
from app.text import escape
from app.views.exporting import export_button
from pca_core.association import suggest_pixel
from pca_core.checks import InputError


def open_pair() -> cache.Pair | None:
    """Show the switches and open the chosen pair; where that cannot be, say why and how to go on, and return None."""
    for sentence in session.pop_start_errors():
        st.warning(escape(sentence))
    try:
        config = association_controls()
        session.write_address()
        return session.get_pair(config)
    except (InputError, ValueError) as error:
        st.error(escape(str(error)))
        if getattr(error, "code", "") == "LABEL_UNKNOWN_IDS":
            st.button("Treat unknown ids as unlabelled", on_click=session.ignore_unknown_labels, key="ignore_unknown")
        st.page_link(session.page("images"), label="Choose other images or another checkpoint")
        return None


def show_images(  # noqa: PLR0913 (a mount takes everything by keyword, like Streamlit's own elements)
    pair: cache.Pair,
    *,
    key: str,
    layers: Sequence[Layer],
    markers: Sequence[Marker] = (),
    links: Sequence[Link] = (),
    lines: LineSet | None = None,
    active_layer: Mapping[Side, str | None] | None = None,
    scene: str = "",
    opacity: float = 0.6,
    on_region: Callable[[RegionEvent], None] | None = None,
    switches: Mapping[str, object] | None = None,
) -> None:
    """The linked images of the pair with live features; a click pins its pixel for every page. See :func:`linked_images`.

    Below them stands the export of the page that ``key`` names; ``switches`` tells it what the page has chosen.
    """
    linked_images(
        *pair.panes,
        key=key,
        layers=layers,
        markers=markers,
        links=links,
        lines=lines,
        packed_images=pair.packed_images,
        packed_features=cache.get_packed_features(pair),
        active_layer=active_layer,
        scene=scene,
        opacity=opacity,
        on_pixel=_pin,
        on_clear=lambda: session.set_pixel(None),
        on_undo=session.undo_pixel,
        on_region=on_region,
    )
    with st.container(horizontal=True, horizontal_alignment="right", key=f"tools_{key}"):
        export_button(pair, key, get_pixel(pair), dict(switches or {}))


def _pin(event: PixelEvent) -> None:
    session.set_pixel((event.side, event.index))


def get_pixel(pair: cache.Pair) -> tuple[Side, int]:
    """The pinned pixel when it lies on these maps, else a telling one."""
    found = pair.analysis.association
    pixel = session.get_pixel()
    if pixel is not None:
        height, width = found.source_size if pixel[0] == "source" else found.target_size
        if pixel[1] < height * width:
            return pixel
    return "source", suggest_pixel(found, pair.analysis.pair.source_labels, pair.analysis.pair.target_labels)


def get_target_pixel(pair: cache.Pair) -> int:
    """The pinned target pixel; for a source pixel the one it is associated with."""
    side, index = get_pixel(pair)
    return index if side == "target" else int(pair.analysis.association.target_index[index])
