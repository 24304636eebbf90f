"""Runs the Triton kernels under Triton's interpreter, on the CPU, and prints what they say beside plain torch.

A process of its own, because the kernels are made for the interpreter when they are imported:

    TRITON_INTERPRET=1 python -m tests.unit.interpreted

prints JSON: for each case its numbers, judged in ``test_gpu_kernels.py``.
"""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import replace

import torch

from pca_core import AssociationConfig, association_loss
from pca_core.association import aggregation, gpu, likelihood, tiled
from pca_core.association.gpu import trust
from pca_core.association.gpu.launch import SMALL
from pca_core.association.precision import round_directions
from pca_core.association.similarity import Direction, make_direction, make_directions
from pca_core.association.strips import iterate_weights, scan_strips
from tests.conftest import make_pair

FEW = replace(SMALL, rows=16, columns=32)  # many tiles of little work


def random_maps(rows: int, columns: int, channels: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(rows + columns)
    return torch.randn(rows, channels, generator=generator), torch.randn(columns, channels, generator=generator)


def compare_scans(directions, top_k, tile_rows=None, blocks=None) -> dict:
    """Whether choices are the same; largest difference of scores, and of normalisers as a share of what rounding may do."""
    both = [direction for direction in directions if direction is not None]
    got, expected = gpu.scan(*directions, top_k, tile_rows, blocks), scan_strips(*directions, top_k)
    score, normaliser = 0.0, 0.0
    for direction, one, other in zip(both, got, expected, strict=False):
        score = max(score, (one.score_RK - other.score_RK).abs().max().item())
        allowed = 2e-6 * (1 + other.log_normalizer_R.abs()) + 1e-6 * direction.inverse_std_R  # a row's σ may be next to nothing
        normaliser = max(normaliser, ((one.log_normalizer_R - other.log_normalizer_R).abs() / allowed).max().item())
    same = all(torch.equal(one.index_RK, other.index_RK) for _, one, other in zip(both, got, expected, strict=False))
    return {"same": same, "score": score, "normaliser": normaliser}


def scan_cosine(rows, columns, channels, top_k, tile_rows, precision="exact", blocks=None):
    directions = make_directions(*random_maps(rows, columns, channels), "feature")
    return compare_scans(round_directions(*directions, precision), top_k, tile_rows, blocks)


def scan_predictions():
    maps = (logits.softmax(1) for logits in random_maps(40, 75, 5))
    forward, _ = make_directions(*maps, "prediction")
    return compare_scans((forward, None), 2)


def scan_ties():
    """Whole numbers, so that scores are exact, and every row and column several times."""
    generator = torch.Generator().manual_seed(5)
    source, target = (torch.randint(-2, 3, (7, 6), generator=generator).float()[torch.arange(n) % 7] for n in (90, 150))
    forward, backward = (make_direction(*sides, normalise=False) for sides in ((source, target), (target, source)))
    score = source @ target.T
    there, back = gpu.scan(forward, backward, 3, tile_rows=16, blocks=FEW)
    best = score.argsort(dim=1, descending=True, stable=True)[:, :3]
    first_row = (score == score.amax(0)).to(torch.uint8).argmax(0)
    return {"there": torch.equal(there.index_RK, best), "back": torch.equal(back.index_RK[:, 0], first_row)}


def far_out() -> Direction:
    """A row with one score 95 standard deviations out: its sum of exponentials overflows."""
    target = torch.zeros(9_000, 2)
    target[:, 1], target[0] = 1.0, torch.tensor([1.0, 0.0])
    return make_directions(torch.tensor([[1.0, 0.0], [0.6, 0.8]]), target, "feature")[0]


def overflow():
    direction, values = far_out(), random_maps(1, 9_000, 3)[1]
    blocks = replace(SMALL, columns=1024)
    got = gpu.attend(direction, values, None, blocks)
    return {"values": (got - dense_attention(direction, values)).abs().max().item()}


def dense_attention(direction: Direction, values: torch.Tensor) -> torch.Tensor:
    score = (direction.query_RD @ direction.key_ND.T - direction.mean_R[:, None]) * direction.inverse_std_R[:, None]
    return score.softmax(1) @ values


def attend(rows, channels, tile_rows, precision="exact"):
    """Output and gradients beside autograd through the full matrix; differences relative to the largest entry."""
    maps = random_maps(rows, rows, channels)[0]
    results = []
    for how in (gpu.attend, dense_attention):
        leaf = maps.clone().requires_grad_()
        key = torch.nn.functional.normalize(leaf, dim=1)
        direction = make_direction(key, key)
        direction, _ = round_directions(direction, direction, precision)
        out = how(direction, leaf, *([tile_rows, FEW] if how is gpu.attend else []))
        (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
        results.append((out.detach(), leaf.grad))
    return dict(zip(("out", "grad"), map(relative, *results), strict=True))


def relative(got: torch.Tensor, expected: torch.Tensor) -> float:
    return ((got - expected).abs().max() / expected.abs().max()).item()


def weights():
    direction, _ = make_directions(*random_maps(67, 45, 33), "feature")
    normaliser = scan_strips(direction, None, 1)[0].log_normalizer_R
    factor, values = torch.linspace(-1, 2, 67), random_maps(1, 45, 7)[1]
    plain = torch.cat([strip.clone() for _, strip in iterate_weights(direction, normaliser, factor)])
    tiles = torch.cat([strip.clone() for _, strip in gpu.iterate_weights(direction, normaliser, factor, 30)])
    sums = gpu.softmax_matmul(direction, values, normaliser, 30)
    return {"weights": relative(tiles, plain), "values": relative(sums, dense_attention(direction, values))}


def whole_loss(level):
    """Loss, gradients and associations of a labelled pair through the public entry, with and without the kernels."""
    pair = make_pair(seed=4, channels=33, source=(6, 11), target=(5, 9))
    maps = (pair.source_features, pair.target_features)
    if level == "prediction":
        maps = [(side.log() / 9).softmax(0) for side in (pair.source_probabilities, pair.target_probabilities)]  # no ties
    config = AssociationConfig(level=level, top_k=2)
    results = []
    for module in (gpu, None):
        tiled.find_fused = lambda direction, top_k=1, module=module: module
        likelihood.find_gpu = aggregation.find_gpu = lambda direction, module=module: module
        aggregation.WIDE = 0
        source, target = (side[None].clone().requires_grad_() for side in maps)
        loss = association_loss(source, target, pair.source_labels[None], config=config)
        loss.value.backward()
        results.append((loss, source.grad, target.grad))
    (got, *grads), (expected, *expected_grads) = results
    one, other = got.associations[0], expected.associations[0]
    indices = ("target_index", "return_index", "is_consistent", "candidate_index", "target_return_index")
    return {
        "consistent": int(one.is_consistent.sum()),
        "same": all(torch.equal(getattr(one, name), getattr(other, name)) for name in indices),
        "value": relative(got.value.detach(), expected.value.detach()),
        "grad": max(map(relative, grads, expected_grads)),
    }


def trusted():
    """Trusted when right; not, with a warning, when the kernels fail or are wrong."""
    device, real, answers = torch.device("cpu"), trust._compare, []
    for compare in (real, lambda device: 1 / 0, lambda device: 0.1, lambda device: float("nan")):
        trust._compare = compare
        trust.is_trusted.cache_clear()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            answers.append([trust.is_trusted(device), len(caught)])
    return {"answers": answers}


CASES = {
    "odd": lambda: scan_cosine(67, 45, 33, 2, None),
    "bands": lambda: scan_cosine(67, 75, 33, 3, 16, blocks=FEW),
    "one": lambda: scan_cosine(1, 1, 1, 1, None),
    "one row": lambda: scan_cosine(1, 70, 3, 2, None),
    "one column": lambda: scan_cosine(70, 1, 3, 1, None),
    "most candidates": lambda: scan_cosine(20, 33, 4, gpu.MAX_TOP_K, None, blocks=FEW),
    "wide": lambda: scan_cosine(9, 12, 2048, 2, None),
    "tf32": lambda: scan_cosine(67, 45, 33, 2, None, "tf32"),
    "bf16": lambda: scan_cosine(67, 45, 33, 2, None, "bf16"),
    "predictions": scan_predictions,
    "ties": scan_ties,
    "weights": weights,
    "attend": lambda: attend(67, 33, 20),
    "attend wide": lambda: attend(10, 2048, None),
    "attend tf32": lambda: attend(40, 33, None, "tf32"),
    "attend bf16": lambda: attend(40, 33, None, "bf16"),
    "overflow": overflow,
    "trusted": trusted,
    "loss of features": lambda: whole_loss("feature"),
    "loss of predictions": lambda: whole_loss("prediction"),
}


if __name__ == "__main__":
    torch.set_num_threads(1)
    json.dump({name: case() for name, case in CASES.items()}, sys.stdout)
