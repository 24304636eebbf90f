"""Where a run stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["queued", "starting", "running", "stopping", "done", "cancelled", "paused", "failed", "interrupted"]
ACTIVE: tuple[State, ...] = ("queued", "starting", "running", "stopping")
AT_WORK: tuple[State, ...] = ("starting", "running", "stopping")
RESUMABLE: tuple[State, ...] = ("paused", "interrupted", "failed", "cancelled")


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
    step: int = 0
    num_steps: int = 0
    code: str | None = None
    message: str = ""
    device: str | None = None
    pid: int | None = None
    pid_started: float | None = None
    created: float = 0.0
    started: float | None = None
    finished: float | None = None
    asked: float | None = None

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def is_resumable(self) -> bool:
        return self.state in RESUMABLE
