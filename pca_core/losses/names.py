"""How people call the terms of an objective, wherever they are shown."""

from __future__ import annotations

TERM_NAMES = {
    "cross_entropy": "Cross-entropy",
    "lovasz": "Lovász",
    "feature_association": "Association, features",
    "prediction_association": "Association, predictions",
    "self_training": "Self-training",
    "entropy": "Entropy",
    "source_smoothing": "Smoothing, source",
    "target_smoothing": "Smoothing, target",
}
"""Term → its name at the beginning of a line; :func:`within_sentence` for the middle of one."""


def within_sentence(term: str) -> str:
    """The name of a term in the middle of a sentence: Lovász was a person and keeps the capital."""
    name = TERM_NAMES[term]
    return name if term == "lovasz" else name[0].lower() + name[1:]
