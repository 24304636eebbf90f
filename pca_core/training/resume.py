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
from torch import Tensor, nn

from pca_core.checks import InputError
from pca_core.storage import write_atomic


@dataclass(frozen=True)
class RunState:
    """What :func:`read_state` found.

    Attributes:
        description: The step and what identifies the run, as given to :func:`write_state`.
        model: Weights by name.
        moments: The optimiser's tensors by parameter number and name.
    """

    description: dict[str, Any]
    model: dict[str, Tensor]
    moments: dict[int, dict[str, Tensor]]


def write_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, description: Mapping[str, Any]) -> None:
    """Write weights, optimiser moments and a description that JSON can hold."""
    tensors = {f"model.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": tensor.contiguous() for name, tensor in moments.items()}
    write_atomic(path, save(tensors, {"training": json.dumps(description)}))


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
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in _strip(tensors, "optimizer.").items():
        number, name = key.split(".", 1)
        moments.setdefault(int(number), {})[name] = tensor
    return RunState(description, _strip(tensors, "model."), moments)


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


def _strip(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
