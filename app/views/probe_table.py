"""Probes on the Trace page: the pinned pixel is kept under a name, and all kept ones are compared."""

from __future__ import annotations

from html import escape

import streamlit as st

from app.layers.probes import probe_colour
from app.state import cache, probes, session
from app.state.pins import Pin
from app.state.probes import MAX_NAME, MAX_PROBES, Probe
from app.views.frame import pin
from app.views.tables import show_margin, show_times
from pca_core.association.traces import Pixel, TargetTrace

VERDICTS = {
    "consistent": "✓ cycle-consistent",
    "inconsistent": "✗ cycle breaks",
    "unlabelled": "– unlabelled",
    "not_mutual": "✗ not mutual",
}
MEANING = {
    "Pixel": "Row and column, and its class by the label, else by the prediction.",
    "Verdict": "Whether i → j* → i* comes back to the own class; of a target pixel, who claims it.",
    "Target pixel": "j*, where the source pixel goes; of a target pixel, itself.",
    "Return pixel": "i*, the source pixel that is most similar to that target pixel.",
    "Margin": "Similarity of the first less the second candidate. Near zero: a coin toss.",
    "× uniform": "p(j*|i) as a multiple of 1/N; of a target pixel, p(i*|j).",
    "Soft cycle": "P(return to the own class) = Σ_j p(j|i) Σ_i' p(i'|j) [y_i' = y_i].",
}
ACTIONS = 132  # width in pixels of the buttons at the end of a row
STYLE = f"""<style>
.probe {{display: grid; align-items: center; gap: 0 0.6rem; min-height: 2rem;
  font-size: 0.84rem; font-variant-numeric: tabular-nums;
  grid-template-columns: 1.4rem minmax(0, 2fr) repeat(4, minmax(0, 1.3fr)) 3.2rem 3.4rem 3.8rem;}}
.probe span {{overflow: hidden; text-overflow: ellipsis; white-space: nowrap;}}
.probe strong {{font-weight: 600;}}
.probe b {{width: 1.4rem; height: 1.4rem; border-radius: 50%; text-align: center; line-height: 1.4rem; font-size: 0.8rem;
  color: #fff; text-shadow: 0 0 2px #000, 0 0 2px #000;}}
.probe-head {{margin-right: calc({ACTIONS}px + 1rem); font-size: 0.78rem; opacity: 0.7; min-height: 1.4rem;}}
.probe-head span {{cursor: help;}}
</style>"""


def show_keep(pair: cache.Pair, pixel: Pin) -> None:
    """The row that keeps the pinned pixel."""
    place, kept = probes.find(pixel), probes.list_probes()
    is_full = place is None and len(kept) == MAX_PROBES
    key = f"probe_name_{pixel[0]}_{pixel[1]}"  # of its own for each pixel: a name half typed is not that of the next
    with st.container(horizontal=True, vertical_alignment="bottom", key="probe_keep"):
        st.text_input(
            "Name of the probe",
            placeholder=_usual_name(pair, pixel),
            max_chars=MAX_NAME,
            key=key,
            label_visibility="collapsed",
            disabled=place is not None or is_full,
            width=260,
        )
        st.button(
            "Keep this pixel as a probe",
            icon=":material/push_pin:",
            on_click=_keep,
            args=(pixel, key),
            disabled=place is not None or is_full,
            key="probe_keep_button",
            help=f"Kept pixels stay marked on every page and are compared here, {MAX_PROBES} at most. The link keeps them too.",
        )
        if place is not None:
            st.caption(f"This pixel is probe {place + 1}.")
        elif is_full:
            st.caption(f"All {MAX_PROBES} places are taken: remove one to keep this pixel.")


def show_probes(pair: cache.Pair) -> None:
    """All probes below each other, so that each number stands under the same number of the others."""
    kept = probes.list_probes()
    if not kept:
        return
    head = "".join(f"<span title='{escape(meaning)}'>{term}</span>" for term, meaning in MEANING.items())
    with st.container(gap=None, key="probes"):
        st.html(f"{STYLE}<div class='probe probe-head'><span></span><span title='Also on the images'>Probe</span>{head}</div>")
        for place, probe in enumerate(kept):
            _row(pair, place, probe)


def _row(pair: cache.Pair, place: int, probe: Probe) -> None:
    usual = _usual_name(pair, probe.pixel)
    name = escape(probe.name or usual)
    cells = "".join(f"<span title='{escape(value)}'>{escape(value)}</span>" for value in _tell(pair, probe).values())
    number = f"<b style='background: {probe_colour(place)}'>{place + 1}</b>"
    field = f"probe_rename_{probe.side}_{probe.index}"
    with st.container(horizontal=True, wrap=False, vertical_alignment="center", key=f"probe_{place}"):
        st.html(f"<div class='probe'>{number}<span title='{name}'><strong>{name}</strong></span>{cells}</div>")
        with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small", width=ACTIONS):
            st.button(
                "Go to", type="tertiary", on_click=pin, args=(probe.pixel,), key=f"probe_go_{place}", help="Pin it; Z undoes"
            )
            with st.popover("", icon=":material/edit:", type="tertiary", help="Rename", key=f"probe_edit_{place}"):
                st.text_input(
                    "Name",
                    probe.name,
                    placeholder=usual,
                    max_chars=MAX_NAME,
                    key=field,
                    on_change=_rename,
                    args=(probe.pixel, field),
                )
            st.button(
                "",
                icon=":material/close:",
                type="tertiary",
                on_click=_remove,
                args=(probe.pixel,),
                key=f"probe_remove_{place}",
                help="Remove",
            )


def _tell(pair: cache.Pair, probe: Probe) -> dict[str, str]:
    """What is compared, in the order of :data:`MEANING`."""
    trace, names = probes.get_trace(pair, probe.pixel), pair.label_space.class_names
    own = _place(trace, names)
    if isinstance(trace, TargetTrace):
        verdict = f"claimed by {len(trace.claims)}, {trace.num_consistent} close" if trace.claims else "unclaimed"
        values = own, verdict, own, _place(trace.way_back, names), "–", show_times(trace.way_back.times_uniform), "–"
    else:
        soft = probes.get_soft_cycle(pair, probe.index)
        values = (
            own,
            VERDICTS[trace.verdict],
            _place(trace.match, names),
            _place(trace.way_back, names),
            show_margin(trace.margin),
            show_times(trace.match.times_uniform),
            "–" if soft is None else f"{soft:.0%}",
        )
    return dict(zip(MEANING, values, strict=True))


def _place(pixel: Pixel, names: tuple[str, ...]) -> str:
    return f"({pixel.row}, {pixel.column}) {_class(pixel, names)}"


def _class(pixel: Pixel, names: tuple[str, ...]) -> str:
    known = pixel.label if pixel.label is not None else pixel.predicted
    return "unlabelled" if known is None else names[known]


def _usual_name(pair: cache.Pair, pixel: Pin) -> str:
    """What a probe is called that was given no name: "source car (31, 40)"."""
    trace = probes.get_trace(pair, pixel)
    return f"{pixel[0]} {_class(trace, pair.label_space.class_names)} ({trace.row}, {trace.column})"


def _keep(pixel: Pin, key: str) -> None:
    probes.keep(pixel, probes.read_field(key))
    session.write_address()


def _rename(pixel: Pin, key: str) -> None:
    probes.rename(pixel, probes.read_field(key))
    session.write_address()


def _remove(pixel: Pin) -> None:
    probes.remove(pixel)
    session.write_address()
