"""Batches and views: every image in its turn, image and label moved together, memory bounded."""

from __future__ import annotations

import threading
import time
from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch

from pca_core import Sample
from pca_core.data import FolderDataset
from pca_core.models import InputNormalisation
from pca_core.training import Augmentation
from pca_core.training.batches import AHEAD, BatchMaker, SampleCache, draw_indices, make_ahead
from tests.unit.training_data import make_data


@pytest.fixture
def data(tmp_path) -> FolderDataset:
    return FolderDataset(make_data(tmp_path / "data"))


@pytest.mark.parametrize(("num_samples", "batch_size"), [(6, 2), (5, 2), (3, 8), (1, 4)])
def test_every_image_comes_once_per_epoch(num_samples, batch_size):
    drawn = [i for step in range(40) for i in draw_indices(num_samples, batch_size, seed=3, step=step)]
    epochs = [drawn[start : start + num_samples] for start in range(0, len(drawn) - num_samples + 1, num_samples)]
    assert all(sorted(epoch) == list(range(num_samples)) for epoch in epochs)
    assert num_samples < 3 or len({tuple(epoch) for epoch in epochs}) > 1
    assert drawn[:batch_size] == draw_indices(num_samples, batch_size, seed=3, step=0)


def test_a_batch_depends_on_seed_and_number_alone(data):
    def make(seed):
        return BatchMaker(data, (32, 40), 3, InputNormalisation(), Augmentation(), seed)

    from_start = list(make(0).stream(0, 3))
    for step, images, ids in make(0).stream(1, 3):
        assert torch.equal(images, from_start[step][1])
        assert torch.equal(ids, from_start[step][2])
    assert not np.array_equal(make(1).make(0)[0], from_start[0][1].numpy())
    images, ids = from_start[0][1:]
    assert (images.shape, images.dtype, ids.shape, ids.dtype) == ((3, 3, 32, 40), torch.float32, (3, 32, 40), torch.int64)


def test_batches_are_made_ahead_of_one_that_takes_long():
    """While the caller works on one, the next four are made, in order and no more; an error comes at its own step."""
    made, may_go_on = [], threading.Event()

    def make(step):
        if step == 7:
            raise ValueError("the seventh")
        made.append(step)
        if step == AHEAD:
            may_go_on.set()
        return 10 * step

    steps = make_ahead(make, 0, 9)
    assert next(steps) == (0, 0)
    assert may_go_on.wait(10)
    assert made == list(range(AHEAD + 1))
    assert list(islice(steps, 6)) == [(step, 10 * step) for step in range(1, 7)]
    with pytest.raises(ValueError, match="the seventh"):
        next(steps)


def test_nobody_waits_for_batches_that_are_not_wanted_any_more():
    made = []
    steps = make_ahead(lambda step: made.append(step) or time.sleep(0.05), 0, 1000)
    next(steps)
    steps.close()
    assert len(made) <= 3


def test_views_move_image_and_label_together():
    """Class k has colour 80·k: whatever is cropped, zoomed and mirrored, the pixel still tells the label."""
    label = np.repeat(np.repeat(np.random.default_rng(0).integers(0, 4, (6, 8), dtype=np.uint8), 10, 0), 10, 1)
    image = np.repeat((80 * label)[..., None], 3, 2)
    augmentation = Augmentation(brightness=0, contrast=0, saturation=0)
    rng, shares = np.random.default_rng(1), []
    for _ in range(20):
        view, ids = augmentation(image, label, (60, 80), rng)
        assert (view.shape, ids.shape) == ((60, 80, 3), (60, 80))
        shares.append((np.abs(view[..., 0].astype(int) - 80 * ids.astype(int)) < 40).mean())
    assert min(shares) > 0.9  # only pixels on the edges between blocks are blended
    flipped, _ = Augmentation(1, 1, 1.0, 0, 0, 0)(image, label, (60, 80), rng)
    np.testing.assert_array_equal(flipped, image[:, ::-1])


class CountingDataset:
    """Samples of 1,000 bytes that count how often each is read."""

    def __init__(self) -> None:
        self.reads = Counter()

    def __getitem__(self, index):
        self.reads[index] += 1
        return Sample(str(index), "source", np.zeros((10, 30, 3), np.uint8), np.zeros((10, 10), np.uint8))


def test_the_cache_drops_the_least_recently_used_beyond_its_bound():
    dataset = CountingDataset()
    cache = SampleCache(dataset, max_bytes=2500)  # two samples
    for index in (0, 1, 0, 2, 0, 1):  # 2 pushes out 1, because 0 was used since; then 1 pushes out 2
        assert cache[index].name == str(index)
    assert dataset.reads == {0: 1, 1: 2, 2: 1}
    assert cache.__getitem__(0) is cache[0]
    assert dataset.reads[0] == 1


def test_the_cache_holds_one_sample_however_large():
    dataset = CountingDataset()
    cache = SampleCache(dataset, max_bytes=10)
    assert cache[0] is cache[0]
    assert cache[1] is cache[1]
    assert dataset.reads == {0: 1, 1: 1}
