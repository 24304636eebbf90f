"""What every page of a pair begins with and shares: the switches, the pair, the linked images, the pinned pixel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from app.components.linked_images import Layer, LineSet, Link, Marker, RegionEvent, Side, linked_images
from app.controls import association_controls
from app.layers.probes import probe_markers
from app.state import cache, pins, probes, session, tour
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
        pair = session.get_pair(config)
        told = _tell_pooling(pair), session.follow_grid(pair), pins.drop_misfit(pair), probes.drop_misfits(pair)
        for sentence in filter(None, told):
            st.warning(sentence)
        session.write_address()
        return pair
    except (InputError, ValueError) as error:
        st.error(escape(str(error)))
        if getattr(error, "code", "") == "LABEL_UNKNOWN_IDS":
            st.button("Treat unknown ids as unlabelled", on_click=session.ignore_unknown_labels, key="ignore_unknown")
        st.page_link(session.page("images"), label="Choose other images or another checkpoint")
        return None


def _tell_pooling(pair: cache.Pair) -> str | None:
    if pair.pooling == 1:
        return None
    many = f"{pair.pooling} × {pair.pooling}"
    return f"Memory does not suffice for every feature pixel of this pair: {many} of them are averaged to one here."


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
    """The linked images of the pair with live features and the probes; a click pins its pixel for every page.

    See :func:`linked_images`. Below them stands the export of the page that ``key`` names; ``switches`` tells it what the page
    has chosen.
    """
    step = tour.get_step()
    if step is not None:
        active_layer, scene = _choose_layers(layers, active_layer or {}, step), f"tour {tour.get_place()}"
    linked_images(
        *pair.panes,
        key=key,
        layers=layers,
        markers=[*markers, *probe_markers(probes.list_probes())],
        links=links,
        lines=lines,
        packed_images=pair.packed_images,
        packed_features=cache.get_packed_features(pair),
        active_layer=active_layer,
        scene=scene,
        opacity=opacity,
        is_mutual=pair.analysis.config.mutual,
        on_pixel=lambda event: pin((event.side, event.index)),
        on_clear=lambda: pin(None),
        on_undo=_undo,
        on_region=on_region,
    )
    with st.container(horizontal=True, horizontal_alignment="right", key=f"tools_{key}"):
        export_button(pair, key, get_pixel, dict(switches or {}))


def _choose_layers(layers: Sequence[Layer], usual: Mapping[Side, str | None], step: tour.Step) -> dict[Side, str | None]:
    """The layers that a step of the tour asks for, where this page has them."""
    there = {(layer.side, layer.name) for layer in layers if layer.values is not None}
    return {**usual, **{side: name for side, name in step.layers.items() if (side, name) in there}}


def pin(pixel: tuple[Side, int] | None) -> None:
    """Pin a pixel for every page, or let go of it."""
    pins.set_pixel(pixel)
    session.write_address()


def _undo() -> None:
    pins.undo_pixel()
    session.write_address()


def get_pixel(pair: cache.Pair) -> tuple[Side, int]:
    """The pinned pixel when it lies on these maps, else a telling one."""
    found, pixel = pair.analysis.association, pins.get_pixel()
    if pixel is not None and pixel[1] < pair.count_pixels(pixel[0]):
        return pixel
    return "source", suggest_pixel(found, pair.analysis.pair.source_labels, pair.analysis.pair.target_labels)


def get_target_pixel(pair: cache.Pair) -> int:
    """The pinned target pixel; for a source pixel the one it is associated with."""
    side, index = get_pixel(pair)
    return index if side == "target" else int(pair.analysis.association.target_index[index])
