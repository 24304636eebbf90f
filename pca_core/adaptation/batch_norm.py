"""Batch-norm statistics: estimated on target images (AdaBN), or one set for each domain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pca_core.data import FolderDataset, fit_short_side, resize_image
from pca_core.inference import normalise_image
from pca_core.models import Checkpoint, find_size_multiple
from pca_core.types import Domain

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
STATISTICS_BATCH = 8


def batch_norms(model: nn.Module) -> list[_BatchNorm]:
    """The layers of a net that keep running statistics."""
    return [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]


class StatisticsEstimator:
    """Running statistics as the mean over batches, every batch counting the same. Source: Li et al., AdaBN, 2016.

    Args:
        model: Its batch norms forget what they knew at the first batch; nothing else of it changes.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model, self._layers = model, batch_norms(model)
        self._momenta = [layer.momentum for layer in self._layers]
        for layer in self._layers:
            layer.reset_running_stats()

    @classmethod
    def resume(cls, model: nn.Module) -> StatisticsEstimator:
        """Go on with a model whose statistics are an estimate that was interrupted."""
        kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        estimator = cls(model)
        model.load_state_dict(kept)
        return estimator

    @torch.no_grad()
    def see(self, images: Tensor) -> None:
        """Count one normalised batch (B, 3, H, W); the model is left in eval mode."""
        self._model.eval()
        for layer in self._layers:
            layer.train()
            layer.momentum = None  # every batch counts the same
        try:
            self._model(images)
        finally:
            for layer, momentum in zip(self._layers, self._momenta, strict=True):
                layer.momentum = momentum
                layer.eval()


def statistics_batches(checkpoint: Checkpoint, dataset: FolderDataset, batch_size: int = STATISTICS_BATCH) -> list[list[int]]:
    """Which images make which batch; images of one size stand together, since a batch has one size."""
    sizes: dict[tuple[int, int], list[int]] = {}
    for index in range(len(dataset)):
        sizes.setdefault(_size(checkpoint, dataset[index].image.shape[:2]), []).append(index)
    return [group[start : start + batch_size] for group in sizes.values() for start in range(0, len(group), batch_size)]


def load_batch(checkpoint: Checkpoint, dataset: FolderDataset, indices: list[int]) -> Tensor:
    """(B, 3, H, W) float32 normalised, on the device of the net, each image as inference would scale it."""
    images = [dataset[index].image for index in indices]
    size = _size(checkpoint, images[0].shape[:2])
    inputs = [torch.from_numpy(normalise_image(resize_image(image, size), checkpoint.normalisation)) for image in images]
    return torch.stack(inputs).to(next(checkpoint.model.parameters()).device)


def _size(checkpoint: Checkpoint, size: tuple[int, int]) -> tuple[int, int]:
    return fit_short_side(*size, checkpoint.short_side, find_size_multiple(checkpoint.model))


def estimate_batch_norm(checkpoint: Checkpoint, dataset: FolderDataset, batch_size: int = STATISTICS_BATCH) -> None:
    """Give the net of a checkpoint, in place, the batch-norm statistics of other images; labels are not read."""
    estimator, dataset = StatisticsEstimator(checkpoint.model), dataset.subset(dataset.names, is_labelled=False)
    for indices in statistics_batches(checkpoint, dataset, batch_size):
        estimator.see(load_batch(checkpoint, dataset, indices))


class DomainStatistics:
    """A set of running statistics for each domain of one net; both begin as those of the net.

    Args:
        model: Whose batch norms hold the set in use, at first the source's.
    """

    def __init__(self, model: nn.Module) -> None:
        self._layers = batch_norms(model)
        self._sets: dict[Domain, list[dict[str, Tensor]]] = {
            "source": [{name: getattr(layer, name) for name in BUFFERS} for layer in self._layers],
            "target": [{name: getattr(layer, name).clone() for name in BUFFERS} for layer in self._layers],
        }
        self._domain: Domain = "source"

    @contextmanager
    def use(self, domain: Domain) -> Iterator[None]:
        """Within the block the net's batch norms hold and update the set of ``domain``."""
        previous, self._domain = self._domain, domain
        self._put(domain)
        try:
            yield
        finally:
            self._domain = previous
            self._put(previous)

    def _put(self, domain: Domain) -> None:
        for layer, kept in zip(self._layers, self._sets[domain], strict=True):
            for name in BUFFERS:
                layer._buffers[name] = kept[name]

    def tensors(self) -> dict[str, Tensor]:
        """The target's set by name, for a saved state; the source's is in the net."""
        return {f"{index}.{name}": kept[name] for index, kept in enumerate(self._sets["target"]) for name in BUFFERS}

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor]) -> None:
        for name, tensor in self.tensors().items():
            tensor.copy_(tensors[name])


def with_target_statistics(checkpoint: Checkpoint, dataset: FolderDataset) -> Checkpoint:
    """A checkpoint whose net is a copy with the batch-norm statistics of ``dataset`` (AdaBN); the given one stays as it is."""
    adapted = replace(checkpoint, model=deepcopy(checkpoint.model))
    estimate_batch_norm(adapted, dataset)
    return adapted
