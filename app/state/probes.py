"""Probes: pixels that a person keeps under a name to compare them. Whoever changes them writes the address afterwards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import streamlit as st

from app.state.cache import Pair
from app.state.caching import cached
from app.state.pins import Pin
from pca_core.association import AssociationConfig, PairAnalysis, explain_pixel
from pca_core.association.traces import PixelTrace, TargetTrace
from pca_core.grids import move_pixel
from pca_core.memory import work_within_memory
from pca_core.types import Domain, Grid

MAX_PROBES = 6
MAX_NAME = 40  # characters
PARAMETER = "probes"  # in the address: s4123~t880.wheel
_SIDES: dict[str, Domain] = {"s": "source", "t": "target"}
_PROBE = re.compile(r"([st])([0-9]{1,9})(?:\.(.+))?", re.DOTALL)


@dataclass(frozen=True)
class Probe:
    """A pixel to compare with others; without a name it is called by its class and place."""

    side: Domain
    index: int
    name: str = ""

    @property
    def pixel(self) -> Pin:
        return self.side, self.index


def clean_name(text: str) -> str:
    """A name in one short line, without what the address separates by."""
    line = " ".join(text.replace("~", " ").split())
    return "".join(filter(str.isprintable, line))[:MAX_NAME].strip()


def list_probes() -> tuple[Probe, ...]:
    """The probes of this session, at first those of the address."""
    if "probes" not in st.session_state:
        st.session_state["probes"], st.session_state["probes_refused"] = read_probes(st.session_state["told"])
    return st.session_state["probes"]


def read_probes(address: Mapping[str, str]) -> tuple[tuple[Probe, ...], int]:
    """The probes that an address tells, and how many of it are none: unreadable, told twice or too many."""
    parts = address.get(PARAMETER, "").split("~") if address.get(PARAMETER) else []
    found: dict[Pin, Probe] = {}
    for part in parts:
        match = _PROBE.fullmatch(part)
        if match and len(found) < MAX_PROBES:
            probe = Probe(_SIDES[match[1]], int(match[2]), clean_name(match[3] or ""))
            found.setdefault(probe.pixel, probe)
    return tuple(found.values()), len(parts) - len(found)


def drop_misfits(pair: Pair) -> str | None:
    """Let go of probes that lie outside these images; one sentence when any were, or when the address held what is no probe."""
    sizes = {side: pair.count_pixels(side) for side in ("source", "target")}
    probes = list_probes()
    fitting = tuple(probe for probe in probes if probe.index < sizes[probe.side])
    refused = st.session_state.pop("probes_refused", 0) + len(probes) - len(fitting)
    st.session_state["probes"] = fitting
    if not refused:
        return None
    left = "One probe was" if refused == 1 else f"{refused} probes were"
    return (
        f"{left} left out: a probe names a side and a pixel of these images (source 0 to {sizes['source'] - 1}, "
        f"target 0 to {sizes['target'] - 1}), once, and {MAX_PROBES} can be kept. Keep the pixels you want again."
    )


def keep(pixel: Pin, name: str = "") -> None:
    """Keep a pixel as the last probe; nothing happens when it is one already or all places are taken."""
    probes = list_probes()
    if len(probes) < MAX_PROBES and find(pixel) is None:
        st.session_state["probes"] = (*probes, Probe(*pixel, clean_name(name)))


def find(pixel: Pin) -> int | None:
    """The place of a pixel among the probes, from 0."""
    return next((place for place, probe in enumerate(list_probes()) if probe.pixel == pixel), None)


def rename(pixel: Pin, name: str) -> None:
    """Call a probe otherwise; by its class and place again when the name is empty."""
    st.session_state["probes"] = tuple(
        replace(probe, name=clean_name(name)) if probe.pixel == pixel else probe for probe in list_probes()
    )


def read_field(key: str) -> str:
    """What stands in a text field by now; a callback's arguments would be those of the run before."""
    return str(st.session_state.get(key, ""))


def remove(pixel: Pin) -> None:
    st.session_state["probes"] = tuple(probe for probe in list_probes() if probe.pixel != pixel)


def follow(side: Domain, old: Grid, new: Grid) -> None:
    """Keep the probes of a side where they are in its image; of two that come to lie on one pixel the first stays."""
    found: dict[Pin, Probe] = {}
    for probe in list_probes():
        is_meant = probe.side == side and probe.index < old[0] * old[1]
        moved = replace(probe, index=move_pixel(probe.index, old, new)) if is_meant else probe
        found.setdefault(moved.pixel, moved)
    st.session_state["probes"] = tuple(found.values())


def forget(side: Domain) -> bool:
    """Let go of the probes of a side, which mean nothing on another image; whether there were any."""
    before = list_probes()
    st.session_state["probes"] = tuple(probe for probe in before if probe.side != side)
    return len(st.session_state["probes"]) < len(before)


def describe() -> dict[str, str]:
    """The probes, for the address."""
    told = "~".join(f"{probe.side[0]}{probe.index}" + (f".{probe.name}" if probe.name else "") for probe in list_probes())
    return {PARAMETER: told} if told else {}


def get_trace(pair: Pair, pixel: Pin) -> PixelTrace | TargetTrace:
    """The story of a pixel without its soft cycle, kept: neither a click elsewhere nor another page tells it anew."""
    return _explain(pair.key, pair.analysis.config, *pixel, pair.analysis)


def get_soft_cycle(pair: Pair, index: int) -> float | None:
    """Of a source pixel; the first one of a pair takes a sweep. None where it has no label."""
    return work_within_memory(partial(pair.analysis.soft_cycle, index))


@cached(64, "Following the pixel there and back …")
def _explain(key: str, config: AssociationConfig, side: Domain, index: int, _analysis: PairAnalysis) -> PixelTrace | TargetTrace:
    return explain_pixel(_analysis, index, side, with_soft_cycle=False)
