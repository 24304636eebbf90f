"""Where a run stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from pca_core.adaptation.config import STRICT, read_strictly

State = Literal["queued", "starting", "running", "stopping", "done", "cancelled", "paused", "failed", "interrupted"]
ACTIVE: tuple[State, ...] = ("queued", "starting", "running", "stopping")
RESUMABLE: tuple[State, ...] = ("paused", "interrupted", "failed", "cancelled")

Count = Annotated[int, Field(strict=True, ge=0, lt=2**53)]
Seconds = Annotated[float, Field(strict=True, ge=0, lt=1e15)]  # NaN is refused too
ProcessId = Annotated[int, Field(strict=True, gt=0, lt=2**31)]  # 0 and less mean whole groups of processes to the system


@dataclass(frozen=True)
class RunStatus:
    """Where a run stands.

    Attributes:
        state: See ``ACTIVE`` and ``RESUMABLE``.
        step, num_steps: Taken and in all; 0 in all while that is not known.
        code: Why it failed: ``oom``, ``nonfinite``, ``disk`` or ``input``; else None.
        message: One sentence for people, or "".
        device: Where it computes, once it does.
        pid, pid_started: The worker, waiting or at work, and when it was started (clock ticks since the machine was), so that a
            reused number is not mistaken for it.
        created, started, finished: Seconds since 1970, or None.
        asked: When it was queued, in seconds of the machine's own clock: its place in the queue, whatever becomes of the date.
    """

    state: State = "queued"
    step: Count = 0
    num_steps: Count = 0
    code: str | None = None
    message: str = ""
    device: str | None = None
    pid: ProcessId | None = None
    pid_started: Seconds | None = None
    created: Seconds = 0.0
    started: Seconds | None = None
    finished: Seconds | None = None
    asked: Seconds | None = None

    __pydantic_config__ = STRICT

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RunStatus:
        """What a file holds, in which nothing is taken for something else.

        Raises:
            ValueError: Naming the first field that is unknown or has a value that no worker writes.
        """
        return read_strictly(_ADAPTER, values, "the status")

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def is_resumable(self) -> bool:
        return self.state in RESUMABLE


_ADAPTER = TypeAdapter(RunStatus)
