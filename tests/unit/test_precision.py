"""Fast precisions: what is rounded to what, and how agreement with the exact association is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pca_core import AssociationConfig, associate
from pca_core.association.precision import measure_agreement, round_directions, round_values
from pca_core.association.similarity import make_directions
from tests.conftest import make_pair


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        (1 + 2**-10, 1 + 2**-10),  # the last bit that TF32 has
        (1 + 0.9 * 2**-11, 1.0),  # less than half of it
        (-1 - 1.1 * 2**-11, -1 - 2**-10),  # more than half of it
        (2 - 2**-23, 2.0),  # carries into the exponent
        (0.0, 0.0),
    ],
)
def test_tf32_keeps_ten_bits(value, rounded):
    assert round_values(torch.tensor([value]), "tf32").item() == rounded


@pytest.mark.parametrize(("precision", "bits"), [("tf32", 11), ("bf16", 8)])
def test_rounding_is_to_the_nearest_and_once(precision, bits):
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    once = round_values(values, precision)
    assert ((once - values).abs() <= values.abs() * 2.0**-bits).all()
    assert not torch.equal(once, values)
    torch.testing.assert_close(round_values(once, precision), once, rtol=0, atol=0)
    assert round_values(values, "exact") is values


@pytest.mark.parametrize("level", ["feature", "prediction"])
@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_rounded_directions_keep_what_they_are(level, precision):
    maps = (logits.softmax(1) for logits in torch.randn(2, 12, 5))
    forward, backward = make_directions(*maps, level)
    there, back = round_directions(forward, backward, precision)
    assert there.is_transpose_of(back) == (level == "feature")  # one product still gives both
    assert (there.precision, back.precision) == (precision, precision)
    assert torch.equal(there.mean_R, forward.mean_R)
    assert torch.equal(back.key_ND, round_values(backward.key_ND, precision))


def test_agreement_counts_pixels():
    pair = make_pair(seed=6)
    exact = associate(pair.source_features, pair.target_features, pair.source_labels)
    same = measure_agreement(exact, exact)
    assert (same.match, same.home, same.consistent, same.similarity, same.probability) == (1, 1, 1, 0, 0)
    target_index, similarity = exact.target_index.clone(), exact.similarity.clone()
    target_index[:27] = (target_index[:27] + 1) % 40  # half of 54 source pixels
    similarity[3] += 0.25
    other = replace(exact, target_index=target_index, similarity=similarity, is_consistent=~exact.is_consistent)
    found = measure_agreement(exact, other)
    assert (found.match, found.home, found.consistent) == (0.5, 1, 0)
    assert found.similarity == pytest.approx(0.25)
    assert "same j* 50.000%" in str(found)


@pytest.mark.parametrize(("precision", "most"), [("tf32", 2e-3), ("bf16", 2e-2)])
def test_a_fast_association_is_nearly_the_exact_one(precision, most):
    pair = make_pair(seed=6, channels=32, source=(20, 30), target=(18, 25))
    exact, fast = (
        associate(pair.source_features, pair.target_features, pair.source_labels, AssociationConfig(precision=name))
        for name in ("exact", precision)
    )
    found = measure_agreement(exact, fast)
    assert 0 < found.similarity < most
    assert found.match > 0.97
    assert found.consistent > 0.97
