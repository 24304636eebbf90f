"""Optimisers and learning-rate schedules, shared by training and adaptation."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn


@dataclass(frozen=True)
class OptimizerConfig:
    """How weights move.

    Attributes:
        name: ``"adamw"`` or ``"sgd"``.
        learning_rate: Peak.
        weight_decay: On weights of two and more dimensions; biases and norms are never decayed.
        momentum: Of SGD.
        schedule: ``"constant"``, ``"poly"`` as ``(1 − t)^power``, or ``"cosine"``.
        power: Of the poly schedule.
        schedule_steps: Steps until a schedule reaches zero; None takes the steps of the run. The authors stop early on purpose.
        warmup_steps: Linear warm-up, whatever the schedule.
        clip_norm: Gradients of a larger norm are scaled down to it; None never does.

    Raises:
        ValueError: On a value out of range.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 5e-4
    weight_decay: float = 1e-2
    momentum: float = 0.9
    schedule: Literal["constant", "poly", "cosine"] = "poly"
    power: float = 0.9
    schedule_steps: int | None = None
    warmup_steps: int = 0
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        if self.name not in ("adamw", "sgd"):
            raise ValueError(f"Optimiser must be adamw or sgd, got {self.name!r}.")
        if self.schedule not in ("constant", "poly", "cosine"):
            raise ValueError(f"schedule must be constant, poly or cosine, got {self.schedule!r}.")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}. Try 0.0005.")
        if self.clip_norm is not None and self.clip_norm <= 0:
            raise ValueError(f"clip_norm must be positive or None, got {self.clip_norm}.")
        if self.schedule_steps is not None and self.schedule_steps < 1:
            raise ValueError(f"schedule_steps must be at least 1 or None (the steps of the run), got {self.schedule_steps}.")

    def learning_rate_at(self, step: int, steps: int) -> float:
        """Learning rate of ``step`` (counted from 0) of a run of ``steps``."""
        warmup = min(1.0, (step + 1) / max(self.warmup_steps, 1))
        progress = min(step / (self.schedule_steps or steps), 1.0)
        decay = {
            "constant": lambda: 1.0,
            "poly": lambda: (1 - progress) ** self.power,
            "cosine": lambda: (1 + math.cos(math.pi * progress)) / 2,
        }[self.schedule]()
        return self.learning_rate * warmup * decay


def make_optimizer(parameters: Iterable[nn.Parameter], config: OptimizerConfig) -> torch.optim.Optimizer:
    """An optimiser over the parameters that need a gradient; those of one dimension are not decayed."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    decayed = [parameter for parameter in trained if parameter.ndim > 1]
    free = [parameter for parameter in trained if parameter.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": free, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    if config.name == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum)
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
