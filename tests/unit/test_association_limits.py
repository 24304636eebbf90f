"""Where association could break: borders of tiles, overflow, precision, memory, and input that does not fit together."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from pca_core import AssociationConfig, associate, association_loss
from pca_core.association import PairAnalysis, strips
from pca_core.association.similarity import make_directions
from pca_core.association.tiled import scan, scan_both_ways
from pca_core.checks import InputError
from pca_core.device import choose_tile_rows, pick_device
from pca_core.types import FeaturePair
from tests import reference
from tests.conftest import ROOT
from tests.unit.test_association import COSINE, PER_SOURCE, at, labels, random_sides


# Around a block (64) and a tile (2048) of columns, where padding begins.
@pytest.mark.parametrize("num_target", [1, 63, 64, 65, 2047, 2048, 2049, 4097])
def test_best_columns_are_found_wherever_they_lie(num_target):
    generator = torch.Generator().manual_seed(num_target)
    source = torch.randn(7, 5, dtype=torch.float64, generator=generator)
    target = torch.randn(num_target, 5, dtype=torch.float64, generator=generator)
    target[-1] = source[0]
    target[0] = source[1]
    forward, _ = make_directions(source, target, "feature")
    k = min(4, num_target)
    found = scan(forward, top_k=k, tile_rows=3)
    dense = reference.similarity(source, target, "feature")
    torch.testing.assert_close(found.score_RK, dense.topk(k).values)
    assert torch.equal(found.index_RK, dense.topk(k).indices)
    assert found.index_RK[0, 0] == num_target - 1
    if num_target > 1:
        assert found.index_RK[1, 0] == 0
        expected = reference.contrast_normalise(dense).logsumexp(1)
        torch.testing.assert_close(found.log_normalizer_R, expected)


@pytest.mark.parametrize("tile_rows", [1, 2, 34, 35, 36, 1000])
@pytest.mark.parametrize("level", ["feature", "prediction"])
def test_the_height_of_a_strip_changes_nothing(level, tile_rows):
    generator = torch.Generator().manual_seed(4)
    source, target = torch.randn(2, 6, 5, 7, generator=generator, dtype=torch.float64).softmax(1)
    ids = torch.randint(0, 3, (5, 7), generator=generator)
    whole, strips = (associate(source, target, ids, AssociationConfig(level, tile_rows=rows)) for rows in (None, tile_rows))
    for name in ("target_index", "target_return_index", "candidate_index", "is_consistent"):
        assert torch.equal(getattr(strips, name), getattr(whole, name))
    for name in ("forward_prob", "backward_prob", "similarity", "margin"):
        torch.testing.assert_close(getattr(strips, name), getattr(whole, name), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("level", "sweeps"), [("feature", 1), ("prediction", 2)])
def test_cosine_is_swept_once_for_both_ways(monkeypatch, level, sweeps):
    """The product is the same both ways; −KL is not."""
    real, calls = strips.iterate_strips, []
    monkeypatch.setattr(strips, "iterate_strips", lambda *given: (calls.append(given), real(*given))[1])
    source, target = torch.randn(2, 6, 5, 7).softmax(1)
    associate(source, target, torch.zeros(5, 7, dtype=torch.long), AssociationConfig(level))
    assert len(calls) == sweeps


@pytest.mark.parametrize("is_way_there", [True, False])
def test_a_score_a_hundred_deviations_out_does_not_overflow(is_way_there):
    """One pixel in 12,000 is like the asking one, the rest are at right angles: (N − 1)/√N = 109.5 deviations, beyond e⁸⁸."""
    few, many = torch.eye(2), torch.eye(2)[[0] + [1] * 11_999]
    source, target = (few, many) if is_way_there else (many, few)
    forward, backward = make_directions(source, target, "feature")
    there, back = scan_both_ways(forward, backward)
    got = (there if is_way_there else back).log_normalizer_R
    scores = reference.contrast_normalise(few.double() @ many.double().T)
    assert scores[0].max() > 100
    torch.testing.assert_close(got.double(), scores.logsumexp(1), rtol=1e-4, atol=1e-3)

    maps = source.T[None, :, None].clone().requires_grad_(), target.T[None, :, None].clone().requires_grad_()
    ids = torch.arange(len(source))[None, None].clamp_max(1)
    loss = association_loss(*maps, ids, alpha=0.0)
    loss.value.backward()
    assert loss.value.isfinite()
    assert all(side.grad.isfinite().all() for side in maps)
    found = loss.associations[0]
    assert (found.forward_prob if is_way_there else found.backward_prob)[0].item() == pytest.approx(1.0, abs=1e-3)


MEASURE = """
import sys
import torch
from pca_core import FeaturePair, associate, association_loss
from pca_core.analysis.loss_ledger import write_ledger
from pca_core.association import dispatch
torch.set_num_threads(1)
def mebibytes(key):  # not getrusage: its peak begins with that of the process that started this one
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith(key))
def make(size):
    source, target = torch.randn(2, 1, 64, size // 100, 100)
    return source.requires_grad_(), target.requires_grad_(), torch.randint(0, 5, (1, size // 100, 100))
def dense(a, b, labels):
    return a.flatten(2)[0].T @ b.flatten(2)[0]
def loss(a, b, labels):
    result = association_loss(a, b, labels)
    assert result.rate > 0
    result.value.backward()
def one_pair(a, b, labels):
    associate(a[0], b[0], labels[0])
def ledger(a, b, labels):
    write_ledger(FeaturePair(a[0], b[0], labels[0]), torch.nn.Conv2d(64, 5, 1))
call = {"dense": dense, "ledger": ledger, "loss": loss, "associate": one_pair}[sys.argv[1]]
dispatch.FUSED_FROM = 0
call(*make(300))  # what the libraries take once, the compiler included
inputs = make(6000)
before = mebibytes("VmRSS:")
call(*inputs)
print(mebibytes("VmHWM:") - before)
"""


# Two maps of 6,000 pixels and 64 channels hold 3 MB; a single matrix between them holds 137 MiB, and autograd keeps several.
@pytest.mark.parametrize(("call", "is_matrix_held"), [("associate", False), ("loss", False), ("ledger", False), ("dense", True)])
def test_memory_stays_far_below_one_matrix(call, is_matrix_held):
    command = [sys.executable, "-c", MEASURE, call]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert (float(done.stdout) > 130) == is_matrix_held  # the dense product shows that the measurement measures
    assert is_matrix_held or float(done.stdout) < (100 if call == "ledger" else 60)  # a ledger holds the gradients of six terms


IDS = torch.zeros(2, 3, dtype=torch.long)
MAPS = {"source": torch.ones(4, 2, 3), "target": torch.ones(4, 3, 2), "ids": IDS}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source": torch.ones(1, 4, 2, 3)}, r"source_features must be a non-empty .*features\[0\]"),  # with its batch axis
        ({"target": torch.ones(4, 0, 2)}, "target_features must be a non-empty"),  # no pixels
        ({"target": torch.ones(5, 3, 2)}, "same channels, got 4 and 5.*same model"),  # of two models
        ({"source": torch.full((4, 2, 3), torch.nan)}, "source_features holds NaN"),  # a broken net
        ({"target": torch.full((4, 3, 2), -torch.inf)}, "target_features holds NaN or inf"),  # a diverged net
        ({"source": torch.full((4, 2, 3), 7e4).half()}, "source_features holds NaN or inf"),  # beyond half precision
        ({"ids": torch.zeros(8, 12, dtype=torch.long)}, r"resize_label\(label, size=\(2, 3\)\)"),  # at full resolution
        ({"ids": IDS.T}, r"feature pixel \(2, 3\), got shape \(3, 2\)"),  # on its side
        ({"ids": IDS.float()}, r"integer class ids, got torch.float32.*labels.long\(\)"),  # no whole numbers
        ({"ids": IDS.bool()}, "integer class ids, got torch.bool"),  # a mask
        ({"ids": IDS - 1}, "ids ≥ 0 or 255.*got -1"),  # another convention for "no label"
    ],
)
def test_input_that_does_not_fit_together(change, words):
    given = MAPS | change
    with pytest.raises(ValueError, match=words):
        associate(given["source"], given["target"], given["ids"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"level": "features"}, "'feature' or 'prediction', got 'features'"),  # misspelt
        ({"alpha": 1.01}, r"\[0, 1\], got 1.01"),  # more than everything
        ({"alpha": float("nan")}, r"\[0, 1\], got nan"),  # no number compares with NaN
        ({"top_k": 0}, "top_k must be at least 1, got 0"),  # no candidate
        ({"tile_rows": 0}, "tile_rows must be at least 1 or None"),  # would never end
        ({"precision": "fp8"}, "exact, tf32, bf16, got .fp8."),  # too few bits to tell pixels apart
    ],
)
def test_impossible_settings(options, words):
    with pytest.raises(ValueError, match=words):
        AssociationConfig(**options)


def test_more_candidates_than_target_pixels():
    with pytest.raises(ValueError, match=r"number of target pixels \(6\), got 7"):
        associate(*MAPS.values(), AssociationConfig(top_k=7))
    assert associate(*MAPS.values(), AssociationConfig(top_k=6)).candidate_index.sort(1).values.tolist() == [[*range(6)]] * 6


@pytest.mark.parametrize("name", ["gpu", "", "meta", "cpu:1", "cuda:", "cuda:-1", "auto "])
def test_devices_that_are_none(name):
    with pytest.raises(InputError) as caught:
        pick_device(name)
    assert caught.value.code == "DEVICE_UNKNOWN"


def test_devices_that_are_there(monkeypatch):
    assert pick_device("cpu").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device().type == "cpu"
    with pytest.raises(InputError, match="no CUDA GPU"):
        pick_device("cuda:0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert (pick_device().type, pick_device("cuda:1").index) == ("cuda", 1)
    with pytest.raises(InputError, match="there are 2 CUDA GPUs"):
        pick_device("cuda:2")


def test_tiles_on_a_gpu_hold_a_bounded_strip():
    cpu = torch.device("cpu")
    assert choose_tile_rows(8192, torch.float32, cpu) == 512  # 16 MiB / (8,192 × 4 bytes)
    assert choose_tile_rows(100, torch.float32, cpu) == 1024  # never more rows than this
    assert choose_tile_rows(10**6, torch.float32, cpu) == 256  # nor fewer
    cuda = torch.device("cuda")
    assert choose_tile_rows(32768, torch.float32, cuda) == 2048  # 256 MiB / (32,768 × 4 bytes)
    assert choose_tile_rows(32768, torch.float64, cuda) == 1024
    assert choose_tile_rows(100, torch.float32, cuda) == 8192  # never more rows than this
    assert choose_tile_rows(10**9, torch.float32, cuda) == 256  # never fewer


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_associated_in_single(dtype):
    source, target, ids = random_sides()
    source, target = source.to(dtype), target.to(dtype)
    half, single = associate(source, target, ids), associate(source.float(), target.float(), ids)
    assert half.forward_prob.dtype == torch.float32
    assert all(torch.equal(getattr(half, name), getattr(single, name)) for name in PER_SOURCE)


def test_double_precision_tells_what_single_cannot():
    """1 − cos(10⁻³ °) is 1.5·10⁻¹⁰: in float32 both targets are equal and the first would be taken."""
    found = associate(at(0), at(0.001, 0.0), labels(0), COSINE)
    assert found.forward_prob.dtype == torch.float64
    assert found.target_index.item() == 1


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_a_pixel_without_direction_takes_no_gradient(side, alpha):
    """All zero features have no direction to turn: a gradient of a million millions there would drown all others."""
    *sides, ids = random_sides()
    maps = {name: one.float()[None] for name, one in zip(("source", "target"), sides, strict=True)}
    maps[side][..., 1, 2] = 0
    for one in maps.values():
        one.requires_grad_()
    association_loss(*maps.values(), ids[None], alpha=alpha).value.backward()
    for name, one in maps.items():
        assert one.grad.isfinite().all()
        assert 0 < one.grad.abs().max() < 10, name
    if alpha == 0:
        assert (maps[side].grad[..., 1, 2] == 0).all()


@pytest.mark.parametrize(
    ("change", "level", "why"),
    [
        (lambda one: one, "prediction", "must hold probabilities at level='prediction', got values from -"),
        (lambda one: one.abs() + 1, "prediction", "must hold probabilities"),
        (lambda one: 1e25 * one, "feature", "NaN or infinite values, or huge ones"),
        (lambda one: one / 0, "feature", "NaN or infinite values, or huge ones"),
        (lambda one: one.double(), "feature", "must have one dtype, got torch.float64 and torch.float32"),
    ],
)
def test_maps_that_mean_nothing_are_refused(change, level, why):
    source, target, ids = random_sides()
    with pytest.raises(ValueError, match=why):
        associate(change(source.float()), target.float(), ids, AssociationConfig(level))


def test_label_ids_of_eight_bits_are_read_like_others():
    source, target, ids = random_sides()
    pair = FeaturePair(source, target, ids.to(torch.uint8))
    wide = FeaturePair(source, target, ids)
    soft, same = (PairAnalysis(one, AssociationConfig()).soft_cycle_S for one in (pair, wide))
    torch.testing.assert_close(soft, same, rtol=0, atol=0, equal_nan=True)  # unlabelled ones have none
