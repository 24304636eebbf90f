"""From pixels to predictions: sizes, channel order, aggregation, and labels at feature resolution."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pca_core import Checkpoint, InputError, LabelSpace, Sample, SegmentationOutput, build_model
from pca_core.data import generate_palette
from pca_core.inference import Segmentation, aggregate_prediction, evaluate, make_pair, normalise_image, predict, segment
from pca_core.metrics import score
from pca_core.models import InputNormalisation
from tests import reference

SPACE = LabelSpace("three", ("road", "sky", "tree"), generate_palette(3))


class ChannelNet(nn.Module):
    """Features are the input, averaged over 4 × 4 pixels; the logits say which channel is brightest."""

    output_stride = 4

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(20.0))

    def forward(self, x):
        features = nn.functional.avg_pool2d(x, 4)
        return SegmentationOutput(features, self.classify(features), 4)

    def classify(self, features):
        return self.gain * features


def channel_checkpoint(short_side=32, **normalisation) -> Checkpoint:
    plain = {"mean": (0, 0, 0), "std": (1, 1, 1)} | normalisation
    return Checkpoint(ChannelNet().eval(), "channel", SPACE, normalisation=InputNormalisation(**plain), short_side=short_side)


def blocks(height=32, width=48) -> tuple[np.ndarray, np.ndarray]:
    """Red, green and blue thirds: class k is channel k."""
    label = np.repeat(np.arange(3, dtype=np.uint8), width // 3)[None].repeat(height, 0)
    image = np.full((height, width, 3), 20, np.uint8)
    np.put_along_axis(image, label[..., None], 230, 2)
    return image, label


@pytest.fixture(scope="module")
def random_net() -> Checkpoint:
    torch.manual_seed(3)
    model = build_model("compact", num_classes=3, feature_channels=8)
    nn.init.normal_(model.classifier.weight, std=0.5)
    return Checkpoint(model.eval(), "compact", SPACE, short_side=32)


@pytest.mark.parametrize("size", [(32, 48), (37, 53), (100, 64), (8, 9), (1, 3)])
@pytest.mark.parametrize("is_aggregated", [False, True])
def test_a_prediction_has_the_size_of_its_image(random_net, size, is_aggregated):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    prediction = predict(random_net, image, is_aggregated=is_aggregated)
    assert (prediction.shape, prediction.dtype) == (size, np.uint8)
    assert prediction.max() < 3


def test_the_net_sees_the_image_at_its_own_short_side():
    image, _ = blocks(64, 96)
    result = segment(channel_checkpoint(short_side=32), image)
    assert (result.features.shape, result.probabilities.shape, result.output_stride) == ((3, 8, 12), (3, 8, 12), 4)
    torch.testing.assert_close(result.probabilities.sum(0), torch.ones(8, 12))
    assert torch.equal(result.probabilities.argmax(0)[0], torch.arange(3).repeat_interleave(4))


def test_normalisation_by_hand():
    image = np.array([[[255, 51, 0]]], np.uint8)
    rgb = normalise_image(image, InputNormalisation((0.5, 0.1, 0.0), (0.5, 0.1, 2.0)))
    np.testing.assert_allclose(rgb.ravel(), [1.0, 1.0, 0.0], atol=1e-6)
    caffe = InputNormalisation((104, 117, 123), (1, 1, 1), 1.0, "BGR")  # as the authors' released weights want it
    np.testing.assert_allclose(normalise_image(image, caffe).ravel(), [0 - 104, 51 - 117, 255 - 123])
    assert rgb.dtype == np.float32


def test_channel_order_is_the_nets():
    image, label = blocks()
    assert (predict(channel_checkpoint(), image) == label).all()
    assert (predict(channel_checkpoint(channel_order="BGR"), image) == 2 - label).all()


@pytest.mark.parametrize("is_aggregated", [False, True])
def test_a_perfect_net_scores_100_and_a_blind_one_does_not(is_aggregated):
    image, label = blocks()
    label[0] = 255
    samples = [Sample("a", "source", image, label, SPACE), Sample("b", "source", image), Sample("c", "source", image, label)]
    result = score(evaluate(channel_checkpoint(), samples, is_aggregated=is_aggregated))
    assert (result.miou, result.pixel_accuracy, result.num_pixels) == (100.0, 100.0, 2 * 31 * 48)
    dark = [Sample("dark", "source", np.zeros_like(image), label)]
    assert score(evaluate(channel_checkpoint(), dark)).miou < 20


def test_each_image_is_scored_at_the_size_of_its_label():
    samples = [Sample(str(n), "source", *blocks(32 * n, 48 * n)) for n in (1, 2)]
    assert evaluate(channel_checkpoint(), samples).sum() == 32 * 48 * 5


def test_progress_sees_every_sample():
    seen = []
    samples = [Sample(name, "source", *blocks()) for name in "abc"]
    evaluate(channel_checkpoint(), samples, progress=lambda items: (seen.append(item.name) or item for item in items))
    assert seen == ["a", "b", "c"]


def test_nothing_labelled_is_refused():
    image, label = blocks()
    for sample in (Sample("a", "target", image), Sample("a", "target", image, np.full_like(label, 255))):
        with pytest.raises(InputError) as caught:
            evaluate(channel_checkpoint(), [sample])
        assert caught.value.code == "DATA_UNLABELLED"


def test_aggregated_prediction_is_the_formula(random_net):
    image = np.random.default_rng(1).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    result = segment(random_net, image)
    features_TC = reference.aggregate(result.features.flatten(1).T.double(), "feature", 0.5)
    weight, bias = random_net.model.classifier.weight.detach()[:, :, 0, 0].double(), random_net.model.classifier.bias.detach()
    expected = reference.aggregate((features_TC @ weight.T + bias).softmax(1), "prediction", 0.5)
    got = aggregate_prediction(random_net, result.features)
    torch.testing.assert_close(got.flatten(1).T.double(), expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(aggregate_prediction(random_net, result.features, alpha=0.0), result.probabilities)
    assert (got - result.probabilities).abs().max() > 0.01
    assert (predict(random_net, image, is_aggregated=True) != predict(random_net, image)).any()


def test_a_pair_samples_labels_at_the_centre_of_each_feature_pixel():
    source = Segmentation(torch.zeros(5, 2, 3), torch.full((3, 2, 3), 1 / 3), 4)
    target = Segmentation(torch.zeros(5, 1, 2), torch.full((3, 1, 2), 1 / 3), 4)
    label = np.zeros((8, 12), np.uint8)
    label[2, 2], label[6, 10] = 1, 255  # the pixels right of and below the centres of the first and the last cell
    pair = make_pair(source, label, target, np.array([[0, 1, 2, 2]] * 3, np.uint8))
    assert pair.source_labels.tolist() == [[1, 0, 0], [0, 0, 255]]
    assert pair.source_labels.dtype == torch.int64
    assert pair.target_labels.tolist() == [[1, 2]]
    assert (pair.source_size, pair.target_size) == ((2, 3), (1, 2))
    assert make_pair(source, label, target).target_labels is None
