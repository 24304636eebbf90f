"""Signs of life of a worker, and how it is told to stop."""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from pca_core.runs.folder import Run

BEAT_SECONDS = 2.0
DELETED = "deleted"


class Stopped(BaseException):
    """Told to stop: ``state`` is what the run is then. No Exception: handlers of errors on its way are not meant."""

    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.state = state


def asked_to_stop(run: Run) -> str | None:
    """The state that a flag asks for, :data:`DELETED` when there is no run any more, or None."""
    if not run.is_there:
        return DELETED
    if run.has_flag("cancel"):
        return "cancelled"
    return "paused" if run.has_flag("pause") else None


def heed(run: Run) -> None:
    """Stop here when told to; for where there is nothing to save yet."""
    if stop := asked_to_stop(run):
        raise Stopped(stop)


@contextmanager
def beating(run: Run) -> Iterator[None]:
    """Beat from a thread, so that a long step is no silence; end the work of a run that was deleted."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.is_set():
            with suppress(OSError):  # a full disk is told by whoever writes what matters
                if not run.is_there:
                    _thread.interrupt_main(signal.SIGTERM)  # does nothing where nobody handles it
                    return
                run.beat()
                run.cap_log()
            ended.wait(BEAT_SECONDS)

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def _handling(number: signal.Signals, handler: Callable[..., None]) -> Iterator[None]:
    """Answer a signal in a way of our own; outside the main thread nothing can be set, and no signal arrives."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, previous)


def stop_signals(run: Run) -> AbstractContextManager[None]:
    """SIGTERM saves and pauses at the end of the step; a run that was deleted or has not heeded its cancel flag ends at once."""

    def handle(*_: object) -> None:
        if not run.is_there or run.has_flag("cancel"):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: what follows tells how it ended
            raise Stopped("cancelled" if run.is_there else DELETED)
        run.raise_flag("pause")

    return _handling(signal.SIGTERM, handle)


def interrupts_pause(run: Run) -> AbstractContextManager[None]:
    """The first Ctrl-C pauses after the step, so that no step is lost; the second stops at once."""

    def handle(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        run.raise_flag("pause")

    return _handling(signal.SIGINT, handle)
