"""Sampled pixels and their map."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from pca_core import AssociationConfig, PairAnalysis
from pca_core.analysis.embedding import (
    VERDICTS,
    PixelSample,
    count_selected,
    embed,
    nearest_sampled,
    sample_pixels,
    sample_verdicts,
)
from pca_core.association import explain_pixel
from pca_core.types import IGNORE_INDEX
from tests.conftest import make_pair

METHODS = ["pca", "tsne", "spectral"]


@pytest.fixture(scope="module")
def large():
    """30 x 40 pixels of which class 3 has nine."""
    pair = make_pair(seed=1, source=(30, 40), target=(20, 30))
    labels = torch.ones_like(pair.source_labels)
    labels[:, :20] = 0
    labels[10:13, 19:22] = 3
    return replace(pair, source_labels=labels)


def test_rare_classes_give_all_and_the_others_alike(large):
    sample = sample_pixels(large, 400)
    assert len(sample) == 400
    assert sample.is_target.sum() == 200
    numbers = Counter(sample.classes[~sample.is_target].tolist())
    assert numbers[3] == 9
    assert abs(numbers[0] - numbers[1]) <= 1


def test_a_sampled_pixel_is_a_pixel_of_its_image(large):
    sample = sample_pixels(large, 100)
    for place in range(0, 100, 7):
        features, labels = (
            (large.target_features, large.target_labels)
            if sample.is_target[place]
            else (large.source_features, large.source_labels)
        )
        index = int(sample.index[place])
        row = features.flatten(1)[:, index]
        assert sample.features[place] == pytest.approx((row / row.norm()).numpy(), abs=1e-6)
        assert sample.classes[place] == labels.flatten()[index]
    for side in (False, True):
        assert len(np.unique(sample.index[sample.is_target == side])) == 50


def test_the_seed_decides(large):
    one, same, other = (sample_pixels(large, 100, seed).index.tolist() for seed in (1, 1, 2))
    assert one == same != other


def test_small_images_are_taken_whole(pair):
    assert sorted(sample_pixels(pair).index.tolist()) == sorted([*range(54), *range(40)])


def test_predictions_stand_in_for_missing_labels(pair):
    sample = sample_pixels(replace(pair, target_labels=None))
    assert sample.classes[sample.is_target].tolist() == pair.target_prediction.flatten().tolist()
    bare = replace(pair, target_labels=None, target_probabilities=None, source_probabilities=None)
    assert set(sample_pixels(bare).classes[54:].tolist()) == {IGNORE_INDEX}


@pytest.mark.parametrize("config", [AssociationConfig(), AssociationConfig(mutual=True)], ids=["paper", "mutual"])
def test_verdicts_are_those_of_the_traces(pair, config):
    analysis = PairAnalysis(pair, config)
    sample = sample_pixels(pair)
    codes = sample_verdicts(sample, analysis.association, pair.source_labels)
    names = {
        "consistent": "cycle-consistent",
        "inconsistent": "cycle breaks",
        "unlabelled": "unlabelled",
        "not_mutual": "not mutual",
    }
    for place, code in enumerate(codes):
        if sample.is_target[place]:
            claims = explain_pixel(analysis, int(sample.index[place]), "target").claims
            ends = {claim.verdict for claim in claims}
            best = next((one for one in ("consistent", "not_mutual") if one in ends), "inconsistent")
            expected = names[best] if claims else "not reached"
        else:
            expected = names[explain_pixel(analysis, int(sample.index[place])).verdict]
        assert VERDICTS[code] == expected
    assert {VERDICTS[code] for code in codes} >= {"cycle-consistent", "cycle breaks", "unlabelled"}
    assert ("not mutual" in {VERDICTS[code] for code in codes}) == config.mutual


def test_selected_pixels_are_counted_by_class(pair):
    sample = sample_pixels(pair)
    selected = np.arange(len(sample)) % 3 == 0
    assert count_selected(sample, selected) == sorted(
        Counter(sample.classes[selected].tolist()).items(), key=lambda item: (-item[1], item[0])
    )
    assert count_selected(sample, np.zeros(len(sample), bool)) == []


def blobs(count: int = 40) -> PixelSample:
    """Three far-apart directions, ``count`` pixels each."""
    generator = np.random.default_rng(0)
    rows = np.repeat(np.eye(6, dtype=np.float32)[:3], count, axis=0) + 0.05 * generator.standard_normal((3 * count, 6))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return PixelSample(np.arange(3 * count) % 2 == 1, np.arange(3 * count), np.repeat([0, 1, 2], count), rows)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("ignore:Graph is not fully connected")
def test_a_map_keeps_groups_together_and_is_the_same_each_time(method):
    sample = blobs()
    points = embed(sample, method)
    assert points.shape == (120, 2)
    assert points.dtype == np.float32
    assert np.array_equal(points, embed(sample, method))
    if method != "spectral":  # groups that no neighbour joins have no place among each other there
        distances = np.linalg.norm(points[:, None] - points[None], axis=2) + np.diag(np.full(120, np.inf))
        assert (sample.classes[distances.argmin(1)] == sample.classes).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", ["one channel", "all alike", "five pixels"])
def test_degenerate_features_have_a_finite_map(method, case):
    rows = {
        "one channel": np.sign(np.linspace(-1, 1, 30))[:, None],
        "all alike": np.ones((30, 4)) / 2,
        "five pixels": np.eye(5),
    }[case].astype(np.float32)
    count = len(rows)
    sample = PixelSample(np.arange(count) % 2 == 1, np.arange(count), np.zeros(count, int), rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        points = embed(sample, method)
    assert points.shape == (count, 2)
    assert np.isfinite(points).all()


def test_what_cannot_be_mapped_is_said(pair):
    with pytest.raises(ValueError, match="'pca', 'tsne' or 'spectral', got 'umap'"):
        embed(sample_pixels(pair), "umap")
    with pytest.raises(ValueError, match="at least 5 pixels, got 4"):
        embed(sample_pixels(pair, 4), "pca")


def test_the_nearest_sampled_pixel_of_the_side(large):
    sample = sample_pixels(large, 60)
    for side, grid in (("source", (30, 40)), ("target", (20, 30))):
        for index in (0, 333, grid[0] * grid[1] - 1):
            place = nearest_sampled(sample, side, index, grid)
            assert sample.is_target[place] == (side == "target")
            row, column = divmod(index, grid[1])
            is_side = sample.is_target == (side == "target")
            distances = [(r - row) ** 2 + (c - column) ** 2 for r, c in (divmod(int(i), grid[1]) for i in sample.index[is_side])]
            own_row, own_column = divmod(int(sample.index[place]), grid[1])
            assert (own_row - row) ** 2 + (own_column - column) ** 2 == min(distances)


def test_a_side_without_samples_has_no_nearest():
    sample = PixelSample(np.zeros(3, bool), np.arange(3), np.zeros(3, int), np.eye(3, dtype=np.float32))
    assert nearest_sampled(sample, "target", 0, (1, 3)) is None
