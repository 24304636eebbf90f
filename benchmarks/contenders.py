"""What the benchmarks of association run: ours, and what one would otherwise write or call. One job is one round."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

CLASSES = 19


@dataclass(frozen=True)
class Shape:
    """Pixels of source and target, channels."""

    source: int
    target: int
    channels: int

    def __str__(self) -> str:
        pixels = f"{self.source:,}" if self.source == self.target else f"{self.source:,} × {self.target:,}"
        return f"N = {pixels}, C = {self.channels:,}"


def make_inputs(shape: Shape):
    """(1, C, 1, S) source and (1, C, 1, T) target features around shared class centres, and (1, 1, S) labels."""
    import torch

    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(CLASSES, shape.channels, generator=generator)

    def side(pixels: int):
        labels = torch.randint(0, CLASSES, (pixels,), generator=generator)
        features = centres[labels] + 2.0 * torch.randn(pixels, shape.channels, generator=generator)
        return features.T[None, :, None].contiguous(), labels[None, None]

    (source, labels), (target, _) = side(shape.source), side(shape.target)
    return source, target, labels


def naive_scores(source, target):
    import torch
    from torch.nn import functional as F

    matrix = torch.matmul(F.normalize(source, dim=1), F.normalize(target, dim=1).T)
    mean = matrix.mean(1, keepdim=True).detach()
    std = matrix.std(1, keepdim=True).detach()
    return (matrix - mean) / (std + 1e-10)


def naive_associate(source, target):
    """j*, i* and the probability product, from full matrices both ways."""
    there, back = naive_scores(source, target).softmax(1), naive_scores(target, source).softmax(1)
    forward_probability, match = there.max(1)
    backward_probability, home = back.max(1)
    return match, home[match], forward_probability * backward_probability[match]


def naive_loss(source, target, labels, alpha):
    rows, columns = source[0].flatten(1).T, target[0].flatten(1).T
    if alpha:
        columns = (1 - alpha) * columns + alpha * naive_scores(columns, columns).softmax(1) @ columns
    _, home, product = naive_associate(rows, columns)
    label = labels.flatten()
    return -(product[label[home] == label] + 1e-10).log().mean()


def make_job(name: str, shape: Shape) -> Callable[[], object]:
    """What one round of a contender runs; inputs are made here, outside the clock."""
    import torch

    from pca_core import AssociationConfig, associate, association_loss

    source, target, labels = make_inputs(shape)
    rows, columns = (side[0].flatten(1).T.contiguous() for side in (source, target))
    if "loss" in name:
        alpha = 0.5 if "aggregated" in name else 0.0
        source.requires_grad_()
        target.requires_grad_()

        def run_loss():
            source.grad = target.grad = None
            value = (
                naive_loss(source, target, labels, alpha)
                if name.startswith("naive")
                else association_loss(source, target, labels, alpha=alpha).value
            )
            value.backward()
            return [value.item(), source.grad.norm().item(), target.grad.norm().item()]

        return run_loss
    if name == "associate":
        config = AssociationConfig(alpha=0.0)

        def run_associate():
            found = associate(source[0], target[0], labels[0], config)
            return [found.target_index.sum().item(), found.return_index.sum().item()]

        return run_associate
    if name.removeprefix("naive_") == "aggregate":
        return _aggregate_job(name, target)
    if name == "naive":
        with torch.no_grad():
            return lambda: [index.sum().item() for index in naive_associate(rows, columns)[:2]]
    others = {
        "product": _product_job,
        "tiles": _tiles_job,
        "strips": _strips_job,
        "faiss": _faiss_job,
        "sklearn": _sklearn_job,
        "keops": _keops_job,
    }
    return others[name](rows, columns)


def _product_job(rows, columns):
    return lambda: (rows @ columns.T).shape[0] and None


def _tiles_job(rows, columns):
    """The products that an association makes, by as many threads, and nothing else."""
    from pca_core.association.fused import TILE_ROWS, iterate_tiles
    from pca_core.association.similarity import make_direction
    from pca_core.association.threads import run_in_parts

    direction = make_direction(rows, columns, normalise=False)

    def multiply(_: int, part: slice) -> None:
        for _ in iterate_tiles(direction, part, TILE_ROWS):
            pass

    return lambda: run_in_parts(multiply, len(rows), least=4) and None


def _strips_job(rows, columns):
    from pca_core.association.strips import iterate_strips

    def run() -> None:
        for _ in iterate_strips(rows, columns, None):
            pass

    return run


def _aggregate_job(name, target):
    from pca_core.association.aggregation import aggregate

    columns = target[0].flatten(1).T.contiguous()
    if name == "aggregate":
        return lambda: [aggregate(target, "feature", 1.0).norm().item()]
    return lambda: [(naive_scores(columns, columns).softmax(1) @ columns).norm().item()]


def _sklearn_job(rows, columns):
    from sklearn.neighbors import NearestNeighbors
    from torch.nn import functional as F

    a, b = F.normalize(rows, dim=1).numpy(), F.normalize(columns, dim=1).numpy()

    def search(base, queries):
        return NearestNeighbors(n_neighbors=1, algorithm="brute").fit(base).kneighbors(queries, return_distance=False)[:, 0]

    def run():
        there, back = search(b, a), search(a, b)
        return [int(there.sum()), int(back[there].sum())]

    return run


def _keops_job(rows, columns):
    from pykeops.torch import LazyTensor
    from torch.nn import functional as F

    a, b = F.normalize(rows, dim=1), F.normalize(columns, dim=1)

    def search(base, queries):
        score = LazyTensor(queries[:, None].contiguous()) | LazyTensor(base[None].contiguous())
        return score.argmax(dim=1)[:, 0]

    def run():
        there, back = search(b, a), search(a, b)
        return [there.sum().item(), back[there].sum().item()]

    return run


def _faiss_job(rows, columns):
    import faiss
    from torch.nn import functional as F

    faiss.omp_set_num_threads(os.cpu_count())
    a, b = F.normalize(rows, dim=1).numpy(), F.normalize(columns, dim=1).numpy()

    def search(base, queries):
        index = faiss.IndexFlatIP(base.shape[1])
        index.add(base)
        return index.search(queries, 1)[1][:, 0]

    def run():
        there, back = search(b, a), search(a, b)
        return [int(there.sum()), int(back[there].sum())]

    return run
