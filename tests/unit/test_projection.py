"""Colours of features, against the covariance written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pca_core import AssociationConfig
from pca_core.analysis.projection import LEVELS, aggregate_target, colour_features, feature_rows, project
from tests import reference
from tests.conftest import make_pair


def test_components_are_those_of_both_sides_together(pair):
    source, target = feature_rows(pair)
    places, other_places, explained = project(source, target, 3)
    rows = np.concatenate([source, target]).astype(np.float64)
    centred = rows - rows.mean(0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    assert explained == pytest.approx((singular**2 / (singular**2).sum())[:3], rel=1e-4)
    found = np.concatenate([places, other_places])
    for component in range(3):
        axis = axes[component] * np.sign(axes[component][np.abs(axes[component]).argmax()])
        assert found[:, component] == pytest.approx(centred @ axis, abs=1e-4)


def test_the_same_feature_has_the_same_colour_on_both_sides(pair):
    twin = replace(pair, target_features=pair.source_features.flip(2), target_labels=None)
    colours = colour_features(twin)
    assert np.array_equal(colours.source, colours.target[:, ::-1])
    assert len(np.unique(colours.source)) > 10


def test_each_pixel_takes_the_nearest_colour_of_the_cube(pair):
    colours = colour_features(pair)
    source, target = feature_rows(pair)
    coordinates = torch.cat(project(source, target, 3)[:2]).double().numpy()
    low, high = np.quantile(coordinates, (0.01, 0.99), axis=0)
    wanted = np.clip((coordinates - low) / (high - low), 0, 1) * 255
    shown = colours.palette[np.concatenate([colours.source.ravel(), colours.target.ravel()])]
    half_steps = 127.5 / (np.array(LEVELS) - 1)
    assert (np.abs(shown - wanted) <= half_steps + 0.51).all()
    assert np.ptp(shown, axis=0).tolist() == [255, 255, 255]


def test_length_counts_only_where_it_is_asked_for(pair):
    longer = replace(pair, target_features=3 * pair.target_features)
    assert np.array_equal(colour_features(pair).target, colour_features(longer).target)
    assert not np.array_equal(colour_features(pair, is_unit=False).target, colour_features(longer, is_unit=False).target)


@pytest.mark.parametrize("channels", [1, 2])
def test_fewer_channels_than_colours(channels):
    colours = colour_features(make_pair(seed=0, channels=channels), is_unit=False)
    assert (colours.explained > 0).tolist() == [place < channels for place in range(3)]
    assert colours.explained.sum() == pytest.approx(1, abs=1e-5)
    assert colours.source.shape == (6, 9)


def test_one_feature_everywhere_is_one_colour(pair):
    same = replace(pair, source_features=torch.ones(8, 6, 9), target_features=torch.ones(8, 5, 8))
    colours = colour_features(same)
    assert len(np.unique(colours.source)) == len(np.unique(colours.target)) == 1
    assert np.isfinite(colours.explained).all()


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_the_aggregated_target_is_what_association_sees(pair, alpha):
    found = aggregate_target(pair, AssociationConfig(alpha=alpha))
    expected = reference.aggregate(pair.target_features.flatten(1).T, "feature", alpha)
    assert torch.allclose(found.target_features.flatten(1).T, expected, atol=1e-5)
    assert found.source_features is pair.source_features
    assert torch.equal(found.target_prediction, pair.target_prediction)
