"""Batches of random views. What batch number n holds depends on the seed and n alone, so that a resumed run sees the same."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from pca_core.data import FolderDataset
from pca_core.inference import normalise_image
from pca_core.models import InputNormalisation
from pca_core.training.augmentation import Augmentation
from pca_core.types import Sample

CACHE_BYTES = 2**30
AHEAD = 4
"""Steps that batches are made ahead at most."""

T = TypeVar("T")


class SampleCache:
    """Decoded samples, the least recently used dropped beyond a number of bytes."""

    def __init__(self, dataset: FolderDataset, max_bytes: int = CACHE_BYTES) -> None:
        self._dataset, self._max_bytes = dataset, max_bytes
        self._samples: OrderedDict[int, Sample] = OrderedDict()
        self._bytes = 0

    def __getitem__(self, index: int) -> Sample:
        if index in self._samples:
            self._samples.move_to_end(index)
            return self._samples[index]
        sample = self._dataset[index]
        self._samples[index] = sample
        self._bytes += _size(sample)
        while self._bytes > self._max_bytes and len(self._samples) > 1:
            self._bytes -= _size(self._samples.popitem(last=False)[1])
        return sample


def _size(sample: Sample) -> int:
    return sample.image.nbytes + (0 if sample.label is None else sample.label.nbytes)


def draw_indices(num_samples: int, batch_size: int, seed: int, step: int, stream: int = 0) -> list[int]:
    """Sample indices of batch ``step``: epochs are seeded permutations laid end to end; another stream draws others."""
    positions = range(step * batch_size, (step + 1) * batch_size)
    orders = {
        epoch: np.random.default_rng([seed, stream, epoch]).permutation(num_samples)
        for epoch in {position // num_samples for position in positions}
    }
    return [int(orders[position // num_samples][position % num_samples]) for position in positions]


class BatchMaker:
    """Makes batch ``step`` of a labelled data set.

    Args:
        dataset: Its labelled samples are drawn.
        size: (height, width) of a view.
        batch_size: Views per batch.
        normalisation: Of the net's input.
        augmentation: How views are drawn.
        seed: Of everything random here.
    """

    def __init__(
        self,
        dataset: FolderDataset,
        size: tuple[int, int],
        batch_size: int,
        normalisation: InputNormalisation,
        augmentation: Augmentation,
        seed: int,
    ) -> None:
        self._samples, self._labelled = SampleCache(dataset), dataset.labelled_indices
        self._size, self._batch_size = size, batch_size
        self._normalisation, self._augmentation, self._seed = normalisation, augmentation, seed

    def make(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Images (B, 3, h, w) float32, normalised, and labels (B, h, w) int64.

        NumPy and OpenCV only: torch's threads, called from a second thread, would fight those of the training step.
        """
        images = np.empty((self._batch_size, 3, *self._size), np.float32)
        labels = np.empty((self._batch_size, *self._size), np.int64)
        for place, number in enumerate(draw_indices(len(self._labelled), self._batch_size, self._seed, step)):
            rng = np.random.default_rng([self._seed, 1, step, place])
            sample = self._samples[self._labelled[number]]
            image, labels[place] = self._augmentation(sample.image, sample.label, self._size, rng)
            images[place] = normalise_image(image, self._normalisation)
        return images, labels

    def stream(self, start: int, stop: int) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Yield (step, images, labels); the next batch is made while the caller works on this one."""
        for step, (images, labels) in make_ahead(self.make, start, stop):
            yield step, torch.from_numpy(images), torch.from_numpy(labels)


def make_ahead(make: Callable[[int], T], start: int, stop: int) -> Iterator[tuple[int, T]]:
    """Yield (step, ``make(step)``) from ``start`` to before ``stop``; a thread makes the next while the caller works on one.

    It is :data:`AHEAD` steps ahead at most: one that takes long, because its images are read for the first time, is waited for
    by nobody as long as they are quick on average.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        pending = deque(pool.submit(make, step) for step in range(start, min(start + AHEAD, stop)))
        try:
            for step in range(start, stop):
                made = pending.popleft().result()
                if step + AHEAD < stop:
                    pending.append(pool.submit(make, step + AHEAD))
                yield step, made
        finally:
            for one in pending:
                one.cancel()
