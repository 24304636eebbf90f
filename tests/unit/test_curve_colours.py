"""Curves of a run have a colour of their own each, whatever its objective is made of, on the page and on paper."""

from __future__ import annotations

from app.figures.curves import loss_curves
from pca_core.figures.adaptation import draw_run
from pca_core.figures.style import make_figure
from pca_core.losses.names import TERM_NAMES

DRAWN = [name for term, name in TERM_NAMES.items() if "smoothing" not in term]
RECORDS = [
    {
        "step": step,
        "losses": {name: 1.0 / (step + place + 1) for place, name in enumerate(TERM_NAMES)},
        "association": {level: {"rate": 0.9, "coverage": 0.1} for level in ("feature", "prediction")},
        "scores": None,
    }
    for step in (1, 2, 3)
]


def test_every_term_of_every_method_has_a_colour_of_its_own():
    curves = loss_curves(RECORDS).data
    assert [curve.name for curve in curves] == DRAWN
    assert len({curve.line.color for curve in curves}) == len(DRAWN)


def test_on_paper_too():
    losses = make_figure(draw_run, RECORDS, "All terms").axes[0]
    assert len({line.get_color() for line in losses.get_lines() if line.get_label()[:1] != "_"}) == len(DRAWN)
