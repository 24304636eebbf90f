"""A run of adaptation: an iterator of steps over a copy of the net."""

from __future__ import annotations

import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import psutil
import torch

from pca_core.adaptation import distributed, state
from pca_core.adaptation.batch_norm import StatisticsEstimator, estimate_batch_norm, load_batch, statistics_batches
from pca_core.adaptation.config import AdaptationConfig, config_to_dict
from pca_core.adaptation.evaluation import Look, Observer
from pca_core.adaptation.inputs import prepare
from pca_core.adaptation.learner import Learner, Update
from pca_core.adaptation.methods import METHODS
from pca_core.adaptation.records import AdaptationStep
from pca_core.adaptation.views import ViewMaker, Views, find_short_side
from pca_core.data import FolderDataset
from pca_core.memory import OutOfMemory, is_out_of_memory, release_memory
from pca_core.models import Checkpoint
from pca_core.training.interrupts import hold_interrupts
from pca_core.types import Domain


def adapt(
    checkpoint: Checkpoint,
    source: FolderDataset,
    target: FolderDataset,
    config: AdaptationConfig | None = None,
    *,
    device: torch.device | str = "cpu",
    held_out: FolderDataset | None = None,
    scored_target: FolderDataset | None = None,
) -> Adaptation:
    """Adapt a net to target images; iterate over what is returned to take the steps.

    Args:
        checkpoint: The net to begin with; copied, never touched.
        source: Labelled images of the source.
        target: Images of the target; labels that it may have are not read.
        config: The run's knobs; None is the paper's objective.
        device: Where to compute.
        held_out: Labelled source images that are only scored on; None keeps the last few of ``source`` aside.
        scored_target: Labelled target images, if there are any to score on. They are never trained or selected on.

    Returns:
        :class:`Adaptation`, an iterator of :class:`AdaptationStep`. The same seed and number of threads give the same numbers.

    Raises:
        InputError: ``ADAPT_...``, on images, labels or settings that cannot be used together.
    """
    return Adaptation(checkpoint, source, target, config or AdaptationConfig(), torch.device(device), held_out, scored_target)


class Adaptation(Iterator[AdaptationStep]):
    """A run: an iterator of steps that can be saved between any two of them and continued.

    Attributes:
        config: The run's knobs.
        inputs: The data sets as they are used.
        start_checkpoint: The net that it began with, with the image size that it was trained at.
        step: Steps taken so far.
        num_steps: Of the whole run; for AdaBN the number of its batches.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        source: FolderDataset,
        target: FolderDataset,
        config: AdaptationConfig,
        device: torch.device,
        held_out: FolderDataset | None,
        scored_target: FolderDataset | None,
    ) -> None:
        self.inputs = prepare(checkpoint, source, target, config, held_out, scored_target)
        self.config, self.device = config, device
        torch.manual_seed(config.seed)
        self._method = METHODS[config.method]
        self.start_checkpoint = checkpoint
        self._sized = replace(checkpoint, short_side=find_short_side(checkpoint, self.inputs.target, config))
        self._learner = Learner(self._sized, config, self._method, device)
        self.observer = Observer(self.inputs.source, self.inputs.held_out, self.inputs.target, self.inputs.scored_target)
        self.step = 0
        self._steps: Iterator[AdaptationStep] | None = None
        self._begin()

    @cached_property
    def start(self) -> Look:
        """What the observer sees of the net before the first step; a run that is resumed knows it already."""
        return self.observer.look(self.start_checkpoint, self.start_checkpoint)

    def _begin(self) -> None:
        if not self._method.is_gradient_based:
            self._batches = statistics_batches(self._learner.checkpoint, self.inputs.target)
            self.num_steps = len(self._batches)
            return
        self.num_steps = self.config.steps
        places = distributed.places(self.config.batch_size, self.config.accumulation)
        sees_target = self._method.sees_target
        data = self.inputs.source, self.inputs.target
        self.views = ViewMaker(self._sized, *data, self.config, places, sees_target=sees_target)
        if self.views.class_weights is not None:
            self._learner.class_weights = self.views.class_weights.to(self.device)
        if self._learner.statistics:  # the target begins with statistics of its own, not with those of the source
            own = replace(self._sized, model=deepcopy(self._sized.model).to(self.device))
            estimate_batch_norm(own, self.inputs.target)
            self._learner.begin_target_statistics(own.model)

    def __next__(self) -> AdaptationStep:
        if self._steps is None:
            if self.step == 0 and distributed.rank() == 0:
                self.start  # noqa: B018 (looked at now: what follows is told beside it)
            self._steps = self._take_steps() if self._method.is_gradient_based else self._see_batches()
        return next(self._steps)

    def _take_steps(self) -> Iterator[AdaptationStep]:
        started = time.perf_counter()
        for step, views in self.views.stream(self.step, self.num_steps):
            learning_rate = self.config.optimizer.learning_rate_at(step, self.num_steps)
            with hold_interrupts():
                self._learner.generator.manual_seed(self.config.seed * 1_000_003 + step)
                update = self._descend_within_memory(views, learning_rate)
                self.step = step + 1
                record = self._record(update, learning_rate, 2 * self.views.views_per_step, started)
            started = time.perf_counter()
            yield record

    def _descend_within_memory(self, views: Views, learning_rate: float) -> Update:
        """A step; when memory runs out, the same step in smaller parts."""
        while True:
            try:
                return self._learner.descend(self._method.compute_terms, views, learning_rate)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            # Outside the handler: the error holds the frames, and they hold the tensors.
            self._learner.optimizer.zero_grad(set_to_none=True)
            release_memory()
            if self._learner.micro_batch == 1 or distributed.world_size() > 1:  # processes must take equal parts
                raise OutOfMemory(
                    "Memory ran out even with one pair at a time. Use a smaller short side, or a larger association stride."
                )
            self._learner.micro_batch //= 2

    def _see_batches(self) -> Iterator[AdaptationStep]:
        """AdaBN: every target image once."""
        if self.step == 0:
            self._estimator = StatisticsEstimator(self._learner.model)
        started = time.perf_counter()
        for number in range(self.step, self.num_steps):
            indices = self._batches[number]
            self._estimator.see(load_batch(self._learner.checkpoint, self.inputs.target, indices))
            self.step = number + 1
            record = self._record(Update({}, {}, None), None, len(indices), started)
            started = time.perf_counter()
            yield record

    def _record(self, update: Update, learning_rate: float | None, num_images: int, started: float) -> AdaptationStep:
        seconds = time.perf_counter() - started
        is_due = self.step % self.config.evaluate_every == 0 or self.step == self.num_steps
        look = self.look() if is_due and distributed.rank() == 0 else None
        return AdaptationStep(
            self.step,
            update.losses,
            update.association,
            learning_rate,
            update.gradient_norm,
            seconds,
            num_images / max(seconds, 1e-9),
            self._memory_mb(),
            self._learner.micro_batch,
            look.health if look else None,
            look.scores if look else None,
        )

    def look(self) -> Look:
        """Score and examine the net as it is now."""
        return self.observer.look(self.eval_checkpoint(), self.eval_checkpoint("source"))

    def _memory_mb(self) -> float:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 2**20
        return psutil.Process().memory_info().rss / 2**20

    def eval_checkpoint(self, domain: Domain = "target") -> Checkpoint:
        """A copy of the adapted net as it is now, in eval mode, with the batch-norm statistics that it keeps for a domain."""
        model = deepcopy(self.start_checkpoint.model)
        if self._method.is_gradient_based or domain == "target":  # AdaBN leaves the source's statistics as they were
            model.load_state_dict(self._learner.result_tensors(domain))
        return replace(self._sized, model=model.eval().to(self.device))

    def checkpoint(self) -> Checkpoint:
        """The adapted net, a copy, with how it was made in its notes; statistics re-estimated where the config says so."""
        adapted = self.eval_checkpoint()
        if self.config.recalibrate and self._method.is_gradient_based and self._method.sees_target:
            estimate_batch_norm(adapted, self.inputs.target)
        notes = {
            "adapted_with": self.config.method,
            "adapted_to": self.inputs.target.root.name,
            "num_target_images": len(self.inputs.target),
            "adaptation_step": self.step,
            "adaptation": config_to_dict(self.config),
        }
        return replace(adapted, notes={**self.start_checkpoint.notes, **notes})

    def save(self, folder: Path) -> None:
        """Write the net as it is now and all that a resume needs; whoever calls makes the folder appear at once or not at all."""
        state.save(folder, self._learner, self.eval_checkpoint(), self._description())

    def load(self, folder: Path) -> None:
        """Continue from what :meth:`save` wrote; equal to never having stopped.

        Raises:
            InputError: ``RESUME_BROKEN``, or ``RESUME_MISMATCH`` naming what differs.
        """
        description = state.load(folder, self._learner, self._description())
        self.step = description["step"]
        self.observer.restore(description["history"], description["start_miou"])
        self._steps = None
        if not self._method.is_gradient_based:
            self._estimator = StatisticsEstimator.resume(self._learner.model)

    def _description(self) -> dict:
        return {
            "step": self.step,
            "history": [look.to_dict() for look in self.observer.history],
            "start_miou": self.observer.start_miou,
            **self.inputs.identity(self.config),
        }

    def close(self) -> None:
        """Stop making views ahead."""
        if self._steps is not None:
            self._steps.close()
