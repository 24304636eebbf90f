"""Figures of what adaptation did: an image before and after, nets side by side, a run."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import PolyCollection

from pca_core.comparison import ImageComparison, NetScore
from pca_core.data import get_label_space
from pca_core.figures.adaptation import draw_before_after, draw_net_scores, draw_run
from pca_core.figures.style import FORMATS, make_figure, render_figure
from pca_core.metrics import score
from pca_core.types import Sample
from tests.unit.test_figures import words

SPACE = get_label_space("camvid-11")
IMAGE = np.random.default_rng(0).integers(0, 255, (24, 48, 3)).astype(np.uint8)


def classes(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 11, (24, 48)).astype(np.uint8)


@pytest.mark.parametrize("label", [classes(3), None])
def test_before_and_after_tell_their_shares(label):
    found = ImageComparison(Sample("scene", "target", IMAGE, label, None if label is None else SPACE), classes(1), classes(2))
    figure = make_figure(draw_before_after, found, SPACE)
    said = words(figure).replace("\n", " ")
    assert f"{found.changed_share:.1%} of pixels change" in said
    assert ("became right" in said) == (label is not None)
    assert {axes.get_title(loc="left") for axes in figure.axes} >= {"Image", "Changed pixels", "Before", "After"}
    assert all(render_figure(figure, fmt, 1) for fmt in FORMATS)


def test_nets_stand_beside_each_other_class_by_class():
    confusions = [np.eye(11, dtype=np.int64) * 5 + number for number in range(3)]
    scores = [NetScore(f"net ${n}$", score(one), 0.1, 1.0, np.full(11, 1 / 11)) for n, one in enumerate(confusions)]
    axes = make_figure(draw_net_scores, scores, SPACE, 7).axes[0]
    heights = [[bar.get_height() for bar in container] for container in axes.containers]
    np.testing.assert_allclose(heights, [one.score.iou for one in scores])
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [f"{one.name}: {one.score.miou:.1f} mIoU" for one in scores]
    unscored = [NetScore(one.name, None, 0.1, 1.0, np.full(11, 1 / 11)) for one in scores]
    assert make_figure(draw_net_scores, unscored, SPACE, 7).axes[0].get_ylabel() == "predicted pixels, %"


def test_a_run_shows_its_curves():
    records = [
        {
            "step": step,
            "losses": {"cross_entropy": 4.0 / (step + 1)},
            "association": {"feature": {"rate": 0.5, "coverage": 0.25}},
            "scores": {"target": {"miou": 20.0 + step}} if step % 5 == 0 else None,
        }
        for step in range(11)
    ]
    losses, shares = make_figure(draw_run, records, "PLCA, seed 0").axes
    assert losses.lines[0].get_ydata()[0] == 1
    drawn = {line.get_label(): list(line.get_ydata()) for line in shares.lines}
    assert drawn["rate, features"][0] == 50
    assert drawn["mIoU, target"] == [20, 25, 30]
    bare = [{"step": 1, "losses": {}, "association": {}, "scores": None}]  # a method without gradient steps
    assert not make_figure(draw_run, bare, "AdaBN").axes[0].findobj(PolyCollection)
