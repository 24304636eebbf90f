"""The state of a stopped run in one file: all that is needed to go on as if it had never stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from pca_core.checks import InputError
from pca_core.storage import write_atomic

Groups = Mapping[str, Mapping[str, Tensor]]
"""Tensors by name, in groups such as "model" and "optimizer"."""


@dataclass(frozen=True)
class RunState:
    """What :func:`read_state` found.

    Attributes:
        description: The step and what identifies the run, as given to :func:`write_state`.
        groups: Tensors by group and name.
    """

    description: dict[str, Any]
    groups: Groups


def write_state(path: Path, groups: Groups, description: Mapping[str, Any], *, makes_folder: bool = True) -> None:
    """Write groups of tensors, and a description that JSON can hold, as one file that appears at once or not at all."""
    tensors = {f"{group}.{name}": tensor.contiguous() for group, named in groups.items() for name, tensor in named.items()}
    write_atomic(path, save(tensors, {"training": json.dumps(description)}), makes_folder=makes_folder)


def read_state(path: Path) -> RunState:
    """Read what :func:`write_state` wrote.

    Raises:
        InputError: ``RESUME_NOT_FOUND`` or ``RESUME_BROKEN``.
    """
    if not path.is_file():
        raise InputError("RESUME_NOT_FOUND", f"There is nothing to resume at {path}. Start without --resume.")
    try:
        with safe_open(path, framework="pt") as file:
            description = json.loads(file.metadata()["training"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        raise InputError(
            "RESUME_BROKEN", f"{path.name} is not the complete state of a training run. Delete it and start without --resume."
        ) from None
    groups: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        group, name = key.split(".", 1)
        groups.setdefault(group, {})[name] = tensor
    return RunState(description, groups)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The moments of an optimiser by parameter number and name."""
    state = optimizer.state_dict()["state"]
    moments = {f"{number}.{name}": tensor for number, named in state.items() for name, tensor in named.items()}
    return {key: tensor for key, tensor in moments.items() if tensor is not None}  # SGD without momentum keeps none


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what :func:`optimizer_tensors` gave."""
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, name = key.split(".", 1)
        moments.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})


def check_same_run(then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise InputError ``RESUME_MISMATCH`` naming what differs in ``config``, ``names`` and ``class_names``."""
    now = json.loads(json.dumps(now))
    differing = [key for key, value in now["config"].items() if then["config"].get(key) != value]
    if then["names"] != now["names"]:
        differing.append("the list of images")
    if then.get("class_names", now["class_names"]) != now["class_names"]:
        differing.append("the classes")
    if differing:
        raise InputError(
            "RESUME_MISMATCH",
            f"This run differs from the one to be resumed in: {', '.join(differing)}. Give the same settings, or start anew.",
        )
