"""What a step is fed: the same for the same seed and step, rare classes more often, source views in the target's colours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pca_core.adaptation.colour_transfer import transfer_colours
from pca_core.adaptation.config import AssociationTerms
from pca_core.adaptation.views import ClassCounts, RareClassSampler, ViewMaker, describe_views
from pca_core.training import Augmentation
from tests.unit.adaptation_data import PLAIN, SIZE, TINY, make_checkpoint, open_domains

STILL = replace(TINY, augmentation=PLAIN, target_augmentation=PLAIN, batch_size=2, accumulation=2)


@pytest.fixture
def world(tmp_path):
    source, target = open_domains(tmp_path)
    return make_checkpoint(source), source, target


def make(world, config, places=None, **options) -> ViewMaker:
    return ViewMaker(*world, config, range(4) if places is None else places, **options)


def tensors(views) -> list[torch.Tensor]:
    return [views.source_images, views.source_labels, views.target_images, views.target_plain]


def test_a_step_sees_the_same_whatever_came_before(world):
    config = replace(STILL, augmentation=Augmentation(), target_augmentation=Augmentation(), colour_transfer=0.5, rare_class=0.5)
    first, other = make(world, config), make(world, config)
    other.make(0)
    assert all(torch.equal(a, b) for a, b in zip(tensors(first.make(3)), tensors(other.make(3)), strict=True))
    assert not torch.equal(first.make(3).source_images, first.make(4).source_images)


def test_processes_share_out_the_places_of_a_step(world):
    whole = make(world, STILL).make(1)
    halves = [make(world, STILL, places).make(1) for places in ([0, 2], [1, 3])]
    assert torch.equal(halves[0].source_images, whole.source_images[[0, 2]])
    assert torch.equal(halves[1].target_images, whole.target_images[[1, 3]])


def test_without_augmentation_a_view_is_the_image(world):
    checkpoint, source, _ = world
    maker = make(world, STILL)
    views = maker.make(0)
    shown = describe_views(views, checkpoint.normalisation)
    assert len(shown) == 8
    originals = [source[index].image for index in range(len(source))]
    for image, label in zip(shown[:4], views.source_labels, strict=True):
        place = next(index for index, original in enumerate(originals) if np.abs(original.astype(int) - image).max() <= 1)
        assert np.array_equal(label.numpy(), source[place].label)
    assert views.source_images.shape == (4, 3, *SIZE)


def test_the_teacher_sees_the_same_view_without_its_change_of_colours(world):
    config = replace(STILL, target_augmentation=replace(PLAIN, brightness=0.3, flip=0.5))
    views = make(world, config).make(0)
    difference = views.target_images - views.target_plain
    assert difference.abs().max() > 0.1
    assert difference[0].std((1, 2)).max() < 0.35 * views.target_plain[0].std()  # a shift, not another crop


def test_colours_become_those_of_the_reference():
    rng = np.random.default_rng(0)
    image = rng.integers(100, 200, (40, 50, 3)).astype(np.uint8)
    dusk = (rng.integers(20, 70, (30, 30, 3)) * [0.6, 0.8, 1.0]).astype(np.uint8)
    moved = transfer_colours(image, dusk)
    assert moved.shape == image.shape
    assert np.abs(moved.mean((0, 1)) - dusk.mean((0, 1))).max() < 6
    assert np.abs(transfer_colours(image, image).astype(int) - image).max() <= 2


def test_source_views_take_the_targets_colours_only_where_the_target_may_be_seen(world):
    _, _, target = world
    darkness = np.mean([target[index].image.mean() for index in range(len(target))])
    config = replace(STILL, colour_transfer=1.0)

    def brightness(maker: ViewMaker) -> float:
        return float(np.mean([view.mean() for view in describe_views(maker.make(0), world[0].normalisation)[:4]]))

    plain = brightness(make(world, STILL))
    assert abs(brightness(make(world, config)) - darkness) < 5
    assert plain - darkness > 15
    assert brightness(make(world, config, sees_target=False)) == plain


def test_images_with_rare_classes_are_drawn_more_often(world):
    _, source, _ = world
    counts = np.stack([np.bincount(source[index].label.ravel(), minlength=3) for index in range(len(source))])
    rare = int(counts.sum(0).argmin())

    # Only the first image still shows the rare class.
    class Patched:
        labelled_indices = source.labelled_indices

        def __getitem__(self, index):
            sample = source[index]
            if index:
                sample.label[sample.label == rare] = (rare + 1) % 3
            return sample

    def share(temperature: float) -> float:
        sampler = RareClassSampler(ClassCounts(Patched(), 3, seed=0), temperature, seed=0)
        drawn = [index for step in range(100) for index in sampler.draw(4, step)]
        return drawn.count(0) / len(drawn)

    assert share(0.1) > share(10.0) > 0.3  # evenly over images it would be a sixth
    assert share(0.1) > 0.6


@pytest.mark.parametrize(
    ("height", "width", "terms", "expected"),
    [
        (64, 128, AssociationTerms(max_pixels=2048), 2),
        (48, 64, AssociationTerms(max_pixels=3072), 1),
        (48, 64, AssociationTerms(stride=3, max_pixels=3072), 3),
        (1000, 1000, AssociationTerms(), 1),
    ],
)
def test_association_keeps_to_its_budget_of_pixels(height, width, terms, expected):
    assert terms.find_stride(height, width) == expected


def test_class_weights_leave_the_mean_over_pixels_at_one(world):
    counts = ClassCounts(world[1], 4, seed=0)
    assert counts.shares.sum() == pytest.approx(1)
    for exponent in (0.0, 0.5, 1.0):
        weights = counts.weights(exponent)
        assert (weights * counts.shares).sum() == pytest.approx(1, abs=1e-5)
    even = counts.weights(1.0)[:3] * counts.shares[:3]
    assert even == pytest.approx(even.mean(), rel=1e-4)
