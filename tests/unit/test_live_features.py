"""Features for the browser: similarities from what is sent, against the exact ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from app.components.linked_images.payload import pack_features, read_header
from pca_core import AssociationConfig, PairAnalysis
from pca_core.analysis import live_features
from pca_core.analysis.live_features import AGREEMENT, LiveSide, compress_features
from pca_core.types import FeaturePair
from tests import reference
from tests.conftest import make_pair

LEVELS = ["feature", "prediction"]


def similarities(query: LiveSide, key: LiveSide) -> np.ndarray:
    """(R, N) as the browser adds them up."""
    queries = query.query.astype(np.float64) * query.query_scale
    return queries @ (key.key.astype(np.float64) * key.key_scale).T + query.offset[:, None]


def random_pair(channels: int, rank: int, seed: int = 0) -> FeaturePair:
    """Features of ``rank`` directions in ``channels`` dimensions."""
    generator = torch.Generator().manual_seed(seed)
    axes = torch.randn(channels, rank, generator=generator)
    source, target = (
        torch.einsum("cr,rhw->chw", axes, torch.randn(rank, *size, generator=generator)) for size in ((9, 11), (8, 7))
    )
    return FeaturePair(source, target, torch.zeros(9, 11, dtype=torch.long))


@pytest.mark.parametrize("alpha", [0.0, 0.5])
@pytest.mark.parametrize("level", LEVELS)
def test_similarities_both_ways_are_the_exact_ones(pair, level, alpha):
    found = compress_features(PairAnalysis(pair, AssociationConfig(level=level, alpha=alpha)))
    maps = (pair.source_features, pair.target_features)
    if level == "prediction":
        maps = (pair.source_probabilities, pair.target_probabilities)
    source, target = (one.flatten(1).T for one in maps)
    _, _, there, back = reference.associate(source, target, level, alpha)
    np.testing.assert_allclose(similarities(found.source, found.target), there, atol=2e-5)
    np.testing.assert_allclose(similarities(found.target, found.source), back, atol=2e-5)
    assert (found.agreement, found.num_judged) == (1.0, 54)


def test_integers_of_many_dimensions_cost_less_than_a_thousandth():
    pair = random_pair(channels=40, rank=40)
    found = compress_features(PairAnalysis(pair, AssociationConfig(alpha=0.0)))
    source, target = (one.flatten(1).T for one in (pair.source_features, pair.target_features))
    assert found.source.query.dtype == np.int16
    assert found.source.key is found.source.query
    assert found.num_dimensions == found.num_channels == 40
    np.testing.assert_allclose(
        similarities(found.source, found.target), reference.similarity(source, target, "feature"), atol=1e-3
    )


def test_as_few_dimensions_as_keep_the_first_choice():
    few = compress_features(PairAnalysis(random_pair(channels=300, rank=12), AssociationConfig(alpha=0.0)))
    assert (few.num_dimensions, few.num_channels) == (64, 300)  # the fewest that are tried hold all twelve directions
    assert few.agreement >= AGREEMENT
    many = compress_features(PairAnalysis(random_pair(channels=300, rank=300), AssociationConfig(alpha=0.0)))
    assert many.num_dimensions > 64
    assert many.agreement >= AGREEMENT


def test_agreement_is_counted_on_the_judged_pixels():
    one = PairAnalysis(random_pair(channels=300, rank=300), AssociationConfig(alpha=0.0))
    found = compress_features(one)
    exact = one.association.candidate_index[:, 0].numpy()
    assert found.agreement == (similarities(found.source, found.target).argmax(1) == exact).mean()


def test_more_than_a_browser_should_get_is_not_sent(monkeypatch):
    one = PairAnalysis(random_pair(channels=300, rank=300), AssociationConfig(alpha=0.0))
    num_pixels = 9 * 11 + 8 * 7
    monkeypatch.setattr(live_features, "MAX_BYTES", num_pixels * 64 * 2)
    cut = compress_features(one)
    assert cut.num_dimensions == 64
    assert cut.agreement < AGREEMENT  # and it says so
    monkeypatch.setattr(live_features, "MAX_BYTES", num_pixels * 64 * 2 - 1)
    assert compress_features(one) is None


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("level", LEVELS)
def test_the_built_in_pair_keeps_95_of_100_first_choices_both_ways(analysis, level, alpha):
    """What the page states is what every pixel, not only the judged ones, gets."""
    one = analysis.with_config(replace(analysis.config, level=level, alpha=alpha))
    found = compress_features(one)
    source, target = found.source, found.target
    there = agreement(source, target, one.association.target_index.numpy())
    back = agreement(target, source, one.association.target_return_index.numpy())
    assert min(found.agreement, there, back) >= 0.95
    assert found.agreement == pytest.approx(there, abs=0.02)


def agreement(query: LiveSide, key: LiveSide, exact: np.ndarray) -> float:
    """In float32, as a browser adds."""
    rows = torch.from_numpy(query.query.astype(np.float32) * np.float32(query.query_scale))
    columns = torch.from_numpy(key.key.astype(np.float32) * np.float32(key.key_scale))
    best = torch.cat([(part @ columns.T).argmax(1) for part in rows.split(1024)])
    return float((best.numpy() == exact).mean())


def test_the_message_states_the_fidelity(pair):
    found = compress_features(PairAnalysis(pair))
    stated = replace(found, num_dimensions=64, num_channels=256, agreement=0.9765, num_judged=1024)
    words = read_header(pack_features(stated, "feature"))["fidelity"]
    assert words == "64 of 256 dimensions, same match as the exact one for 97.7% of 1,024 pixels"
    assert read_header(pack_features(stated, "prediction"))["fidelity"].startswith("−KL of the predictions, same match")


def test_one_pixel_on_either_side():
    pair = make_pair(seed=5, source=(1, 1), target=(1, 1))
    found = compress_features(PairAnalysis(replace(pair, source_labels=torch.zeros(1, 1, dtype=torch.long), target_labels=None)))
    assert (found.agreement, found.num_judged) == (1.0, 1)
