"""Widgets that turn into configs of the core."""

from __future__ import annotations

import streamlit as st

from app.state import session
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
        50,
        config.top_k,
        key="top_k",
        help="A source pixel may close its cycle over any of its k most similar target pixels. The paper uses 1.",
    )
    mutual = mutual_column.toggle(
        "Mutual only", config.mutual, key="mutual", help="Consistent only if the way back ends on the very same pixel."
    )
    session.set_config(level=level, alpha=alpha, top_k=int(top_k), mutual=mutual)
    return session.get_config()
