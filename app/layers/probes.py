"""Probes as numbered markers."""

from __future__ import annotations

from collections.abc import Sequence

from app.components.linked_images import Marker
from app.figures.style import COLOURS
from app.state.probes import Probe


def probe_markers(probes: Sequence[Probe]) -> list[Marker]:
    """One numbered marker a probe, in its colour."""
    return [Marker(probe.side, probe.index, "probe", str(place + 1), probe_colour(place)) for place, probe in enumerate(probes)]


def probe_colour(place: int) -> str:
    """``#rrggbb`` of the probe at this place, from 0; the same on the images and in its card."""
    return COLOURS[place % len(COLOURS)]
