"""A map of sampled pixels of both images: near points have alike features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from pca_core import render
from pca_core.analysis.projection import feature_rows, project
from pca_core.types import IGNORE_INDEX, Association, Domain, FeaturePair

Method = Literal["pca", "tsne", "spectral"]
POINTS = 1400  # of both images together: t-SNE takes seconds
FEWEST = 5  # that make a map
SEED = 0
NEIGHBOURS = 15
VERDICTS = ("cycle-consistent", "cycle breaks", "unlabelled", "not reached", "not mutual")
"""Names of the codes of :func:`sample_verdicts`, in order."""


@dataclass(frozen=True, eq=False)
class PixelSample:
    """Pixels of both images, class by class.

    Attributes:
        is_target: (M,) bool.
        index: (M,) int64, flat feature pixel of its side.
        classes: (M,) int64 class by label, by prediction where there is no label; 255 where neither tells.
        features: (M, C) float32 of unit length.
    """

    is_target: np.ndarray
    index: np.ndarray
    classes: np.ndarray
    features: np.ndarray

    def __len__(self) -> int:
        return len(self.index)


def known_classes(labels: Tensor | None, prediction: Tensor | None, size: tuple[int, int]) -> np.ndarray:
    """(h·w,) class by label; by prediction where the whole image has no labels; 255 where nothing tells."""
    known = labels if labels is not None else prediction
    return np.full(size[0] * size[1], IGNORE_INDEX) if known is None else known.flatten().cpu().numpy().astype(np.int64)


def pair_classes(pair: FeaturePair) -> tuple[np.ndarray, np.ndarray]:
    """:func:`known_classes` of the source and of the target."""
    return (
        known_classes(pair.source_labels, pair.source_prediction, pair.source_size),
        known_classes(pair.target_labels, pair.target_prediction, pair.target_size),
    )


def sample_pixels(pair: FeaturePair, count: int = POINTS, seed: int = SEED) -> PixelSample:
    """Draw pixels evenly over sides and classes: rare classes are on the map too.

    Args:
        pair: Features and what is known of their classes.
        count: Points at most, half of them from each image.
        seed: Of the draw.
    """
    source, target = feature_rows(pair)
    sides = list(zip((source, target), pair_classes(pair), strict=True))
    generator = np.random.default_rng(seed)
    chosen = [_draw(classes, count // 2, generator) for _, classes in sides]
    return PixelSample(
        np.repeat([False, True], [len(one) for one in chosen]),
        np.concatenate(chosen),
        np.concatenate([classes[one] for (_, classes), one in zip(sides, chosen, strict=True)]),
        torch.cat([rows[torch.from_numpy(one)] for (rows, _), one in zip(sides, chosen, strict=True)]).float().cpu().numpy(),
    )


def _draw(classes: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Each class gives as many as the others while it has them; what is left over is shared by the larger ones."""
    present = [np.flatnonzero(classes == one) for one in np.unique(classes)]
    chosen, left = [], min(count, len(classes))
    for place, pixels in enumerate(sorted(present, key=len)):
        take = min(len(pixels), left // (len(present) - place))
        chosen.append(generator.choice(pixels, take, replace=False))
        left -= take
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def sample_verdicts(sample: PixelSample, association: Association, source_labels: torch.Tensor) -> np.ndarray:
    """(M,) uint8 places in :data:`VERDICTS`; ``source_labels`` are (h, w) int64.

    A source pixel has the verdict of its own cycle. A target pixel has the best of those that go over it: consistent, else not
    mutual, else it breaks; and it is not reached when no source pixel chose it.
    """
    names = [VERDICTS.index(name) for name in render.VERDICTS]
    source = np.array(names)[render.verdict_map(association, source_labels).ravel()]
    goes_to = association.target_index.cpu().numpy()
    target = np.full(association.num_target, VERDICTS.index("not reached"))
    target[goes_to] = VERDICTS.index("cycle breaks")
    for name in ("not mutual", "cycle-consistent"):
        target[goes_to[source == VERDICTS.index(name)]] = VERDICTS.index(name)
    codes = np.empty(len(sample), np.uint8)
    codes[~sample.is_target] = source[sample.index[~sample.is_target]]
    codes[sample.is_target] = target[sample.index[sample.is_target]]
    return codes


def count_selected(sample: PixelSample, selected: np.ndarray) -> list[tuple[int, int]]:
    """(class, number of pixels) of those that ``selected`` (M,) bool tells, the most frequent class first."""
    classes, counts = np.unique(sample.classes[selected], return_counts=True)
    return [(int(classes[place]), int(counts[place])) for place in np.argsort(-counts, kind="stable")]


def embed(sample: PixelSample, method: Method = "pca", seed: int = SEED) -> np.ndarray:
    """Coordinates of the sample on a plane.

    Args:
        sample: From :func:`sample_pixels`.
        method: ``"pca"``: linear, true distances, at once. ``"tsne"``: neighbourhoods kept, distances between groups mean
            nothing; on unit features the squared distance it takes is twice the cosine distance. ``"spectral"``: Laplacian
            eigenmaps of the graph of nearest neighbours, from which UMAP starts too.
        seed: Of whatever the method draws.

    Returns:
        (M, 2) float32.

    Raises:
        ValueError: On an unknown method, or fewer than five points.
    """
    if method not in ("pca", "tsne", "spectral"):
        raise ValueError(f"method must be 'pca', 'tsne' or 'spectral', got {method!r}.")
    if len(sample) < 5:
        raise ValueError(f"A map needs at least 5 pixels, got {len(sample)}. Choose larger images.")
    features = sample.features
    if method == "pca":
        points, _, _ = project(torch.from_numpy(features), torch.from_numpy(features[:0]), 2)
        return np.pad(points.numpy(), ((0, 0), (0, 2 - points.shape[1])))
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(features) - 1) / 4)
        start = embed(sample, "pca")
        start = start / max(float(start[:, 0].std()), 1e-12) * 1e-4  # the spread that t-SNE is to start from
        return TSNE(2, perplexity=perplexity, init=start, random_state=seed, max_iter=500).fit_transform(features)
    from sklearn.manifold import SpectralEmbedding

    neighbours = min(NEIGHBOURS, len(features) - 2)
    embedding = SpectralEmbedding(2, affinity="nearest_neighbors", n_neighbors=neighbours, random_state=seed)
    return embedding.fit_transform(features).astype(np.float32)


def nearest_sampled(sample: PixelSample, side: Domain, index: int, grid: tuple[int, int]) -> int | None:
    """Place in the sample of the pixel of ``side`` that lies nearest to flat feature pixel ``index``; None when it has none."""
    places = np.flatnonzero(sample.is_target == (side == "target"))
    if not len(places):
        return None
    row, column = np.divmod(sample.index[places], grid[1])
    own_row, own_column = divmod(index, grid[1])
    return int(places[((row - own_row) ** 2 + (column - own_column) ** 2).argmin()])
