"""The state of a run between two steps, as files; all that is needed to go on as if it had never stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pca_core.adaptation.config import config_from_dict, config_to_dict
from pca_core.adaptation.learner import Learner
from pca_core.checks import InputError
from pca_core.models import Checkpoint, save_checkpoint
from pca_core.storage import write_atomic
from pca_core.training.resume import check_same_run, load_optimizer, optimizer_tensors, read_state, write_state

MODEL, TENSORS, DESCRIPTION = "model.safetensors", "optimizer.safetensors", "state.json"


def save(folder: Path, learner: Learner, adapted: Checkpoint, description: Mapping[str, Any]) -> None:
    """Write the adapted net so far, the tensors of the run, and what it is.

    Raises:
        InputError: ``CHECKPOINT_NONFINITE``.
        OSError, RuntimeError: When the disk is full.
    """
    folder.mkdir(exist_ok=True)  # not its parents: that of a run that was deleted must not come back
    save_checkpoint(folder / MODEL, adapted, makes_folder=False)
    groups = {"model": learner.model.state_dict(), "optimizer": optimizer_tensors(learner.optimizer), "rng": _random_states()}
    if learner.teacher is not None:
        groups["teacher"] = learner.teacher.state_dict()
    if learner.statistics is not None:
        groups["statistics"] = learner.statistics.tensors()
    description = {**description, "micro_batch": learner.micro_batch}
    write_state(folder / TENSORS, groups, description, makes_folder=False)
    write_atomic(folder / DESCRIPTION, json.dumps(description, indent=1).encode(), makes_folder=False)


def _with_new_knobs(description: Mapping[str, Any]) -> Mapping[str, Any]:
    """A state's description with the defaults of knobs that came after it was written; as it is where that cannot be."""
    try:
        return {**description, "config": config_to_dict(config_from_dict(description["config"]))}
    except (KeyError, TypeError, ValueError):
        return description


def load(folder: Path, learner: Learner, expected: Mapping[str, Any]) -> dict[str, Any]:
    """Put a saved state back and return its description.

    Raises:
        InputError: ``RESUME_NOT_FOUND``, ``RESUME_BROKEN`` or ``RESUME_MISMATCH``.
    """
    state = read_state(folder / TENSORS)
    check_same_run(_with_new_knobs(state.description), expected)
    groups = state.groups
    try:
        learner.model.load_state_dict(groups["model"])
        load_optimizer(learner.optimizer, groups.get("optimizer", {}))
        if learner.teacher is not None:
            learner.teacher.load_state_dict(groups["teacher"])
        if learner.statistics is not None:
            learner.statistics.load(groups["statistics"])
        _restore_random(groups["rng"])
    except (KeyError, RuntimeError, ValueError) as error:
        raise InputError("RESUME_BROKEN", f"The state in {folder.name} does not fit its run ({error}). Start anew.") from None
    learner.micro_batch = state.description["micro_batch"]
    return state.description


def _random_states() -> dict[str, torch.Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states |= {f"cuda{index}": state for index, state in enumerate(torch.cuda.get_rng_state_all())}
    return states


def _restore_random(states: Mapping[str, torch.Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        if f"cuda{index}" in states:
            torch.cuda.set_rng_state(states[f"cuda{index}"], index)
