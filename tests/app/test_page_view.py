"""The view that a page exports: what the pages keep, and the same as a view that computes it."""

from __future__ import annotations

import numpy as np
import pytest

from app.state import exporting, warming
from pca_core.figures import view as views
from pca_core.figures.catalogue import FIGURES, figure_data
from pca_core.figures.view import Switches, View


def fail(*_args, **_kwargs):
    raise AssertionError("computed again")


@pytest.mark.parametrize("inference", ["plain", "aggregated"])
def test_what_pages_keep_is_not_computed_again(monkeypatch, inference):
    pair = warming.open_default_pair()
    page = exporting.get_view(pair, ("source", 5), {"inference": inference})
    anew = View(page.analysis, page.source, page.target, page.checkpoint, page.pixel, Switches(inference=inference))
    wanted = anew.ledgers, anew.reaches, anew.weights, anew.segmented
    measured = anew.effects, anew.gap
    computed = (
        *("write_ledger", "measure_reach", "map_weights", "describe_segmentation", "alpha_effects"),
        *("colour_features", "sample_pixels", "embed", "measure_gap"),
    )
    for name in computed:
        monkeypatch.setattr(views, name, fail)
    for found, ledger in zip(page.ledgers, wanted[0], strict=True):
        assert found.alpha == ledger.alpha
        assert {name: term.value for name, term in found.terms.items()} == {
            name: term.value for name, term in ledger.terms.items()
        }
    for found, reach in zip(page.reaches, wanted[1], strict=True):
        np.testing.assert_array_equal(found.pull, reach.pull)
        np.testing.assert_array_equal(found.gradient, reach.gradient)
    np.testing.assert_array_equal(page.weights.entropy, wanted[2].entropy)
    for found, image in zip(page.segmented, wanted[3], strict=True):
        np.testing.assert_array_equal(found.probabilities, image.probabilities)
    assert page.effects == measured[0]
    for name in ("mmd", "frechet", "proxy_a_distance"):
        assert getattr(page.gap, name) == getattr(measured[1], name)
    np.testing.assert_array_equal(page.sample.index, anew.sample.index)
    for name in FIGURES:
        figure_data(name, page)


@pytest.mark.parametrize("is_aggregated", [False, True])
def test_features_are_those_of_the_page(is_aggregated):
    pair = warming.open_default_pair()
    page = exporting.get_view(pair, ("source", 5), {"is_target_aggregated": is_aggregated, "is_unit": False})
    anew = View(page.analysis, page.source, page.target, page.checkpoint, page.pixel, page.switches)
    assert page.is_target_aggregated == is_aggregated
    np.testing.assert_array_equal(page.colours.target, anew.colours.target)
    np.testing.assert_array_equal(page.sample.features, anew.sample.features)
    np.testing.assert_array_equal(page.points, anew.points)
