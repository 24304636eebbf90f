"""The fused pass on the CPU says what plain torch says, whatever the shapes, the strips and the spread of the scores."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pca_core.association import aggregation, dispatch, fused_attention, fused_gradients
from pca_core.association.likelihood import Chosen, pair_nll
from pca_core.association.similarity import make_direction, make_directions, normalise_rows
from pca_core.association.strips import scan_strips
from pca_core.association.tiled import scan, scan_both_ways, softmax_matmul
from tests.conftest import ROOT, torch_threads

pytest.importorskip("numba")
examples = settings(max_examples=50, deadline=None)
shapes = {
    "rows": st.integers(1, 90),
    "columns": st.integers(1, 200),
    "channels": st.integers(1, 12),
    "spread": st.sampled_from([0.0, 1e-3, 1.0, 1e3]),
    "seed": st.integers(0, 2**20),
    "tile_rows": st.sampled_from([None, 1, 7, 64]),
    "top_k": st.integers(1, 3),
}


def both_ways(how, *arguments):
    """The same scan by torch and by the fused pass."""
    results = []
    for smallest in (2**60, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dispatch, "FUSED_FROM", smallest)
            results.append(how(*arguments))
    return results


def assert_same(expected, got, direction):
    """Products of other shapes round otherwise; that is all the difference, and it counts in deviations of the row."""
    rounding = 3e-7 * direction.query_RD.norm(dim=1).max() * direction.key_ND.norm(dim=1).max()
    torch.testing.assert_close(got.score_RK, expected.score_RK, rtol=0, atol=rounding.item())
    allowed = 2e-6 * (1 + expected.log_normalizer_R.abs()) + rounding * direction.inverse_std_R
    assert ((got.log_normalizer_R - expected.log_normalizer_R).abs() <= allowed).all()


def make_maps(rows, columns, channels, spread, seed):
    generator = torch.Generator().manual_seed(seed)
    offset = torch.randn(1, channels + 1, generator=generator)
    return (offset + spread * torch.randn(count, channels + 1, generator=generator) for count in (rows, columns))


@examples
@given(**shapes)
def test_cosine_both_ways(rows, columns, channels, spread, seed, tile_rows, top_k):
    directions = make_directions(*make_maps(rows, columns, channels, spread, seed), "feature")
    (there, back), (fused_there, fused_back) = both_ways(scan_both_ways, *directions, min(top_k, columns), tile_rows)
    assert_same(there, fused_there, directions[0])
    assert_same(back, fused_back, directions[1])
    # At ties the row may differ, its score may not.
    forward, _ = directions
    chosen = (forward.query_RD[fused_back.index_RK[:, 0]] * forward.key_ND).sum(1)
    torch.testing.assert_close(chosen, back.score_RK[:, 0], rtol=1e-5, atol=1e-6)


@examples
@given(**shapes)
def test_predictions_one_way(rows, columns, channels, spread, seed, tile_rows, top_k):
    maps = (logits.softmax(1) for logits in make_maps(rows, columns, channels, spread, seed))
    forward, _ = make_directions(*maps, "prediction")
    assert_same(*both_ways(scan, forward, min(top_k, columns), tile_rows), forward)


def test_a_normaliser_that_overflows_is_repaired():
    """One score 110 standard deviations out: 2^t is infinite in float32, the answer is not."""
    columns = 13_000
    target = torch.zeros(columns, 2)
    target[:, 1], target[0] = 1.0, torch.tensor([1.0, 0.0])
    source = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    directions = make_directions(source, target, "feature")
    (there, _), (fused, _) = both_ways(scan_both_ways, *directions)
    assert fused.log_normalizer_R.isfinite().all()
    assert_same(there, fused, directions[0])
    assert fused.log_probability(directions[0])[0, 0].exp().item() == pytest.approx(1.0, abs=1e-4)


@examples
@given(**shapes, width=st.integers(1, 9))
def test_softmax_times_values(rows, columns, channels, spread, seed, tile_rows, top_k, width):
    forward, _ = make_directions(*make_maps(rows, columns, channels, spread, seed), "feature")
    values = torch.randn(columns, width, generator=torch.Generator().manual_seed(seed))
    normalizer = scan_strips(forward, None, 1)[0].log_normalizer_R
    expected, fused = both_ways(softmax_matmul, forward, values, normalizer, tile_rows)
    allowed = (2e-6 + 1e-6 * forward.inverse_std_R) * (1 + values.abs().max())
    assert ((expected - fused).abs() <= allowed[:, None]).all()


@examples
@given(**shapes, level=st.sampled_from(["feature", "prediction"]), share=st.sampled_from([0.0, 0.2, 1.0]))
def test_gradients_of_chosen_probabilities(rows, columns, channels, spread, seed, tile_rows, top_k, level, share):
    """Both ways from one product or each from its own, of all rows, of some or of none; the loss may be turned round."""
    maps = [logits.softmax(1) for logits in make_maps(rows, columns, channels, spread, seed)]
    forward, backward = make_directions(*maps, level)
    leaves = {id(side): side.requires_grad_() for way in (forward, backward) for side in (way.query_RD, way.key_ND)}
    generator = torch.Generator().manual_seed(seed)

    def choose(direction):
        count, choices = len(direction.query_RD), len(direction.key_ND)
        row_M = (torch.rand(count, generator=generator.manual_seed(seed)) < share).nonzero()[:, 0]
        index_M = torch.randint(0, choices, (len(row_M),), generator=generator)
        normaliser = scan_strips(direction.detach(), None, 1)[0].log_normalizer_R
        return Chosen(row_M, index_M, torch.rand(len(row_M), generator=generator), normaliser)

    def gradients():
        value = pair_nll(forward, backward, choose(forward), choose(backward), tile_rows)
        return value.detach(), *torch.autograd.grad(-3 * value, list(leaves.values()))

    (value, *expected), (fused_value, *got) = both_ways(gradients)
    torch.testing.assert_close(fused_value, value, rtol=1e-5, atol=1e-5)
    steepest = max(forward.inverse_std_R.max(), backward.inverse_std_R.max())
    for one, other in zip(got, expected, strict=True):
        # Rounding of a score counts 1/σ times in a probability, and that 1/σ times in the gradient.
        allowed = (1e-4 + 1e-6 * steepest) * (1 + other.abs().max() + steepest)
        assert ((one - other).abs() <= allowed).all()


def assert_same_under(threads, compute):
    """The same tensors with so many threads as with those that there are."""
    expected = compute()
    with torch_threads(threads):
        got = compute()
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_gradients_do_not_depend_on_the_number_of_threads(threads):
    generator = torch.Generator().manual_seed(0)
    sides = torch.randn(2500, 16, generator=generator), torch.randn(1300, 16, generator=generator)
    forward, backward = make_directions(*sides, "feature")
    both = [(way, scan(way).log_normalizer_R, way.inverse_std_R) for way in (forward, backward)]

    def gradients():
        return fused_gradients.weigh_gradients(*both[0], both[1])

    assert_same_under(threads, gradients)


@examples
@given(
    pixels=shapes["columns"],
    channels=shapes["channels"],
    spread=shapes["spread"],
    seed=shapes["seed"],
    tile=st.sampled_from([1, 7, 64, 384]),
    is_normalised=st.booleans(),
)
def test_aggregation_from_half_of_the_scores(pixels, channels, spread, seed, tile, is_normalised):
    """Values and gradients are those of attention in float64; a pixel without features, and equal pixels, are among them."""
    pixels_TC, grad_TC = make_maps(pixels, pixels, channels, spread, seed)
    pixels_TC[0], pixels_TC[-1] = 0, pixels_TC[pixels // 2]
    key_TC = normalise_rows(pixels_TC)
    inverse_std_T = make_direction(key_TC, key_TC, normalise=is_normalised).inverse_std_R

    def borrow(how, dtype):
        leaves = [side.to(dtype).requires_grad_() for side in (key_TC, pixels_TC)]
        result = how(leaves[0], inverse_std_T.to(dtype), leaves[1])
        return result.detach(), *torch.autograd.grad(result, leaves, grad_TC.to(dtype))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fused_attention, "TILE", tile)
        patch.setattr(fused_attention, "_ROWS_A_THREAD", 1)
        fused = borrow(fused_attention.attend_within, torch.float32)
    expected = borrow(lambda key, scale, value: (key @ key.T * scale[:, None]).softmax(1) @ value, torch.float64)
    rounding = 1e-6 * (1 + inverse_std_T.max())  # of a score, it counts 1/σ times in a weight
    largest, steepest = pixels_TC.abs().max(), grad_TC.abs().sum()
    allowed = largest, inverse_std_T.max() * largest * steepest * channels, steepest
    for got, other, size in zip(fused, expected, allowed, strict=True):
        assert ((got - other).abs() <= rounding * (1 + size)).all()


@pytest.mark.parametrize("threads", [1, 2, 5, 12])
def test_aggregation_does_not_depend_on_the_number_of_threads(threads):
    pixels_TC = torch.randn(2500, 16, generator=torch.Generator().manual_seed(0))

    def gradients():
        leaf = pixels_TC.clone().requires_grad_()
        result = aggregation.aggregate_pixels(leaf, "feature")
        return result.detach(), *torch.autograd.grad(result, leaf, pixels_TC.flip(0))

    assert_same_under(threads, gradients)


def test_large_maps_take_the_fused_pass():
    directions = make_directions(torch.randn(2048, 4), torch.randn(2048, 4), "feature")
    assert dispatch.find_fused(directions[0]).__name__.endswith("fused")
    assert dispatch.find_attention(directions[0]).__name__.endswith("fused_attention")
    halves = make_directions(torch.randn(2048, 4).double(), torch.randn(2048, 4).double(), "feature")
    assert dispatch.find_fused(halves[0]) is None


def test_after_the_warm_up_nobody_waits_for_the_compiler():
    """Every loop that others call is compiled, and the first aggregation and loss ask for no other kind of it."""
    lines = """
import torch
from pca_core import association_loss
from pca_core.association import kernels, warm_up
warm_up()
loops = {name: loop for name, loop in vars(kernels).items() if hasattr(loop, "signatures") and not name.startswith("_")}
kinds = {name: len(loop.signatures) for name, loop in loops.items()}
assert len(kinds) >= 8 and min(kinds.values()) == 1, kinds
maps = [torch.randn(2, 9, 24, 25).requires_grad_() for _ in range(2)]
association_loss(*maps, torch.zeros(2, 24, 25, dtype=torch.long)).value.backward()
assert kinds == {name: len(loop.signatures) for name, loop in loops.items()}
"""
    done = subprocess.run([sys.executable, "-c", lines], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
