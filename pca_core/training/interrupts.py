"""Ctrl-C between steps, never inside one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hold_interrupts() -> Iterator[None]:
    """Keep a Ctrl-C that arrives inside the block until its end: half a training step could not be resumed exactly.

    Then it is answered as it would have been outside: by a KeyboardInterrupt, unless another handler was set.

    Outside the main thread nothing has to be done: no Ctrl-C arrives there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, _: arrived.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
    if arrived:
        (previous if callable(previous) else signal.default_int_handler)(signal.SIGINT, None)
