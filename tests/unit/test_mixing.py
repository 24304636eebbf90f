"""Views of both domains in one: what is pasted, what it is called, and how much it counts."""

from __future__ import annotations

from dataclasses import replace

import torch

from pca_core.adaptation import adapt
from pca_core.adaptation.methods.mixing import mix_views
from pca_core.adaptation.views import Views
from pca_core.types import IGNORE_INDEX
from tests.unit.adaptation_data import TINY, make_checkpoint, open_domains


def make_views() -> Views:
    """One pair: ones with classes 0, 1 and an unlabelled column against zeros."""
    labels = torch.tensor([[[0, 0, 1, 1, 1, IGNORE_INDEX]] * 4])
    return Views(torch.ones(1, 3, 4, 6), labels, torch.zeros(1, 3, 4, 6), torch.zeros(1, 3, 4, 6))


def test_half_of_the_classes_are_pasted_with_their_labels():
    probabilities = torch.zeros(1, 3, 4, 6)
    probabilities[:, 2, :, :3], probabilities[:, 2, :, 3:] = 0.95, 0.6  # sure of class 2 in half of the image
    probabilities[:, 0] = 1 - probabilities[:, 2]
    views = make_views()
    mixed = mix_views(views, probabilities, confidence=0.9, generator=torch.Generator().manual_seed(0))
    is_pasted = mixed.images[0, 0] == 1
    classes = views.source_labels[0][is_pasted].unique()
    assert len(classes) == 1, "one of two classes, never the unlabelled"
    assert classes.item() != IGNORE_INDEX
    assert torch.equal(is_pasted, views.source_labels[0] == classes)
    assert (mixed.labels[0][is_pasted] == classes).all()
    assert (mixed.labels[0][~is_pasted] == 2).all()
    assert (mixed.weights[0][is_pasted] == 1).all()
    assert (mixed.weights[0][~is_pasted] == 0.5).all()


def test_what_is_pasted_is_drawn():
    probabilities = torch.full((1, 3, 4, 6), 1 / 3)
    shares = {
        mix_views(make_views(), probabilities, 0.9, torch.Generator().manual_seed(seed)).images.mean().item() for seed in range(8)
    }
    assert len(shares) == 2


def test_methods_learn_from_mixed_views(tmp_path):
    domains = open_domains(tmp_path)
    for method in ("plca", "self-training"):
        config = replace(TINY, method=method, with_self_training=True, with_mixing=True, batch_norm="per-domain", steps=2)
        steps = list(adapt(make_checkpoint(domains[0]), *domains, config))
        plain = list(adapt(make_checkpoint(domains[0]), *domains, replace(config, with_mixing=False)))
        assert steps[0].losses["self_training"] != plain[0].losses["self_training"]
        assert steps[0].losses["cross_entropy"] == plain[0].losses["cross_entropy"]
