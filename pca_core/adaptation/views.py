"""What a step is fed: random views of source and target images. What step n sees depends on the seed and n alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pca_core.adaptation.colour_transfer import transfer_colours
from pca_core.adaptation.config import AdaptationConfig
from pca_core.data import FolderDataset, fit_short_side
from pca_core.inference import normalise_image
from pca_core.models import Checkpoint, InputNormalisation, find_size_multiple
from pca_core.models.checkpoints import MAX_SHORT_SIDE
from pca_core.training.batches import SampleCache, draw_indices, make_ahead
from pca_core.types import IGNORE_INDEX

SOURCE_ORDER, SOURCE_VIEW, TARGET_ORDER, TARGET_VIEW, RARE_CLASS = range(5)  # streams of random numbers of one seed
COUNTED_IMAGES = 512  # source images whose labels are counted to find rare classes; more would delay the start


@dataclass(frozen=True)
class Views:
    """Normalised views of a step, B pairs.

    Attributes:
        source_images: (B, 3, h, w) float32.
        source_labels: (B, h, w) int64 class ids, 255 = ignore.
        target_images: (B, 3, h', w') float32.
        target_plain: The same views of the target before their colours changed: what a teacher sees.
    """

    source_images: Tensor
    source_labels: Tensor
    target_images: Tensor
    target_plain: Tensor

    def __len__(self) -> int:
        return len(self.source_images)

    def split(self, size: int) -> list[Views]:
        """Parts of at most ``size`` pairs."""
        parts = [tensor.split(size) for tensor in self._tensors()]
        return [Views(*part) for part in zip(*parts, strict=True)]

    def to(self, device: torch.device) -> Views:
        return Views(*(tensor.to(device, non_blocking=True) for tensor in self._tensors()))

    def _tensors(self) -> tuple[Tensor, ...]:
        return self.source_images, self.source_labels, self.target_images, self.target_plain


class ViewMaker:
    """Makes the views of each step of a run.

    Args:
        checkpoint: How images enter its net.
        source: Its labelled images are drawn.
        target: Its labels are never read.
        config: The run's knobs.
        places: Which places of the step's batch are made here: all, or those of one process of several.
        sees_target: Whether source views may take the colours of target images.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        source: FolderDataset,
        target: FolderDataset,
        config: AdaptationConfig,
        places: Sequence[int],
        *,
        sees_target: bool = True,
    ) -> None:
        self._config, self._places = config, places
        self._colour_transfer = config.colour_transfer if sees_target else 0.0
        self._normalisation = checkpoint.normalisation
        self._source, self._labelled = SampleCache(source), source.labelled_indices
        self._target, self._num_target = SampleCache(target), len(target)
        self.source_size = find_view_size(checkpoint, source, config)
        # Pasting one view over the other takes views of one size.
        self.target_size = self.source_size if config.with_mixing else find_view_size(checkpoint, target, config)
        needs_counts = config.rare_class or config.class_balance
        counts = ClassCounts(source, checkpoint.label_space.num_classes, config.seed) if needs_counts else None
        self._rare = RareClassSampler(counts, config.rare_class, config.seed) if config.rare_class else None
        self.class_weights = torch.from_numpy(counts.weights(config.class_balance)) if config.class_balance else None

    @property
    def views_per_step(self) -> int:
        return self._config.batch_size * self._config.accumulation

    def stream(self, start: int, stop: int) -> Iterator[tuple[int, Views]]:
        """Yield (step, views); the next ones are made while the caller works on these."""
        return make_ahead(self.make, start, stop)

    def make(self, step: int) -> Views:
        """Views of one step (NumPy and OpenCV only: torch's threads would fight those of the step before)."""
        seed, total = self._config.seed, self.views_per_step
        if self._rare is None:
            numbers = draw_indices(len(self._labelled), total, seed, step, SOURCE_ORDER)
            sources = [self._labelled[number] for number in numbers]
        else:
            sources = self._rare.draw(total, step)
        targets = draw_indices(self._num_target, total, seed, step, TARGET_ORDER)
        made_source = [self._source_view(sources[place], targets[place], step, place) for place in self._places]
        made_target = [self._target_view(targets[place], step, place) for place in self._places]
        columns = [*zip(*made_source, strict=True), *zip(*made_target, strict=True)]
        return Views(*(torch.from_numpy(np.stack(column)) for column in columns))

    def _source_view(self, index: int, reference: int, step: int, place: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([self._config.seed, SOURCE_VIEW, step, place])
        sample = self._source[index]
        image, label = self._config.augmentation.place(sample.image, sample.label, self.source_size, rng)
        if rng.random() < self._colour_transfer:
            image = transfer_colours(image, self._target[reference].image)
        image = self._config.augmentation.recolour(image, rng)
        return normalise_image(image, self._normalisation), label.astype(np.int64)

    def _target_view(self, index: int, step: int, place: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([self._config.seed, TARGET_VIEW, step, place])
        image, augmentation = self._target[index].image, self._config.target_augmentation
        plain, _ = augmentation.place(image, np.full(image.shape[:2], IGNORE_INDEX, np.uint8), self.target_size, rng)
        return tuple(normalise_image(view, self._normalisation) for view in (augmentation.recolour(plain, rng), plain))


def find_view_size(checkpoint: Checkpoint, dataset: FolderDataset, config: AdaptationConfig) -> tuple[int, int]:
    """(height, width) of a view: the crop that is asked for, or the proportions of the first image."""
    multiple = find_size_multiple(checkpoint.model)
    if config.crop is not None:
        return tuple(max(multiple, round(side / multiple) * multiple) for side in config.crop)
    return fit_short_side(*dataset[0].image.shape[:2], checkpoint.short_side, multiple)


def find_short_side(checkpoint: Checkpoint, target: FolderDataset, config: AdaptationConfig) -> int:
    """Pixels of the shorter side of the images that a net adapted to ``target`` sees."""
    if config.short_side is not None:
        return config.short_side
    enlarged = min(round(config.enlarge * checkpoint.short_side), MAX_SHORT_SIDE, *target[0].image.shape[:2])
    return max(checkpoint.short_side, enlarged)


class ClassCounts:
    """How many pixels of each class the source images show, each image counted once; of very many images a sample."""

    def __init__(self, dataset: FolderDataset, num_classes: int, seed: int) -> None:
        labelled = np.array(dataset.labelled_indices)
        if len(labelled) > COUNTED_IMAGES:
            labelled = np.sort(np.random.default_rng([seed, RARE_CLASS]).choice(labelled, COUNTED_IMAGES, replace=False))
        counted = [dataset[int(index)].label for index in labelled]
        self.images = labelled
        self.pixels = np.stack(
            [np.bincount(label[label != IGNORE_INDEX], minlength=num_classes)[:num_classes] for label in counted]
        )

    @property
    def shares(self) -> np.ndarray:
        """(K,) share of the pixels of each class."""
        return self.pixels.sum(0) / max(self.pixels.sum(), 1)

    def weights(self, exponent: float) -> np.ndarray:
        """(K,) float32 ``(1/f)^exponent``, such that the mean over pixels is 1; 1 for classes that do not occur."""
        shares = self.shares
        weights = np.where(shares > 0, np.maximum(shares, 1e-6) ** -exponent, 1.0)
        return (weights / max((weights * shares).sum(), 1e-12)).astype(np.float32)


class RareClassSampler:
    """Draws a class, rare ones more often, then an image that shows it.

    ``P(k) ∝ exp((1 − f_k)/T)`` with f_k the share of pixels of class k. Source: Hoyer et al., DAFormer, CVPR 2022.
    """

    def __init__(self, counts: ClassCounts, temperature: float, seed: int) -> None:
        self._seed = seed
        self._images = [counts.images[column > 0] for column in counts.pixels.T]
        weight = np.exp((1 - counts.shares) / temperature) * (counts.shares > 0)
        self._chance = weight / weight.sum()

    def draw(self, count: int, step: int) -> list[int]:
        """Image numbers of one step."""
        rng = np.random.default_rng([self._seed, RARE_CLASS, step])
        classes = rng.choice(len(self._chance), count, p=self._chance)
        return [int(rng.choice(self._images[k])) for k in classes]


def describe_views(views: Views, normalisation: InputNormalisation) -> list[np.ndarray]:
    """The images of a step as a person would see them, to preview what the net is fed: (h, w, 3) uint8 RGB, source first."""
    mean, std = np.float32(normalisation.mean), np.float32(normalisation.std)
    shown = []
    for image in [*views.source_images, *views.target_images]:
        pixels = (image.numpy().transpose(1, 2, 0) * std + mean) * np.float32(normalisation.scale)
        shown.append(np.clip(pixels if normalisation.channel_order == "RGB" else pixels[..., ::-1], 0, 255).astype(np.uint8))
    return shown
