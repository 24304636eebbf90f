"""Numbers of the domain gap, against their definitions written as loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pca_core.analysis.domain_gap import BANDWIDTHS, class_distances, measure_gap
from pca_core.analysis.embedding import PixelSample, sample_pixels
from tests.conftest import make_pair

NUMBERS = ("mmd", "mmd_by_chance", "proxy_a_distance", "frechet", "frechet_by_mean")


def clouds(shift: float, count: int = 80, seed: int = 0) -> PixelSample:
    """Two Gaussian clouds in five dimensions, ``shift`` apart along the first."""
    rows = np.random.default_rng(seed).standard_normal((2 * count, 5)).astype(np.float32)
    rows[count:, 0] += shift
    return PixelSample(np.arange(2 * count) >= count, np.arange(2 * count), np.zeros(2 * count, int), rows)


def measure(sample: PixelSample):
    return measure_gap(make_pair(seed=3), sample, 4)


def test_mmd_is_the_mean_over_pairs():
    sample = clouds(0.7, count=12)
    rows = sample.features.astype(np.float64)
    squared = ((rows[:, None] - rows[None]) ** 2).sum(2)
    median = np.sort(squared[squared > 1e-12])[(squared > 1e-12).sum() // 2 - 1]

    def kernel(i, j):
        return np.mean([np.exp(-squared[i, j] / (2 * factor * median)) for factor in BANDWIDTHS])

    source, target = range(12), range(12, 24)
    within = [np.mean([kernel(i, j) for i in side for j in side if i != j]) for side in (source, target)]
    across = np.mean([kernel(i, j) for i in source for j in target])
    assert measure(sample).mmd == pytest.approx(sum(within) - 2 * across, abs=1e-9)


def test_frechet_is_that_of_the_gaussians():
    from scipy.linalg import sqrtm

    sample = clouds(0.7)
    source, target = (sample.features[sample.is_target == side].astype(np.float64) for side in (False, True))
    first, second = np.cov(source.T), np.cov(target.T)
    by_mean = ((source.mean(0) - target.mean(0)) ** 2).sum()
    gap = measure(sample)
    assert gap.frechet_by_mean == pytest.approx(by_mean)
    assert gap.frechet == pytest.approx(by_mean + np.trace(first + second - 2 * sqrtm(first @ second).real), abs=1e-6)


def test_one_distribution_has_no_gap():
    gap = measure(clouds(0))
    assert gap.mmd < gap.mmd_by_chance
    assert gap.proxy_a_distance < 0.4
    assert gap.frechet_by_mean < 0.2


def test_every_number_grows_with_the_shift():
    near, middle, far = (measure(clouds(shift)) for shift in (0, 1, 6))
    for name in ("mmd", "proxy_a_distance", "frechet", "frechet_by_mean"):
        assert getattr(near, name) < getattr(middle, name) < getattr(far, name)
    assert middle.mmd > middle.mmd_by_chance
    assert far.proxy_a_distance == pytest.approx(2, abs=0.05)


def test_a_small_side_does_not_make_guessing_look_like_telling_apart():
    sample = clouds(0, count=200)
    few = np.flatnonzero(sample.is_target)[20:]
    keep = np.setdiff1d(np.arange(400), few)
    cut = PixelSample(sample.is_target[keep], sample.index[keep], sample.classes[keep], sample.features[keep])
    assert measure(cut).proxy_a_distance < 0.5  # always guessing "source" would be right in 10 of 11


def test_centroids_are_class_means(pair):
    found = class_distances(pair, 5)
    for one in range(4):
        means = []
        for features, labels in ((pair.source_features, pair.source_labels), (pair.target_features, pair.target_labels)):
            rows = [features[:, r, c] / features[:, r, c].norm() for r, c in (labels == one).nonzero().tolist()]
            means.append(torch.stack(rows).mean(0))
        assert found[one] == pytest.approx(1 - torch.dot(*(mean / mean.norm() for mean in means)).item(), abs=1e-5)
    assert np.isnan(found[4])


def test_the_same_image_twice_has_no_distance(pair):
    twin = replace(pair, target_features=pair.source_features, target_labels=pair.source_labels)
    found = class_distances(twin, 4)
    assert (found >= 0).all()
    assert found == pytest.approx(np.zeros(4), abs=1e-6)


def test_without_target_labels_predictions_judge(pair):
    gap = measure_gap(pair, sample_pixels(pair), 4)
    bare = replace(pair, target_labels=None)
    by_prediction = measure_gap(bare, sample_pixels(bare), 4)
    assert (gap.judged_by, by_prediction.judged_by) == ("labels", "predictions")
    same = class_distances(replace(pair, target_labels=pair.target_prediction), 4)
    assert by_prediction.centroid_distance == pytest.approx(same, nan_ok=True)
    assert by_prediction.class_pixels[1].tolist() == torch.bincount(pair.target_prediction.flatten(), minlength=4).tolist()
    assert gap.class_pixels.sum(1).tolist() == [51, 38]  # three and two pixels have no label


def test_without_labels_and_predictions_no_class_is_told(pair):
    bare = replace(pair, target_labels=None, target_probabilities=None)
    gap = measure_gap(bare, sample_pixels(bare), 4)
    assert np.isnan(gap.centroid_distance).all()
    assert np.isfinite([getattr(gap, name) for name in NUMBERS]).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 2)])
def test_a_handful_of_pixels_tells_little_but_breaks_nothing(size):
    pair = make_pair(seed=5, source=(2, 3), target=size)
    gap = measure_gap(pair, sample_pixels(pair), 4)
    numbers = [getattr(gap, name) for name in NUMBERS]
    assert np.isnan(numbers).all() if size == (1, 1) else np.isfinite(numbers).all()


def test_features_all_alike_have_no_gap(pair):
    same = replace(pair, source_features=torch.ones(8, 6, 9), target_features=torch.ones(8, 5, 8))
    gap = measure_gap(same, sample_pixels(same), 4)
    assert [gap.mmd, gap.frechet, gap.proxy_a_distance] == pytest.approx([0, 0, 0], abs=1e-6)


def test_the_same_seed_gives_the_same_numbers(pair):
    sample = sample_pixels(pair)
    one, other = (measure_gap(pair, sample, 4) for _ in range(2))
    assert [getattr(one, name) for name in NUMBERS] == [getattr(other, name) for name in NUMBERS]
