"""A net in adaptation: what a method's terms are computed with, and how a gradient step is made of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from pca_core.adaptation import distributed
from pca_core.adaptation.batch_norm import BUFFERS, DomainStatistics, batch_norms
from pca_core.adaptation.config import AdaptationConfig
from pca_core.adaptation.views import Views
from pca_core.device import NetPrecision, mix_precision
from pca_core.losses import total_loss
from pca_core.models import Checkpoint
from pca_core.training.optimization import make_optimizer, set_learning_rate
from pca_core.types import Domain, Level, SegmentationOutput

if TYPE_CHECKING:
    from pca_core.adaptation.methods.base import Method


ViewKind = Literal["source", "target", "mixed"]
"""Kinds of views that pass through the net; mixed ones count as the target."""


@dataclass(frozen=True)
class Terms:
    """What a method computes from one part of a step.

    Attributes:
        losses: Scalar tensors by name, unweighted; names are the fields of :class:`~pca_core.losses.LossWeights`.
        association: Rate, coverage and hubness by level.
    """

    losses: dict[str, Tensor]
    association: dict[Level, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Update:
    """What one step did, means over all its pairs."""

    losses: dict[str, float]
    association: dict[str, dict[str, float]]
    gradient_norm: float | None


class _Network(nn.Module):
    """One call for both domains, each under its own batch-norm statistics, so that one call is all that DDP has to follow."""

    def __init__(self, model: nn.Module, statistics: DomainStatistics | None, precision: NetPrecision) -> None:
        super().__init__()
        self.model = model
        self._statistics, self._precision = statistics, precision

    def forward(self, images: dict[ViewKind, Tensor]) -> dict[ViewKind, tuple[Tensor, Tensor]]:
        outputs = {}
        for name, batch in images.items():
            domain: Domain = "source" if name == "source" else "target"
            own_statistics = self._statistics.use(domain) if self._statistics else nullcontext()
            with own_statistics, mix_precision(self._precision, batch.device):
                output = self.model(batch)
            outputs[name] = output.features.float(), output.logits.float()
        return outputs


class Learner:
    """A copy of a checkpoint's net with its optimiser, its statistics and its teacher.

    Args:
        checkpoint: Copied, never touched.
        config: The run's knobs.
        method: Says what moves and what is kept unless the config does.
        device: Where to compute.

    Attributes:
        model: The net that is trained.
        teacher: Its running average, or None.
    """

    def __init__(self, checkpoint: Checkpoint, config: AdaptationConfig, method: Method, device: torch.device) -> None:
        self.config, self.device = config, device
        self.model = distributed.synchronise_batch_norm(deepcopy(checkpoint.model), device)
        self.model.to(device, memory_format=torch.channels_last).train()
        self.checkpoint = replace(checkpoint, model=self.model)
        choose_trained(self.model, method.trained_layers if config.trained_layers == "method" else config.trained_layers)
        keeps_sets = config.batch_norm == "per-domain" and method.is_gradient_based and method.sees_target
        self.statistics = DomainStatistics(self.model) if keeps_sets else None
        self.teacher = deepcopy(self.model).requires_grad_(False).eval() if method.needs_teacher(config) else None
        self.network = distributed.wrap(_Network(self.model, self.statistics, config.precision), device)
        self.optimizer = make_optimizer(self.model.parameters(), config.optimizer)
        self.micro_batch = distributed.share(config.batch_size)
        self.class_weights: Tensor | None = None  # (K,) of the supervised cross-entropy
        self.generator = torch.Generator()  # of draws inside a step; seeded anew for each, so that it needs no saving

    @torch.no_grad()
    def begin_target_statistics(self, model: nn.Module) -> None:
        """Take the target's statistics, and the teacher's, from the batch norms of another copy of the net."""
        buffers = {f"{index}.{name}": getattr(layer, name) for index, layer in enumerate(batch_norms(model)) for name in BUFFERS}
        self.statistics.load(buffers)
        if self.teacher is not None:
            self._show_teacher_statistics()

    def train_mode(self) -> None:
        """Training mode; frozen batch norms stay as in inference."""
        self.model.train()
        if self.config.batch_norm == "frozen":
            for layer in batch_norms(self.model):
                layer.eval()

    def forward(self, images: dict[ViewKind, Tensor]) -> dict[ViewKind, SegmentationOutput]:
        """Features and logits of the views of a step, one batch for each kind."""
        on_device = {name: batch.to(memory_format=torch.channels_last) for name, batch in images.items()}
        outputs = self.network(on_device)
        return {name: SegmentationOutput(*output, self.model.output_stride) for name, output in outputs.items()}

    @torch.no_grad()
    def ask_teacher(self, images: Tensor) -> Tensor:
        """The teacher's (B, K, h, w) probabilities."""
        with mix_precision(self.config.precision, self.device):
            logits = self.teacher(images.to(memory_format=torch.channels_last)).logits
        return logits.float().softmax(1)

    def descend(self, compute_terms: Callable[[Learner, Views], Terms], views: Views, learning_rate: float) -> Update:
        """One optimiser step.

        The objective is a mean over pairs, so it does not matter how they are split into parts or over processes.

        Raises:
            FloatingPointError: When the loss or its gradient is not finite; no weight has moved then.
        """
        self.train_mode()
        set_learning_rate(self.optimizer, learning_rate)
        self.optimizer.zero_grad(set_to_none=True)
        parts = views.split(self.micro_batch)
        found = _Means()
        for number, part in enumerate(parts):
            is_last = number == len(parts) - 1
            with nullcontext() if is_last else distributed.no_sync(self.network):
                terms = compute_terms(self, part.to(self.device))
                loss = total_loss(terms.losses, self.config.weights)
                share = len(part) / len(views)
                (loss * share).backward()
            found.add(terms, loss, share)
        update = found.finish(self.device)
        norm = self._clip()
        _check_finite(update.losses["total"], norm)
        self.optimizer.step()
        self._follow()
        return replace(update, gradient_norm=norm)

    def _clip(self) -> float:
        limit = self.config.optimizer.clip_norm or torch.inf
        trained = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        return nn.utils.clip_grad_norm_(trained, limit).item()

    @torch.no_grad()
    def _follow(self) -> None:
        """The teacher moves a little towards the net: ``θ' ← m θ' + (1 − m) θ``; it takes over the target's statistics."""
        if self.teacher is None:
            return
        keep = self.config.teacher_decay
        for slow, fast in zip(self.teacher.parameters(), self.model.parameters(), strict=True):
            slow.lerp_(fast, 1 - keep)
        self._show_teacher_statistics()

    @torch.no_grad()
    def _show_teacher_statistics(self) -> None:
        with self.statistics.use("target") if self.statistics else nullcontext():
            for slow, fast in zip(self.teacher.buffers(), self.model.buffers(), strict=True):
                slow.copy_(fast)

    def result_tensors(self, domain: Domain = "target") -> dict[str, Tensor]:
        """Weights and statistics of the net that the run is for: the teacher where the config says so, else the trained one.

        With statistics for each domain those of ``domain``. The tensors are those in use, not copies.
        """
        with self.statistics.use(domain) if self.statistics else nullcontext():
            tensors = self.model.state_dict()
        if self.teacher is None or not self.config.with_teacher:
            return tensors
        return tensors | {name: parameter.detach() for name, parameter in self.teacher.named_parameters()}


class _Means:
    """Means over the parts of a step, and over processes."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, ...], float | Tensor] = {}

    def add(self, terms: Terms, loss: Tensor, share: float) -> None:
        values: dict[tuple[str, ...], float | Tensor] = {("losses", name): value.detach() for name, value in terms.losses.items()}
        values[("losses", "total")] = loss.detach()
        values |= {(level, name): value for level, facts in terms.association.items() for name, value in facts.items()}
        for key, value in values.items():
            self._sums[key] = self._sums.get(key, 0.0) + value * share

    def finish(self, device: torch.device) -> Update:
        keys = list(self._sums)
        packed = torch.stack([torch.as_tensor(self._sums[key], dtype=torch.float32, device=device) for key in keys])
        values = dict(zip(keys, distributed.mean(packed).tolist(), strict=True))
        levels = {key[0] for key in keys} - {"losses"}
        association = {level: {key[1]: values[key] for key in keys if key[0] == level} for level in sorted(levels)}
        return Update({key[1]: values[key] for key in keys if key[0] == "losses"}, association, None)


def _check_finite(loss: float, norm: float) -> None:
    for what, value in (("loss", loss), ("gradient", norm)):
        if not torch.isfinite(torch.tensor(value)):
            raise FloatingPointError(f"The {what} became {value}. Use a lower learning rate, or clip gradients (clip_norm).")


def choose_trained(model: nn.Module, layers: str) -> None:
    """Let only some weights move.

    Args:
        model: Changed in place.
        layers: ``"all"``, ``"batch-norm"``, ``"classifier"`` or ``"all-but-classifier"``.

    Raises:
        ValueError: When the net has no such layer.
    """
    if layers == "all":
        return
    norms = {id(parameter) for layer in batch_norms(model) for parameter in layer.parameters(recurse=False)}
    classifier = {id(parameter) for name, parameter in model.named_parameters() if "classifier" in name.split(".")}
    wanted = {"batch-norm": norms, "classifier": classifier}.get(layers)
    for parameter in model.parameters():
        is_wanted = id(parameter) not in classifier if wanted is None else id(parameter) in wanted
        parameter.requires_grad_(is_wanted)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(f"trained_layers={layers!r} leaves nothing to train: this net has no such layer. Use 'all'.")
