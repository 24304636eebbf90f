"""Widgets that turn into configs of the core, and widgets that remember: over page changes and in the address."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.state import address, session, switches
from pca_core.association import AssociationConfig

LEVELS = {"feature": "Features", "prediction": "Predictions"}


def association_controls() -> AssociationConfig:
    """One row: level, aggregation, top-k, mutual."""
    config = session.get_config()
    level_column, alpha_column, top_k_column, mutual_column = st.columns([3, 3, 2, 2], vertical_alignment="bottom")
    level = level_column.segmented_control(
        "Similarity",
        list(LEVELS),
        format_func=LEVELS.get,
        default=config.level,
        required=True,
        key="level",
        help="What is compared: the features before the classifier by cosine, or the predictions by −KL(P_i ‖ P_j).",
    )
    alpha = alpha_column.slider(
        "Spatial aggregation α",
        0.0,
        1.0,
        config.alpha,
        0.05,
        key="alpha",
        help="Share that each target pixel borrows from the target pixels that resemble it: F̂ = (1−α) F + α Σ w F. "
        "The paper uses 0.5; 0 turns it off.",
    )
    top_k = top_k_column.number_input(
        "Candidates k",
        1,
        address.MAX_TOP_K,
        config.top_k,
        key="top_k",
        help="A source pixel may close its cycle over any of its k most similar target pixels. The paper uses 1.",
    )
    mutual = mutual_column.toggle(
        "Mutual only", config.mutual, key="mutual", help="Consistent only if the way back ends on the very same pixel."
    )
    session.set_config(level=level, alpha=alpha, top_k=int(top_k), mutual=mutual)
    return session.get_config()


def choice(label: str, name: str, options: dict[str, str], default: str, *, wraps: bool = False, **widget: object) -> str:
    """One of a few (value -> text), remembered as ``name``; ``wraps`` for more than fit in a line of a narrow window."""
    value = switches.recall(name, default, among=options)
    show = st.pills if wraps else st.segmented_control
    picked = show(label, list(options), format_func=options.get, default=value, required=True, key=name, **widget)
    _keep(name, picked, default)
    return picked


def toggle(label: str, name: str, default: bool, **widget: object) -> bool:
    """On or off, remembered as ``name``."""
    value = st.toggle(label, switches.recall(name, default), key=name, **widget)
    _keep(name, value, default)
    return value


def slider(label: str, name: str, low: float, high: float, default: float, step: float, **widget: object) -> float:
    """A number of a range, remembered as ``name``; all four of one type."""
    value = st.slider(label, low, high, switches.recall(name, default, within=(low, high)), step, key=name, **widget)
    _keep(name, value, default)
    return value


def number(label: str, name: str, low: float, high: float, default: float, step: float, **widget: object) -> float:
    """A number to type, remembered as ``name``; all four of one type."""
    value = st.number_input(label, low, high, switches.recall(name, default, within=(low, high)), step, key=name, **widget)
    _keep(name, value, default)
    return value


def several(label: str, name: str, options: Sequence[str], **widget: object) -> tuple[str, ...]:
    """Any number of options, none at first, remembered as ``name``."""
    value = tuple(st.multiselect(label, options, list(switches.recall(name, (), among=options)), key=name, **widget))
    _keep(name, value, ())
    return value


def _keep(name: str, value: switches.Value, default: switches.Value) -> None:
    switches.remember(name, value, default)
    session.write_address()
