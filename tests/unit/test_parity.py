"""Against values computed with the authors' released code. The small cases travel with the repository."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from pca_core import AssociationConfig, aggregate, association_loss, cross_entropy_loss, lovasz_softmax_loss, smoothing_loss
from tests.conftest import ROOT, SHARED

SMALL = ROOT / "tests/data/parity_small.safetensors"
FULL = SHARED / "parity/losses.safetensors"
CASES = ["tiny", "small", pytest.param("rect", marks=pytest.mark.skipif(not FULL.exists(), reason="needs ../shared/parity"))]


@pytest.fixture(scope="module")
def values():
    return load_file(FULL if FULL.exists() else SMALL)


def relative(got, expected):
    return ((got - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("tile_rows", [None, 1, 7, 64])
@pytest.mark.parametrize("alpha", [0.0, 0.5])
@pytest.mark.parametrize("level", ["feature", "prediction"])
@pytest.mark.parametrize("case", CASES)
def test_association_loss(values, case, level, alpha, tile_rows):
    key, kind = f"{case}.{level}.alpha{alpha}", "features" if level == "feature" else "logits"
    source = values[f"{case}.source_{kind}"].clone().requires_grad_()
    target = values[f"{case}.target_{kind}"].clone().requires_grad_()
    inputs = (source, target) if level == "feature" else (source.softmax(1), target.softmax(1))
    config = AssociationConfig(level=level, alpha=alpha, tile_rows=tile_rows)
    loss = association_loss(*inputs, values[f"{case}.source_labels"], config=config)
    loss.value.backward()

    assert relative(loss.value, values[f"{key}.loss"]) < 1e-5
    assert relative(source.grad, values[f"{key}.grad_source"]) < 1e-4
    assert relative(target.grad, values[f"{key}.grad_target"]) < 1e-4
    found = loss.associations
    assert torch.equal(torch.stack([a.target_index for a in found]), values[f"{key}.target_index"])
    assert torch.equal(torch.stack([a.return_index for a in found]), values[f"{key}.return_index"])
    assert torch.equal(torch.stack([a.is_consistent for a in found]), values[f"{key}.is_consistent"])
    product = torch.stack([a.forward_prob * a.backward_prob for a in found])
    torch.testing.assert_close(product, values[f"{key}.probability_product"], rtol=1e-5, atol=0)


@pytest.mark.parametrize("level", ["feature", "prediction"])
@pytest.mark.parametrize("case", CASES)
def test_aggregated_target(values, case, level):
    target = values[f"{case}.target_features"] if level == "feature" else values[f"{case}.target_logits"].softmax(1)
    expected = values[f"{case}.{level}.alpha0.5.aggregated_target"]
    assert relative(aggregate(target, level, 0.5), expected) < 1e-5


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("lsr", lambda logits, labels: smoothing_loss(logits)),
        ("lovasz", lambda logits, labels: lovasz_softmax_loss(logits.softmax(1), labels)),
        ("ce", cross_entropy_loss),
    ],
)
def test_other_losses(values, case, name, loss):
    logits = values[f"{case}.source_logits"].clone().requires_grad_()
    value = loss(logits, values[f"{case}.source_labels"])
    value.backward()
    assert relative(value, values[f"{case}.{name}.loss"]) < 1e-5
    assert relative(logits.grad, values[f"{case}.{name}.grad"]) < 1e-4
