"""Looks a data set over: sizes, class frequencies, unknown ids, and what cannot be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pca_core.checks import InputError
from pca_core.data.images import read_image
from pca_core.types import IGNORE_INDEX

if TYPE_CHECKING:
    from pca_core.data.datasets import FolderDataset

T = TypeVar("T")


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Attributes:
        num_images, num_labelled: Of the whole data set.
        num_looked_at: Images that were opened for the rest.
        sizes: (height, width) -> number of images.
        class_pixels: (K,) int64 labelled pixels per class; empty without labels.
        unlabelled_pixels: Pixels of label maps that have no class, unknown ids among them.
        unknown_pixels: Raw id, or colour ``0xRRGGBB`` -> pixels, for ids that stand for nothing.
        unknown_maps: The same ids -> label maps that they occur in.
        problems: Name -> sentence, for images and labels that cannot be read or do not fit together.
    """

    num_images: int
    num_labelled: int
    num_looked_at: int
    sizes: dict[tuple[int, int], int]
    class_pixels: np.ndarray
    unlabelled_pixels: int
    unknown_pixels: dict[int, int]
    unknown_maps: dict[int, int]
    problems: dict[str, str]

    def to_dict(self, class_names: Iterable[str]) -> dict:
        """Ready for JSON; frequencies are parts of the labelled pixels."""
        frequencies = self.class_pixels / max(1, self.class_pixels.sum())
        return {
            "num_images": self.num_images,
            "num_labelled": self.num_labelled,
            "num_missing_labels": self.num_images - self.num_labelled,
            "num_looked_at": self.num_looked_at,
            "sizes": [{"height": height, "width": width, "images": n} for (height, width), n in self.sizes.items()],
            "class_frequencies": dict(zip(class_names, frequencies.tolist(), strict=False)),
            "unlabelled": self.unlabelled_pixels / max(1, self.unlabelled_pixels + int(self.class_pixels.sum())),
            "unknown_ids": [
                {"id": raw, "pixels": n, "label_maps": self.unknown_maps[raw]} for raw, n in self.unknown_pixels.items()
            ],
            "problems": self.problems,
        }


def choose_evenly(items: Sequence[T], most: int | None) -> tuple[T, ...]:
    """At most so many, spread over the whole order; all for None."""
    if most is None or len(items) <= most:
        return tuple(items)
    return tuple(items[index] for index in np.linspace(0, len(items) - 1, most).round().astype(int))


def inspect_dataset(
    dataset: FolderDataset, names: Iterable[str], *, progress: Callable[[Iterable], Iterable] = iter
) -> Inspection:
    """Open these images and their label maps.

    Nothing that is wrong with a file stops the work: it becomes a sentence in ``problems``.

    Args:
        dataset: What to look over.
        names: Which images, e.g. from :func:`choose_evenly`.
        progress: Wraps the loop, to show how far it is.
    """
    num_classes = dataset.label_space.num_classes if dataset.label_space and dataset.has_labels else 0
    sizes: Counter = Counter()
    class_pixels = np.zeros(num_classes, np.int64)
    unlabelled, num_looked_at = 0, 0
    unknown_pixels: Counter = Counter()
    unknown_maps: Counter = Counter()
    problems = {}
    for name in progress(tuple(names)):
        num_looked_at += 1
        try:
            size = read_image(dataset.image_path(name)).shape[:2]
            sizes[size] += 1
            label = dataset.read_label(name, size=size, unknown="ignore")
        except InputError as error:
            problems[name] = str(error)
            continue
        if label is not None:
            counts = np.bincount(label.ids.reshape(-1), minlength=IGNORE_INDEX + 1)
            class_pixels += counts[:num_classes]
            unlabelled += int(counts[IGNORE_INDEX])
            unknown_pixels.update(label.unknown)
            unknown_maps.update(label.unknown.keys())
    return Inspection(
        len(dataset),
        len(dataset.labelled_indices),
        num_looked_at,
        dict(sizes.most_common()),
        class_pixels,
        unlabelled,
        dict(unknown_pixels.most_common()),
        dict(unknown_maps),
        problems,
    )
