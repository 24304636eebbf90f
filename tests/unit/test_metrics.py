"""Segmentation scores, counted by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pca_core.metrics import confusion_matrix, score

LABEL = np.array([[0, 0, 1], [1, 255, 2]], np.uint8)
PREDICTION = np.array([[0, 1, 1], [1, 2, 0]], np.uint8)


def test_confusion_by_hand():
    """Rows are labels, columns predictions; the unlabelled pixel does not count."""
    np.testing.assert_array_equal(confusion_matrix(LABEL, PREDICTION, 4), np.pad([[1, 1, 0], [0, 2, 0], [1, 0, 0]], (0, 1)))


def test_scores_by_hand():
    result = score(confusion_matrix(LABEL, PREDICTION, 4))
    # Class 0: 1 hit of 2 labelled + 2 predicted − 1; class 1: 2 of 2 + 3 − 2; class 2: predicted only where unlabelled.
    np.testing.assert_allclose(result.iou, [100 / 3, 200 / 3, 0, np.nan])
    assert result.miou == pytest.approx(100 / 3)
    assert result.pixel_accuracy == pytest.approx(60.0)
    assert result.num_pixels == 5


def test_the_mean_over_some_classes_leaves_each_iou_as_it_is():
    """As SYNTHIA's 13 of 16: what the left-out classes take from the others still counts."""
    confusion = confusion_matrix(LABEL, PREDICTION, 4)
    result = score(confusion, [0, 1, 3])
    np.testing.assert_array_equal(result.iou, score(confusion).iou)
    assert result.miou == pytest.approx(50.0)  # of 33.3 and 66.7; class 3 does not occur
    with pytest.raises(ValueError, match="None of the classes"):
        score(confusion, [3])


def test_a_class_that_is_only_predicted_counts_as_zero():
    result = score(np.array([[3, 1], [0, 0]]))
    np.testing.assert_allclose(result.iou, [75, 0])
    assert result.miou == pytest.approx(37.5)


def test_perfect_prediction_scores_100():
    result = score(confusion_matrix(LABEL, LABEL, 3))
    assert (result.miou, result.pixel_accuracy) == (100.0, 100.0)


def test_images_add_up():
    whole = confusion_matrix(LABEL, PREDICTION, 3)
    np.testing.assert_array_equal(whole, sum(confusion_matrix(LABEL[:, [i]], PREDICTION[:, [i]], 3) for i in range(3)))


def test_renaming_classes_permutes_the_scores():
    rng = np.random.default_rng(0)
    label, prediction = rng.integers(0, 3, (2, 20, 20))
    order = np.array([2, 0, 1])
    before = score(confusion_matrix(label, prediction, 3))
    after = score(confusion_matrix(order[label], order[prediction], 3))
    np.testing.assert_allclose(after.iou[order], before.iou)
    assert (after.miou, after.pixel_accuracy) == pytest.approx((before.miou, before.pixel_accuracy))


def test_to_dict_names_classes_and_survives_strict_json():
    result = score(confusion_matrix(LABEL, PREDICTION, 4))
    data = json.loads(json.dumps(result.to_dict(["a", "b", "c", "d"]), allow_nan=False))
    assert data["iou"] == {"a": pytest.approx(100 / 3), "b": pytest.approx(200 / 3), "c": 0.0, "d": None}
    assert (data["num_pixels"], data["pixel_accuracy"]) == (5, pytest.approx(60.0))


@pytest.mark.parametrize(
    ("label", "prediction", "words"),
    [
        (np.zeros((2, 3), int), np.zeros((3, 2), int), r"same shape, got \(2, 3\) and \(3, 2\)"),  # turned on its side
        (np.array([[3]]), np.array([[0]]), r"0 \.\. 2, got .*3"),  # a label beyond the classes
        (np.array([[0]]), np.array([[7]]), r"0 \.\. 2, got .*7"),  # a prediction beyond the classes
        (np.array([[0]]), np.array([[255]]), r"0 \.\. 2, got .*255"),  # a prediction cannot be "no label"
        (np.array([[-1]]), np.array([[0]]), r"0 \.\. 2, got .*-1"),  # below zero would count in another cell
    ],
)
def test_wrong_ids_and_shapes_are_named(label, prediction, words):
    with pytest.raises(ValueError, match=words):
        confusion_matrix(label, prediction, 3)


def test_nothing_to_score_is_refused():
    with pytest.raises(ValueError, match="no labelled pixel"):
        score(confusion_matrix(np.full((2, 2), 255), np.zeros((2, 2), int), 3))
