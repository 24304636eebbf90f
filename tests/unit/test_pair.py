"""A pair swept once: what is kept and shared is what would be computed anew."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pca_core import AssociationConfig, PairAnalysis, explain_pixel
from pca_core.association import pair as pair_module
from pca_core.types import IGNORE_INDEX


@pytest.mark.parametrize("missing", ["source_probabilities", "target_probabilities"])
def test_prediction_level_needs_both_predictions(pair, missing):
    with pytest.raises(ValueError, match="softmax of the model's logits"):
        PairAnalysis(replace(pair, **{missing: None}), AssociationConfig(level="prediction"))


def test_num_classes_are_those_of_labels_and_model(pair):
    bare = replace(pair, source_probabilities=None)
    assert PairAnalysis(bare).num_classes == 4
    assert PairAnalysis(replace(bare, source_labels=torch.zeros_like(pair.source_labels), target_labels=None)).num_classes == 1
    assert PairAnalysis(replace(bare, source_labels=pair.source_labels.fill_(255), target_labels=None)).num_classes == 1


@pytest.mark.parametrize(
    "change", [{"top_k": 3}, {"mutual": True}, {"alpha": 0.0}, {"alpha": 0.8}, {"level": "prediction"}], ids=str
)
def test_the_same_pair_under_another_config_is_as_if_made_anew(pair, change):
    first = PairAnalysis(pair)
    first.class_return_TK  # noqa: B018 (computed before, so that sharing it could go wrong)
    config = replace(first.config, **change)
    shared, anew = first.with_config(config), PairAnalysis(pair, config)
    assert torch.equal(shared.association.target_index, anew.association.target_index)
    assert torch.equal(shared.association.is_consistent, anew.association.is_consistent)
    torch.testing.assert_close(shared.class_return_TK, anew.class_return_TK)
    if "level" not in change and "alpha" not in change:
        assert shared.class_return_TK is first.class_return_TK


@pytest.mark.parametrize("level", ["feature", "prediction"])
def test_what_target_pixels_borrow_is_computed_once_for_every_alpha(pair, level, monkeypatch):
    asked, borrow = [], pair_module.borrow
    monkeypatch.setattr(pair_module, "borrow", lambda *given: asked.append(given) or borrow(*given))
    analysis = PairAnalysis(pair, AssociationConfig(level=level))
    for alpha in (0.5, 0.0, 0.25, 1.0):
        analysis = analysis.with_config(replace(analysis.config, alpha=alpha))
        analysis.association  # noqa: B018
    assert len(asked) == 1


def test_directions_of_other_alphas_do_not_pile_up(pair):
    analysis = PairAnalysis(pair)
    for alpha in (0.1, 0.2, 0.3, 0.4):
        analysis = analysis.with_config(replace(analysis.config, alpha=alpha))
        explain_pixel(analysis, 3)
    assert {alpha for _, alpha, _ in analysis._directions} == {0.0, 0.4}


def test_the_soft_cycle_of_one_pixel_is_its_entry_in_the_map(pair):
    analysis = PairAnalysis(pair)
    for index, expected in enumerate(analysis.soft_cycle_S.tolist()):
        found = analysis.soft_cycle(index)
        if analysis.label_S[index] == IGNORE_INDEX:
            assert found is None
        else:
            assert found == pytest.approx(expected, abs=1e-5)


def test_a_trace_without_the_soft_cycle_sweeps_nothing_more(pair):
    analysis = PairAnalysis(pair)
    labelled = int(analysis.association.is_labelled.nonzero()[0])
    assert explain_pixel(analysis, labelled, with_soft_cycle=False).soft_cycle is None
    assert not analysis.is_walked
    assert 0 < explain_pixel(analysis, labelled).soft_cycle <= 1
    assert analysis.is_walked
