"""The ledger adds up to the real losses, and its gradients are those of slow, dense autograd."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from pca_core.analysis.loss_ledger import ASSOCIATIONS, TERMS, write_ledger
from pca_core.analysis.loss_readings import PICKS, measure_reach, read_ledger
from pca_core.association.cycle import AssociationConfig
from pca_core.losses import (
    LossWeights,
    association_loss,
    cross_entropy_loss,
    lovasz_softmax_loss,
    smoothing_loss,
    total_loss,
)
from pca_core.types import IGNORE_INDEX, FeaturePair
from tests import reference
from tests.conftest import make_pair

ALPHAS = [0.5, 0.0]
WEIGHTS = LossWeights()


def make_classifier(channels: int = 8, classes: int = 4) -> nn.Conv2d:
    torch.manual_seed(7)
    return nn.Conv2d(channels, classes, 1)


def double(pair: FeaturePair) -> FeaturePair:
    """The same pair in double precision: no rounding hides behind a tolerance."""
    return replace(pair, source_features=pair.source_features.double(), target_features=pair.target_features.double())


def relabel(pair: FeaturePair, labels: torch.Tensor) -> FeaturePair:
    return replace(pair, source_labels=labels)


def real_terms(pair: FeaturePair, classify, config: AssociationConfig, source, target, associate) -> dict[str, torch.Tensor]:
    """The objective as a training step computes it, from (1, C, h, w) features with a graph."""
    source_logits, target_logits = classify(source), classify(target)
    labels, predictions = pair.source_labels[None], (source_logits.softmax(1), target_logits.softmax(1))
    return {
        "cross_entropy": cross_entropy_loss(source_logits, labels),
        "lovasz": lovasz_softmax_loss(predictions[0], labels),
        "feature_association": associate(source, target, labels, "feature", config.alpha),
        "prediction_association": associate(
            source_logits.softmax(1), target_logits.softmax(1), labels, "prediction", config.alpha
        ),
        "source_smoothing": smoothing_loss(source_logits),
        "target_smoothing": smoothing_loss(target_logits),
    }


def open_maps(pair: FeaturePair) -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(one.clone()[None].requires_grad_() for one in (pair.source_features, pair.target_features))


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("switches", [{}, {"mutual": True}, {"top_k": 3}, {"contrast_normalisation": False}])
def test_shares_of_every_term_add_up_to_the_real_loss(pair, alpha, switches):
    classify, config = make_classifier(), AssociationConfig(alpha=alpha, **switches)
    source, target = open_maps(pair)

    def associate(a, b, labels, level, _):
        return association_loss(a, b, labels, config=replace(config, level=level)).value

    real = real_terms(pair, classify, config, source, target, associate)
    ledger = write_ledger(pair, classify, config)
    assert list(ledger.terms) == list(real) == list(TERMS)
    for name, term in ledger.terms.items():
        assert term.value == pytest.approx(real[name].item(), rel=1e-6)
        assert term.shares.sum() == pytest.approx(term.value, rel=1e-5, abs=1e-6)
        assert term.shares.shape == (pair.source_size if term.side == "source" else pair.target_size)
        assert (term.shares >= 0).all() or name.endswith("smoothing")  # nothing else lowers the objective
    assert read_ledger(ledger, WEIGHTS, PICKS["all"]).total == pytest.approx(total_loss(real, WEIGHTS).item(), rel=1e-5)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_gradients_are_those_of_dense_autograd(alpha):
    """Beside the maths with full matrices, term by term and weighted."""
    pair = double(make_pair(seed=11, source=(4, 5), target=(3, 6)))
    classify, config = make_classifier().double(), AssociationConfig(alpha=alpha)
    ledger = write_ledger(pair, classify, config)
    for pick in PICKS.values():
        source, target = open_maps(pair)
        real = real_terms(pair, classify, config, source, target, reference.association_loss)
        total_loss({name: real[name] for name in pick}, WEIGHTS).backward()
        reading = read_ledger(ledger, WEIGHTS, pick)
        for side, features in (("source", source), ("target", target)):
            expected = np.zeros(features.shape[-2:]) if features.grad is None else features.grad[0].norm(dim=0).numpy()
            np.testing.assert_allclose(reading.gradient[side], expected, rtol=1e-6, atol=1e-9)


def test_terms_reach_the_features_that_they_are_computed_from(pair):
    gradients = write_ledger(pair, make_classifier()).gradients
    assert set(gradients["source"].terms) == set(TERMS) - {"target_smoothing"}
    assert set(gradients["target"].terms) == {*ASSOCIATIONS, "target_smoothing"}


def test_each_pixel_pays_what_the_formulas_say(pair):
    """One pixel after the other, by loops."""
    classify = make_classifier()
    ledger = write_ledger(pair, classify)
    probabilities = classify(pair.source_features[None]).softmax(1)[0].detach()
    log_probabilities, labels = probabilities.log(), pair.source_labels
    count = int((labels != IGNORE_INDEX).sum())
    for row, column in np.ndindex(*labels.shape):
        label = int(labels[row, column])
        expected = 0.0 if label == IGNORE_INDEX else -log_probabilities[label, row, column].item() / count
        assert ledger.terms["cross_entropy"].shares[row, column] == pytest.approx(expected, abs=1e-6)
        flat = -log_probabilities[:, row, column].mean().item()
        smooth = (flat / 10 - 1) * flat / labels.numel()
        assert ledger.terms["source_smoothing"].shares[row, column] == pytest.approx(smooth, abs=1e-6)
    assert ledger.terms["cross_entropy"].num_paying == ledger.terms["lovasz"].num_paying == count


def test_lovasz_shares_by_sorting_each_class(pair):
    classify = make_classifier()
    shares = write_ledger(pair, classify).terms["lovasz"].shares
    probabilities, labels = (
        classify(pair.source_features[None]).softmax(1)[0].detach().double().numpy(),
        pair.source_labels.numpy(),
    )
    expected, is_labelled = np.zeros(labels.shape), labels != IGNORE_INDEX
    places, present = np.argwhere(is_labelled), np.unique(labels[is_labelled])
    for k in present:
        errors = {tuple(p): abs((labels[tuple(p)] == k) - probabilities[(k, *p)]) for p in places}
        members, wrong_members, wrong_others, jaccard = (labels == k).sum(), 0, 0, 0.0
        for place in sorted(errors, key=errors.get, reverse=True):
            wrong_members += labels[place] == k
            wrong_others += labels[place] != k
            now = 1 - (members - wrong_members) / (members + wrong_others)
            expected[place] += errors[place] * (now - jaccard) / len(present)
            jaccard = now
    np.testing.assert_allclose(shares, expected, atol=1e-6)


def test_only_consistent_pixels_pay_for_associations(pair):
    config = AssociationConfig()
    ledger = write_ledger(pair, make_classifier(), config)
    loss = association_loss(pair.source_features[None], pair.target_features[None], pair.source_labels[None], config=config)
    (found,) = loss.associations
    term = ledger.terms["feature_association"]
    assert ((term.shares.ravel() > 0) == found.is_consistent.numpy()).all()
    assert term.num_paying == int(found.is_consistent.sum()) > 0


@pytest.mark.parametrize("alpha", ALPHAS)
def test_without_labels_only_smoothing_is_left(pair, alpha):
    blank = relabel(pair, torch.full_like(pair.source_labels, IGNORE_INDEX))
    ledger = write_ledger(blank, make_classifier(), AssociationConfig(alpha=alpha))
    for name, term in ledger.terms.items():
        is_smoothing = name.endswith("smoothing")
        assert (term.num_paying > 0) == (term.value != 0) == bool(term.shares.any()) == is_smoothing
    alone = read_ledger(ledger, WEIGHTS, [name for name in TERMS if not name.endswith("smoothing")])
    assert alone.total == 0
    assert not any(norms.any() for norms in alone.gradient.values())
    assert alone.times_even_share("source") is None
    reach = measure_reach(alone.gradient["target"], alone.average("target"))
    assert (reach.touched, reach.at_even, reach.total, reach.maximum) == (0, 0, 0, 0)


def test_nothing_consistent_pays_nothing_and_pulls_on_nothing():
    """The way back from the only target pixel ends on the unlabelled source pixel: no cycle closes."""
    source = torch.eye(2)[:, None]
    target = torch.tensor([[1.0], [0.1]])[:, None]
    pair = FeaturePair(source, target, torch.tensor([[IGNORE_INDEX, 1]]))
    ledger = write_ledger(pair, make_classifier(2, 2), AssociationConfig(alpha=0.0))
    assert ledger.terms["feature_association"].num_paying == 0
    assert ledger.terms["feature_association"].value == 0
    assert not read_ledger(ledger, WEIGHTS, ["feature_association"]).gradient["target"].any()


def test_one_pixel_and_no_target_labels():
    pair = FeaturePair(torch.ones(8, 1, 1), torch.ones(8, 1, 1), torch.zeros(1, 1, dtype=torch.long))
    ledger = write_ledger(pair, make_classifier())
    reading = read_ledger(ledger, WEIGHTS, PICKS["all"])
    assert np.isfinite(reading.total)
    assert all(np.isfinite(norms).all() for norms in reading.gradient.values())
    assert sum(paid.sum() for paid in reading.paid.values()) == pytest.approx(reading.total, abs=1e-6)


def test_a_class_that_the_net_does_not_know_is_refused(pair):
    with pytest.raises(ValueError, match="class ids 0 to 2"):
        write_ledger(pair, make_classifier(classes=3))


def test_the_pair_of_an_inference_and_its_net_stay_as_they_are(pair):
    classify = make_classifier()
    with torch.inference_mode():
        frozen = replace(pair, source_features=pair.source_features.clone(), target_features=pair.target_features.clone())
        inside = write_ledger(frozen, classify)
    outside = write_ledger(pair, classify)
    assert inside.terms["lovasz"].value == outside.terms["lovasz"].value
    assert all(parameter.grad is None for parameter in classify.parameters())
