"""A segmented image: against one array of all classes and loops over pixels; what aggregated inference changes; calibration."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pca_core.analysis.calibration import NUM_BINS, measure_reliability
from pca_core.analysis.inference_change import (
    BECAME_RIGHT,
    BECAME_WRONG,
    OTHER_WRONG,
    UNCHANGED,
    UNJUDGED_CHANGE,
    compare_inference,
)
from pca_core.analysis.segmentation import MAP_PIXELS, RIGHT, UNJUDGED, WRONG, describe_pixel, describe_segmentation
from pca_core.inference import aggregate_prediction, evaluate, predict, segment
from pca_core.types import IGNORE_INDEX, Sample
from tests.conftest import ROOT
from tests.unit.test_inference import blocks, random_net  # noqa: F401 (a fixture)

SIZE = (23, 31)
NUM_CLASSES = 5


def random_case(seed: int = 0, size=SIZE, classes: int = NUM_CLASSES) -> tuple[torch.Tensor, np.ndarray]:
    """Probabilities (K, 6, 9) and labels of ``size``, a part of them without a class."""
    generator = torch.Generator().manual_seed(seed)
    probabilities = (3 * torch.randn(classes, 6, 9, generator=generator)).softmax(0)
    label = torch.randint(0, classes, size, generator=generator).numpy().astype(np.uint8)
    label[:2, 3:] = IGNORE_INDEX
    return probabilities, label


def certain(classes: list[list[int]], num_classes: int = 3) -> torch.Tensor:
    """Probabilities that are 0.9 for the given class of each pixel."""
    one_hot = F.one_hot(torch.tensor(classes), num_classes).permute(2, 0, 1)
    return torch.where(one_hot > 0, 0.9, 0.1 / (num_classes - 1))


def test_every_quantity_is_that_of_the_whole_array():
    probabilities, label = random_case()
    found = describe_segmentation(probabilities, SIZE, label)
    full = F.interpolate(probabilities[None], size=SIZE, mode="bilinear", align_corners=False)[0]
    first, second = full.topk(2, dim=0).values
    entropy = -(full * full.log()).sum(0) / np.log(NUM_CLASSES)
    assert (found.classes == full.argmax(0).numpy()).all()
    for name, values in (("confidence", first), ("margin", first - second), ("entropy", entropy)):
        np.testing.assert_allclose(getattr(found, name), values.numpy(), atol=1e-6)
        assert getattr(found, f"mean_{name}") == pytest.approx(values.mean().item(), abs=1e-6)
    np.testing.assert_allclose(found.class_shares, [(found.classes == k).mean() for k in range(NUM_CLASSES)])


def test_scores_are_counted_pixel_by_pixel():
    probabilities, label = random_case(seed=1)
    found = describe_segmentation(probabilities, SIZE, label)
    confusion, codes = np.zeros((NUM_CLASSES, NUM_CLASSES), int), np.empty(SIZE, int)
    for place in np.ndindex(SIZE):
        own, said = label[place], found.classes[place]
        codes[place] = UNJUDGED if own == IGNORE_INDEX else RIGHT if own == said else WRONG
        if own != IGNORE_INDEX:
            confusion[own, said] += 1
    assert (found.confusion == confusion).all()
    assert (found.error_map == codes).all()
    assert (found.label_map == label).all()
    assert found.score.pixel_accuracy == pytest.approx(100 * np.trace(confusion) / confusion.sum())
    assert found.score.pixel_accuracy == pytest.approx(100 * found.reliability.mean_accuracy)


@pytest.mark.parametrize("is_aggregated", [False, True])
def test_predicts_as_inference_does(random_net, is_aggregated):  # noqa: F811
    image, label = blocks(37, 54)
    seen = segment(random_net, image)
    probabilities = aggregate_prediction(random_net, seen.features) if is_aggregated else seen.probabilities
    found = describe_segmentation(probabilities, image.shape[:2], label)
    assert (found.classes == predict(random_net, image, is_aggregated=is_aggregated)).all()
    sample = Sample("blocks", "target", image, label, random_net.label_space)
    assert (found.confusion == evaluate(random_net, [sample], is_aggregated=is_aggregated)).all()


def test_maps_of_large_images_are_pixels_of_them():
    size = (401, 803)
    probabilities, label = random_case(size=size)
    found = describe_segmentation(probabilities, size, label)
    height, width = found.class_map.shape
    assert 0.98 * MAP_PIXELS < height * width < 1.02 * MAP_PIXELS
    rows, columns = (np.arange(height) + 0.5) * size[0] / height, (np.arange(width) + 0.5) * size[1] / width
    places = np.ix_(rows.astype(int), columns.astype(int))
    assert (found.class_map == found.classes[places]).all()
    assert (found.label_map == label[places]).all()
    assert ((found.error_map == RIGHT) == (found.class_map == found.label_map)).all()
    for values in (found.confidence, found.entropy, found.margin, found.error_map):
        assert values.shape == (height, width)


@pytest.mark.parametrize("label", [None, np.full(SIZE, IGNORE_INDEX, np.uint8)], ids=["none", "no pixel of it"])
def test_without_labels_only_what_needs_none_is_told(label):
    probabilities, own = random_case()
    found, labelled = describe_segmentation(probabilities, SIZE, label), describe_segmentation(probabilities, SIZE, own)
    assert [found.label_map, found.error_map, found.score, found.confusion, found.reliability] == [None] * 5
    assert (found.mean_confidence, found.mean_entropy) == (labelled.mean_confidence, labelled.mean_entropy)
    assert compare_inference(found, labelled, label).iou is None


def test_one_pixel_and_one_class():
    found = describe_segmentation(torch.tensor([[[0.2]], [[0.8]]]), (1, 1), np.array([[0]], np.uint8))
    assert (found.classes.item(), found.error_map.item(), found.score.miou) == (1, WRONG, 0.0)
    assert found.margin.item() == pytest.approx(0.6)
    alone = describe_segmentation(torch.ones(1, 2, 3), (4, 6), np.zeros((4, 6), np.uint8))
    assert (alone.mean_entropy, alone.mean_confidence, alone.score.miou) == (0.0, 1.0, 100.0)


def test_even_and_certain_predictions_are_the_ends_of_entropy():
    even = describe_segmentation(torch.full((4, 2, 2), 0.25), (5, 5), None)
    assert even.mean_entropy == pytest.approx(1)
    assert not even.margin.any()
    assert not even.classes.any()  # the first of equals, as argmax takes it
    one_hot = torch.tensor([1.0, 0.0, 0.0])[:, None, None].expand(3, 2, 2)
    assert describe_segmentation(one_hot, (5, 5), None).mean_entropy == 0


def test_a_label_of_another_size_or_net_is_refused():
    probabilities, label = random_case()
    with pytest.raises(ValueError, match="same shape"):
        describe_segmentation(probabilities, SIZE, label[:-1])
    with pytest.raises(ValueError, match="Class ids"):
        describe_segmentation(probabilities[:3], SIZE, label)


def test_memory_does_not_grow_with_the_classes():
    """All classes at the size of the image would be 1.2 GB here."""
    script = (
        "import resource, torch\n"
        "from pca_core.analysis.segmentation import describe_segmentation\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "few, many = torch.ones(2, 8, 8) / 2, torch.ones(150, 8, 8) / 150\n"
        "describe_segmentation(few, (1000, 2000), None)\n"
        "before = peak()\n"
        "describe_segmentation(many, (1000, 2000), None)\n"
        "print(peak() - before)\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(answer.stdout) < 100_000  # KiB


def test_what_changes_by_hand():
    label = np.array([[0, 0, 0, 0, IGNORE_INDEX, IGNORE_INDEX]], np.uint8)
    before = describe_segmentation(certain([[0, 1, 0, 1, 1, 2]]), (1, 6), label)
    after = describe_segmentation(certain([[0, 0, 1, 2, 2, 2]]), (1, 6), label)
    change = compare_inference(before, after, label)
    assert change.change_map.tolist() == [[UNCHANGED, BECAME_RIGHT, BECAME_WRONG, OTHER_WRONG, UNJUDGED_CHANGE, UNCHANGED]]
    np.testing.assert_allclose(change.shares, np.array([2, 1, 1, 1, 1]) / 6)
    assert change.changed_share == pytest.approx(4 / 6)
    assert change.iou[0] == after.score.iou[0] - before.score.iou[0] == 0  # two of four each
    assert np.isnan(change.iou[2])  # predicted after, not before
    unlabelled = compare_inference(before, after, None)
    assert set(unlabelled.change_map.ravel().tolist()) == {UNCHANGED, UNJUDGED_CHANGE}
    assert unlabelled.changed_share == change.changed_share


def test_nothing_changes_beside_itself():
    probabilities, label = random_case()
    found = describe_segmentation(probabilities, SIZE, label)
    change = compare_inference(found, found, label)
    assert change.changed_share == 0
    assert not np.nan_to_num(change.iou).any()


def test_reliability_by_hand():
    found = measure_reliability(np.array([0.95, 0.85, 0.85, 1.0, 0.05]), np.array([True, True, False, True, False]))
    assert found.count.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 2, 2]
    assert found.accuracy[[0, 8, 9]].tolist() == [0, 0.5, 1]
    assert np.isnan(found.accuracy[1:8]).all()
    assert found.error == pytest.approx((0.05 + 2 * 0.35 + 2 * 0.025) / 5)
    assert (found.mean_confidence, found.mean_accuracy) == (pytest.approx(0.74), pytest.approx(0.6))


def test_calibration_error_is_that_of_loops():
    random = np.random.default_rng(2)
    confidence, is_right = random.random(400).astype(np.float32), random.random(400) < 0.6
    expected = 0.0
    for number in range(NUM_BINS):
        inside = (confidence >= number / NUM_BINS) & (confidence < (number + 1) / NUM_BINS)
        if inside.any():
            expected += inside.mean() * abs(is_right[inside].mean() - confidence[inside].mean())
    assert measure_reliability(confidence, is_right).error == pytest.approx(expected, abs=1e-6)


def test_a_net_that_knows_how_sure_it_may_be_has_no_error():
    confidence = np.repeat([0.25, 0.75], 4)
    assert measure_reliability(confidence, np.array([1, 0, 0, 0, 1, 1, 1, 0], bool)).error == 0
    assert measure_reliability(confidence, ~np.array([1, 0, 0, 0, 1, 1, 1, 0], bool)).error == pytest.approx(0.5)


def test_no_pixel_has_no_reliability():
    with pytest.raises(ValueError, match="no labelled pixel"):
        measure_reliability(np.zeros(0), np.zeros(0, bool))


def test_a_pixel_tells_its_classes_best_first():
    probabilities, _ = random_case()
    labels = torch.full((6, 9), IGNORE_INDEX)
    labels[2, 4] = 3
    told = describe_pixel(probabilities, labels, 2 * 9 + 4, count=3)
    own = probabilities[:, 2, 4]
    assert [k for k, _ in told.likely] == own.argsort(descending=True)[:3].tolist()
    assert [share for _, share in told.likely] == own.sort(descending=True).values[:3].tolist()
    assert told.label == 3
    assert told.entropy == pytest.approx(-(own * own.log()).sum().item() / np.log(NUM_CLASSES), abs=1e-6)
    assert describe_pixel(probabilities, labels, 0).label is None
    assert describe_pixel(probabilities[:2], None, 0).label is None
    assert len(describe_pixel(probabilities[:2], None, 0).likely) == 2
