"""The guided tour: eight steps on the built-in pair. What a person had before is put aside, and comes back when they leave.

While it lasts the address stays the person's own: reloading the page ends the tour and loses nothing either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from app.state import address, cache, session, switches
from app.state.defaults import BUILT_IN, BUILT_IN_CHECKPOINT
from app.state.pins import Pin
from pca_core.association import AssociationConfig

LAID_ASIDE = ("choices", "checkpoint", "config", "grids", "pixel", "pixels_before", "probes", "switches", "told")


@dataclass(frozen=True)
class Step:
    """One stop.

    Attributes:
        title, text: What to say.
        page: Where it is.
        pixel: Pinned there.
        layers: Layer of each side, by its name on that page; a side left out shows what the page would show.
        in_sight: What the page is scrolled to, as a CSS selector; an empty one is the top of the page.
    """

    title: str
    text: str
    page: str
    pixel: Pin
    layers: Mapping[str, str | None]
    in_sight: str = ""


LAYERS = ".li-layers[data-side=target]"  # as low as those of the source
STEPS = (
    Step(
        "Two streets, one net",
        "The net learned on streets at noon, left, where every pixel has a label. Right is dusk in the rain, which it must "
        "manage without labels. Each image is a grid of 64 × 128 feature pixels: move the cursor and see, live, what a pixel "
        "resembles.",
        "trace",
        ("source", 4803),
        {"source": "labels", "target": "similarity"},
    ),
    Step(
        "There and back",
        "This pixel i of a car goes to the target pixel most like it, j*, a car too. From there the most similar source pixel, "
        "i*, is again on a car: the cycle closes, and training pulls i and j* together. No target label was needed.",
        "trace",
        ("source", 4803),
        {"source": "similarity", "target": "similarity"},
    ),
    Step(
        "A cycle that breaks",
        "This one leaves as pedestrian and comes back as building. The match is not to be trusted, so the loss ignores it. "
        "The layer Verdicts shows which source pixels close their cycle and which do not.",
        "trace",
        ("source", 4985),
        {"source": "verdicts", "target": "similarity"},
    ),
    Step(
        "Ask the other side",
        "Click a target pixel and it tells who claims it. This one is a hub: over a thousand pixels of the road all choose it, "
        "while most target pixels are chosen by nobody. The layer Hubs shows that for the whole image.",
        "trace",
        ("target", 8026),
        {"source": "similarity", "target": "hubs"},
    ),
    Step(
        "All pairs at once",
        "Each line joins a source pixel to its match. Filter them by class, verdict or margin; the numbers below follow.",
        "associations",
        ("source", 4803),
        {},
    ),
    Step(
        "From class to class",
        "Further down the same pairs are counted: a row for the class that they leave, a column for the one that they reach. "
        "Click a cell to open the pixel pairs behind its number.",
        "associations",
        ("source", 4803),
        {},
        ".st-key-pairs_matrix",
    ),
    Step(
        "Borrowing from neighbours",
        "Since few target pixels are chosen, each one borrows from those that resemble it, by the weights shown here. So the "
        "loss reaches the others too. The slider α, at the top of the page, says how much is borrowed; 0 turns it off.",
        "aggregation",
        ("target", 4664),
        {"source": "labels", "target": "weights"},
        LAYERS,
    ),
    Step(
        "What it is for",
        "Where the net errs in the rain is what adaptation should mend. Bring your own images on the page Images, train on them "
        "on Adapt, and see before and after on Compare. Leave the tour, and all is as you left it.",
        "segmentation",
        ("target", 4664),
        {"source": "error", "target": "error"},
        LAYERS,
    ),
)


def get_place() -> int | None:
    """Which step is shown, from 0; None outside the tour."""
    kept = st.session_state.get("tour")
    return None if kept is None else kept["place"]


def get_step() -> Step | None:
    place = get_place()
    return None if place is None else STEPS[place]


def is_offered() -> bool:
    """Whether somebody is new here: they followed no link, and have neither pinned a pixel nor seen the tour."""
    followed = set(st.session_state["told"]) - {"source", "target"}
    return not followed and st.session_state.get("pixel") is None and "tour_taken" not in st.session_state


def start(page: str) -> None:
    """Lay aside what the session shows, and go to the first step. ``page`` is where to come back to."""
    if get_place() is not None:
        return
    kept = {name: st.session_state[name] for name in LAID_ASIDE if name in st.session_state}
    st.session_state["tour"] = {"kept": kept, "page": page, "address": session.tell_address()}
    st.session_state["tour_taken"] = True
    first = {
        side: session.Choice(str(folder), cache.get_dataset(str(folder), side).names[0]) for side, folder in BUILT_IN.items()
    }
    usual = {name: default for name, (_, default) in kept.get("switches", {}).items()}
    st.session_state.update(choices=first, checkpoint=str(BUILT_IN_CHECKPOINT), grids={}, probes=(), switches={}, told={})
    _set_widgets(AssociationConfig(), usual)
    go_to(0)


def go_to(place: int) -> None:
    """Show a step; beyond the last one the tour is over."""
    if place >= len(STEPS):
        leave()
        return
    st.session_state["tour"]["place"] = max(place, 0)
    st.session_state.update(pixel=STEPS[max(place, 0)].pixel, pixels_before=[])
    st.session_state["jump"] = STEPS[max(place, 0)].page


def leave() -> None:
    """Bring back what was laid aside, and the page."""
    tour = st.session_state.pop("tour")
    for name in LAID_ASIDE:
        if name in tour["kept"]:
            st.session_state[name] = tour["kept"][name]
        else:
            st.session_state.pop(name, None)
    _set_widgets(session.get_config(), {name: value for name, (value, _) in tour["kept"].get("switches", {}).items()})
    st.session_state["jump"] = tour["page"]


def pop_jump() -> str | None:
    """The page to go to now, once."""
    return st.session_state.pop("jump", None)


def _set_widgets(config: AssociationConfig, values: Mapping[str, switches.Value]) -> None:
    """Widgets that are on the page would bring their old values back: where they differ they are set too."""
    st.session_state["config"] = config
    shown = {name: getattr(config, name) for name in address.SWITCHES} | dict(values)
    for name, value in shown.items():
        wanted = list(value) if isinstance(value, tuple) else value
        if st.session_state.get(name, wanted) == wanted:
            continue
        if isinstance(st.session_state[name], type(wanted)):
            st.session_state[name] = wanted
        else:  # tabs are kept by number and open by title
            del st.session_state[name]
