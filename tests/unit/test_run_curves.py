"""Curves of a run: what each record told, and nothing where none did."""

from __future__ import annotations

from pca_core.losses.names import TERM_NAMES, within_sentence
from pca_core.runs.curves import Curve, trace_losses, trace_shares

RECORDS = [
    {"step": 0, "losses": {}, "association": {}, "scores": {"source": {"miou": 60.0}}},
    {
        "step": 1,
        "losses": {"cross_entropy": 0.5, "entropy": None, "source_smoothing": -2.0},
        "association": {"feature": {"rate": 0.25, "coverage": 0.125}},
    },
    {"step": 2, "losses": {"cross_entropy": 0.25, "lovasz": 0.75}, "association": {}, "scores": None},
    {"step": 3, "losses": {}, "association": {}, "scores": {"source": {"miou": 61.0}, "target": {"miou": 30.0}}},
]


def test_losses_are_traced_where_they_were_told():
    assert trace_losses(RECORDS) == [
        Curve("loss", "cross_entropy", 0, (1, 2), (0.5, 0.25)),
        Curve("loss", "lovasz", 1, (2,), (0.75,)),
    ]


def test_shares_are_per_cent_and_keep_their_place():
    assert trace_shares(RECORDS) == [
        Curve("rate", "feature", 0, (1,), (25.0,)),
        Curve("coverage", "feature", 0, (1,), (12.5,)),
        Curve("miou", "source", 0, (0, 3), (60.0, 61.0)),
        Curve("miou", "target", 1, (3,), (30.0,)),
    ]
    assert trace_shares(RECORDS[2:3]) == []


def test_a_person_keeps_the_capital_within_a_sentence():
    assert [within_sentence(term) for term in ("lovasz", "cross_entropy")] == ["Lovász", "cross-entropy"]
    assert len({*TERM_NAMES.values()}) == len(TERM_NAMES)
