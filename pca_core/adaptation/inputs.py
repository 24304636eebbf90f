"""What a run works on: checked before anything starts, in sentences that say what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pca_core.adaptation.batch_norm import batch_norms
from pca_core.adaptation.config import AdaptationConfig, config_to_dict
from pca_core.adaptation.methods import METHODS
from pca_core.checks import InputError
from pca_core.data import FolderDataset
from pca_core.models import Checkpoint
from pca_core.models.checkpoints import check_same_classes


@dataclass(frozen=True)
class Inputs:
    """Data sets of a run.

    Attributes:
        source: Labelled images that are trained on.
        target: Images of the target, without the labels that they may have.
        held_out: Labelled source images that are only scored on, or None where there are too few to spare any.
        scored_target: Labelled target images that are only scored on, or None.
    """

    source: FolderDataset
    target: FolderDataset
    held_out: FolderDataset | None
    scored_target: FolderDataset | None

    def identity(self, config: AdaptationConfig) -> dict[str, Any]:
        """What must be the same for a resume to equal never having stopped."""
        return {
            "config": config_to_dict(config),
            "names": [*self.source.names, *self.target.names],
            "class_names": list(self.source.label_space.class_names),
        }


def prepare(
    checkpoint: Checkpoint,
    source: FolderDataset,
    target: FolderDataset,
    config: AdaptationConfig,
    held_out: FolderDataset | None = None,
    scored_target: FolderDataset | None = None,
) -> Inputs:
    """Check what a run is given and set images aside to score on.

    Raises:
        InputError: ``ADAPT_METHOD``, ``ADAPT_BATCH_NORM``, ``ADAPT_SOURCE_UNLABELLED``, ``ADAPT_TARGET_ONE``,
            ``ADAPT_TARGET_IS_SOURCE``, ``ADAPT_UNLABELLED``, or ``CHECKPOINT_CLASSES``.
    """
    _check_method(checkpoint, config)
    _check_source(checkpoint, source)
    _check_target(source, target)
    for name, dataset in (("held-out source", held_out), ("scored target", scored_target)):
        if dataset is not None:
            _check_scored(checkpoint, name, dataset)
    labelled = [source.names[index] for index in source.labelled_indices]
    if held_out is None:
        kept = min(config.held_out, len(labelled) // 5)
        held_out = source.subset(labelled[len(labelled) - kept :]) if kept else None
        labelled = labelled[: len(labelled) - kept]
    return Inputs(source.subset(labelled), target.subset(target.names, is_labelled=False), held_out, scored_target)


def _check_method(checkpoint: Checkpoint, config: AdaptationConfig) -> None:
    if config.method not in METHODS:
        raise InputError("ADAPT_METHOD", f"The method must be one of {', '.join(METHODS)}, got {config.method!r}. Choose one.")
    needs_norms = not METHODS[config.method].is_gradient_based or METHODS[config.method].trained_layers == "batch-norm"
    if needs_norms and not batch_norms(checkpoint.model):
        raise InputError(
            "ADAPT_BATCH_NORM",
            f"{config.method} works on batch norms, but this {checkpoint.architecture} net has none. Choose another method.",
        )


def _check_source(checkpoint: Checkpoint, source: FolderDataset) -> None:
    if not source.labelled_indices or source.label_space is None:
        raise InputError(
            "ADAPT_SOURCE_UNLABELLED",
            f"Adaptation needs labelled source images, but {source.root.name} has no label maps. Add labels/ and classes.json.",
        )
    check_same_classes("The checkpoint", checkpoint.label_space, source.label_space)


def _check_target(source: FolderDataset, target: FolderDataset) -> None:
    if len(target) < 2:
        raise InputError(
            "ADAPT_TARGET_ONE",
            f"Adaptation needs at least 2 target images, got {len(target)}: one image says little of a domain. Add more.",
        )
    sources = {source.image_path(name).resolve() for name in source.names}
    shared = [name for name in target.names if target.image_path(name).resolve() in sources]
    if shared:
        raise InputError(
            "ADAPT_TARGET_IS_SOURCE",
            f"{len(shared)} of the {len(target)} target images are source images too ({shared[0]} first). "
            "Choose a target folder of its own.",
        )


def _check_scored(checkpoint: Checkpoint, name: str, dataset: FolderDataset) -> None:
    if not dataset.labelled_indices or dataset.label_space is None:
        raise InputError(
            "ADAPT_UNLABELLED",
            f"The {name} images in {dataset.root.name} have no label maps to score on. Add labels/, or go without scoring.",
        )
    check_same_classes("The checkpoint", checkpoint.label_space, dataset.label_space)
