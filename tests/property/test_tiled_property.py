"""Whatever the shapes and the tile: sweeping in strips equals the full matrix."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pca_core import AssociationConfig, FeaturePair, PairAnalysis, associate
from tests import reference

# From three pixels a side: with fewer, a row has no spread to normalise by (a case of its own in the unit tests).
sizes = st.tuples(st.integers(1, 9), st.integers(3, 9))
examples = settings(max_examples=60, deadline=None)


@examples
@given(
    source=sizes,
    target=sizes,
    channels=st.integers(1, 20),
    seed=st.integers(0, 2**20),
    tile_rows=st.one_of(st.none(), st.integers(1, 100)),
    level=st.sampled_from(["feature", "prediction"]),
    alpha=st.sampled_from([0.0, 0.5, 1.0]),
    top_k=st.integers(1, 4),
)
def test_associate_equals_dense(source, target, channels, seed, tile_rows, level, alpha, top_k):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(channels + 1, *source, generator=generator, dtype=torch.float64)
    b = torch.randn(channels + 1, *target, generator=generator, dtype=torch.float64)
    if level == "prediction":
        a, b = a.softmax(0), b.softmax(0)
    labels = torch.randint(0, 3, source, generator=generator)
    num_target = target[0] * target[1]
    top_k = min(top_k, num_target)
    found = associate(a, b, labels, AssociationConfig(level=level, alpha=alpha, top_k=top_k, tile_rows=tile_rows))
    log_there, log_back, there, back = reference.associate(a.flatten(1).T, b.flatten(1).T, level, alpha)

    best = there.topk(top_k, dim=1)
    torch.testing.assert_close(found.candidate_similarity, best.values, rtol=1e-8, atol=1e-8)
    # Indices may differ at ties only: the similarity at the chosen place is the best one.
    chosen = there.gather(1, found.candidate_index)
    torch.testing.assert_close(chosen, best.values, rtol=1e-8, atol=1e-8)
    home = back.gather(1, found.target_return_index[:, None])[:, 0]
    torch.testing.assert_close(home, back.max(1).values, rtol=1e-8, atol=1e-8)
    assert torch.equal(found.return_index, found.target_return_index[found.target_index])
    if there.std(1).min() > 1e-4:
        rows = torch.arange(len(there))
        torch.testing.assert_close(found.forward_prob.log(), log_there[rows, found.target_index], rtol=1e-6, atol=1e-6)
    if back.std(1).min() > 1e-4:
        expected = log_back[found.target_index, found.return_index]
        torch.testing.assert_close(found.backward_prob.log(), expected, rtol=1e-6, atol=1e-6)


@examples
@given(source=sizes, target=sizes, seed=st.integers(0, 2**20), tile_rows=st.integers(1, 50))
def test_soft_cycle_equals_dense(source, target, seed, tile_rows):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(6, *source, generator=generator, dtype=torch.float64)
    b = torch.randn(6, *target, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 3, source, generator=generator)
    labels.view(-1)[0] = 255
    analysis = PairAnalysis(FeaturePair(a.float(), b.float(), labels), AssociationConfig(alpha=0.0, tile_rows=tile_rows))
    log_there, log_back, *_ = reference.associate(
        a.float().double().flatten(1).T, b.float().double().flatten(1).T, "feature", 0.0
    )
    label_S = labels.flatten()
    same = (label_S[:, None] == label_S[None]) & (label_S != 255)[:, None]
    expected = ((log_there.exp() @ log_back.exp()) * same).sum(1)
    got = analysis.soft_cycle_S
    assert got[0].isnan()
    torch.testing.assert_close(got[1:].double(), expected[1:], rtol=1e-3, atol=1e-5)
