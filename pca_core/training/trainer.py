"""Source-only training: cross-entropy and Lovász-softmax on labelled images, poly schedule, exactly resumable."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor

from pca_core.checks import InputError
from pca_core.data import FolderDataset, fit_short_side
from pca_core.device import NetPrecision, mix_precision
from pca_core.losses import LossWeights, check_class_ids, supervised_losses, total_loss
from pca_core.models import (
    Checkpoint,
    architecture_of,
    build_model,
    find_normalisation,
    find_size_multiple,
    save_checkpoint,
)
from pca_core.storage import check_writable
from pca_core.training.augmentation import Augmentation
from pca_core.training.batches import BatchMaker
from pca_core.training.interrupts import hold_interrupts
from pca_core.training.optimization import OptimizerConfig, make_optimizer, set_learning_rate
from pca_core.training.resume import check_same_run, load_optimizer, optimizer_tensors, read_state, write_state


@dataclass(frozen=True)
class TrainConfig:
    """Knobs of source-only training.

    Attributes:
        steps: Optimiser steps.
        batch_size: Views per step.
        short_side: Pixels of the shorter side of a view; images are scaled to it at inference too.
        learning_rate: Peak of AdamW's; warms up linearly, then falls as ``(1 − t)^power``.
        weight_decay: AdamW's, on convolution weights only.
        warmup_steps: Linear warm-up.
        power: Of the poly schedule.
        lovasz: Weight of the Lovász-softmax term beside cross-entropy.
        seed: Of initialisation and views.
        architecture: What :func:`pca_core.models.build_model` takes.
        options: Of the architecture.
        is_pretrained: Start from the weights that the net's library offers.
        augmentation: How views are drawn.
        precision: Of the net in a step, see :data:`pca_core.device.NetPrecision`.
    """

    steps: int = 800
    batch_size: int = 8
    short_side: int = 192
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup_steps: int = 30
    power: float = 0.9
    lovasz: float = 0.75
    seed: int = 0
    architecture: str = "compact"
    options: dict = field(default_factory=dict)
    is_pretrained: bool = False
    augmentation: Augmentation = field(default_factory=Augmentation)
    precision: NetPrecision = "float32"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "short_side"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.precision not in get_args(NetPrecision):
            raise ValueError(f"precision must be one of {', '.join(get_args(NetPrecision))}, got {self.precision!r}.")
        self.optimizer  # noqa: B018 (checks its own values)

    @property
    def optimizer(self) -> OptimizerConfig:
        """AdamW with a warm-up and the poly schedule."""
        return OptimizerConfig(
            learning_rate=self.learning_rate, weight_decay=self.weight_decay, power=self.power, warmup_steps=self.warmup_steps
        )


@dataclass(frozen=True)
class TrainStep:
    """What one step did: ``step`` counts from 1, ``losses`` by name, ``learning_rate``, ``seconds`` waiting included."""

    step: int
    losses: dict[str, float]
    learning_rate: float
    seconds: float


class Trainer:
    """A net in training and all that a resume needs.

    Args:
        dataset: Labelled source images.
        config: The run's knobs.
        device: Where to compute.

    Raises:
        InputError: ``DATA_UNLABELLED`` when no image has a label; images without one are left out.
    """

    def __init__(self, dataset: FolderDataset, config: TrainConfig, device: torch.device) -> None:
        if not dataset.has_labels or dataset.label_space is None:
            raise InputError(
                "DATA_UNLABELLED",
                f"Training needs labelled images, but {dataset.root} has none. Add labels/ and classes.json.",
            )
        self.config, self.dataset, self.device = config, dataset, device
        torch.manual_seed(config.seed)
        classes = dataset.label_space.num_classes
        self.model = build_model(config.architecture, num_classes=classes, pretrained=config.is_pretrained, **config.options)
        self.normalisation = find_normalisation(config.architecture, self.model)
        self.model.to(device, memory_format=torch.channels_last).train()
        self.optimizer = make_optimizer(self.model.parameters(), config.optimizer)
        self.step = 0
        size = fit_short_side(*dataset[0].image.shape[:2], config.short_side, find_size_multiple(self.model))
        self.batches = BatchMaker(dataset, size, config.batch_size, self.normalisation, config.augmentation, config.seed)

    def run(self) -> Iterator[TrainStep]:
        """Train to the last step, yielding after each."""
        started = time.perf_counter()
        for step, images, labels in self.batches.stream(self.step, self.config.steps):
            learning_rate = self.config.optimizer.learning_rate_at(step, self.config.steps)
            check_class_ids(labels, self.dataset.label_space.num_classes)  # here, where looking waits for no device
            on_device = images.to(self.device, memory_format=torch.channels_last)
            with hold_interrupts():
                losses = self._update(on_device, labels.to(self.device), learning_rate)
                self.step = step + 1
            finished = time.perf_counter()
            yield TrainStep(self.step, losses, learning_rate, finished - started)
            started = time.perf_counter()

    def _update(self, images: Tensor, labels: Tensor, learning_rate: float) -> dict[str, float]:
        set_learning_rate(self.optimizer, learning_rate)
        with mix_precision(self.config.precision, self.device):
            logits = self.model(images).logits
        terms = supervised_losses(logits.float(), labels)
        loss = total_loss(terms, replace(LossWeights(), lovasz=self.config.lovasz))
        if not loss.isfinite():
            raise FloatingPointError(f"The loss became {loss.item()} at step {self.step + 1}. Use a lower learning rate.")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return {name: value.item() for name, value in terms.items()} | {"total": loss.item()}

    def checkpoint(self) -> Checkpoint:
        """The net as it is now, with what it was trained on."""
        notes = {"trained_on": self.dataset.root.name, "num_images": len(self.dataset.labelled_indices), "step": self.step}
        architecture, options = architecture_of(self.model, self.config.architecture, self.config.options)
        return Checkpoint(
            self.model,
            architecture,
            self.dataset.label_space,
            options,
            normalisation=self.normalisation,
            short_side=self.config.short_side,
            notes={**notes, "config": asdict(self.config)},
        )

    def save_state(self, path: Path) -> None:
        """Write all that a resume needs: weights, optimiser moments, step, config."""
        groups = {"model": self.model.state_dict(), "optimizer": optimizer_tensors(self.optimizer)}
        write_state(path, groups, {"step": self.step, **self._identity()})

    def _identity(self) -> dict:
        """What must be the same for a resume to equal never having stopped."""
        classes = list(self.dataset.label_space.class_names)
        return {"config": asdict(self.config), "names": list(self.dataset.names), "class_names": classes}

    def load_state(self, path: Path) -> None:
        """Continue from a saved state.

        Raises:
            InputError: ``RESUME_NOT_FOUND``, ``RESUME_BROKEN``, or ``RESUME_MISMATCH`` naming what differs.
        """
        state = read_state(path)
        check_same_run(state.description, self._identity())
        self.model.load_state_dict(state.groups["model"])
        load_optimizer(self.optimizer, state.groups["optimizer"])
        self.step = state.description["step"]


def train(
    dataset: FolderDataset,
    out: str | Path,
    config: TrainConfig | None = None,
    *,
    device: torch.device | str = "cpu",
    is_resumed: bool = False,
    save_every: int = 100,
) -> Iterator[TrainStep]:
    """Train a net on labelled images and write a checkpoint.

    Yields after each step. Every ``save_every`` steps, and when anything stops the run early, the state for a resume is written
    beside ``out`` (``NAME.resume``); at the end the checkpoint takes its place.

    Args:
        dataset: Labelled source images.
        out: The checkpoint to write.
        config: The run's knobs.
        device: Where to compute.
        is_resumed: Continue from the state beside ``out``; equal to never having stopped.
        save_every: Steps between saved states.

    Raises:
        InputError: On data that cannot be trained on, or a state that does not fit.
        FloatingPointError: When the loss is no longer finite; nothing is written then.
    """
    out = Path(out)
    state_path = out.with_name(out.name + ".resume")
    check_writable(out.parent)
    trainer = Trainer(dataset, config or TrainConfig(), torch.device(device))
    if is_resumed:
        trainer.load_state(state_path)
    try:
        for record in trainer.run():
            if record.step % save_every == 0:
                trainer.save_state(state_path)
            yield record
    except FloatingPointError:
        raise
    except BaseException:  # whatever stops the run, an unreadable image or a person, must not cost its steps
        trainer.save_state(state_path)
        raise
    save_checkpoint(out, trainer.checkpoint())
    state_path.unlink(missing_ok=True)
