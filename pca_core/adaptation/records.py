"""What a run tells of each step."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from pca_core.adaptation.health import Health


@dataclass(frozen=True)
class AdaptationStep:
    """What one step did.

    Attributes:
        step: Counts from 1.
        losses: Each term, unweighted, and their weighted ``"total"``; empty for AdaBN.
        association: Rate, coverage and hubness (share of source pixels on the 1 % most claimed target pixels) by level.
        learning_rate: None for a method without gradients.
        gradient_norm: Before clipping; None likewise.
        seconds: Waiting for data included.
        images_per_second: Source and target images.
        memory_mb: Resident memory of the process on the CPU, allocated memory of the device on CUDA; MiB.
        micro_batch: Pairs that pass through the net at a time; smaller than configured after memory ran out.
        health: Every few steps, else None.
        scores: Likewise: mIoU (%) and IoU by class, of ``"source"`` (held out) and, only with labels to score on, ``"target"``.
    """

    step: int
    losses: dict[str, float]
    association: dict[str, dict[str, float]]
    learning_rate: float | None
    gradient_norm: float | None
    seconds: float
    images_per_second: float
    memory_mb: float
    micro_batch: int
    health: Health | None = None
    scores: dict[str, dict] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON: a number that is not finite is None."""
        return _plain(asdict(self))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
