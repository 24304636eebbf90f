"""Children that decode uploads: started when first needed, kept warm, replaced when they die or take too long."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pca_core import limited
from pca_core.checks import InputError
from pca_core.children import start_child
from pca_core.data.decode_child import read_frame, write_frame
from pca_core.data.files import MAX_PIXELS

MEMORY = 2**30  # address space of a child, libraries included
SECONDS = 9.0  # for one file; with the end of the child it is over in ten
MOST = 2  # children at work at a time
FILES = 300  # that a child decodes before another takes over: libraries lose memory


class _Child:
    def __init__(self) -> None:
        self.process = start_child(
            limited.make_command("pca_core.data.decode_child", MEMORY),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=limited.make_environment(),
            cwd="/",
        )
        self.num_files = 0

    def ask(self, request: dict, data: bytes) -> tuple[dict, bytes] | None:
        """The answer, or None when the child died of it."""
        self.num_files += 1
        with suppress(OSError, ValueError):  # a broken pipe, or an answer that is none
            write_frame(self.process.stdin, request, data)
            return read_frame(self.process.stdout, 3 * MAX_PIXELS)
        return None

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def end(self) -> None:
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):  # what could not be sent
                pipe.close()
        self.process.wait()


class Decoders:
    """A few children; more requests than children wait."""

    def __init__(self, most: int = MOST) -> None:
        self._room = threading.BoundedSemaphore(most)
        self._idle: list[_Child] = []
        os.register_at_fork(after_in_child=self._idle.clear)  # two processes must not talk to one child

    @property
    def pids(self) -> list[int]:
        """Of children that wait for work."""
        return [child.process.pid for child in self._idle]

    def warm_up(self) -> None:
        """Start a child unless there is one; returns at once. Where none can be started, who decodes is told."""
        if self._room.acquire(blocking=False):
            try:
                if not self._idle:
                    self._idle.append(_Child())
            except InputError:
                pass
            finally:
                self._room.release()

    def close(self) -> None:
        """End the children that wait for work."""
        while self._idle:
            self._idle.pop().end()

    def decode(self, request: dict, data: bytes) -> tuple[dict, bytes]:
        """Have a file decoded; see :func:`pca_core.data.decode_child.answer`.

        Raises:
            InputError: ``IMAGE_TIMEOUT`` when it takes more than :data:`SECONDS`, ``IMAGE_DECODER`` when the child died of it,
                ``CHILD_REFUSED`` when none can be started.
        """
        is_late = threading.Event()
        with self._borrow() as child:

            def stop() -> None:
                is_late.set()
                child.process.kill()

            timer = threading.Timer(SECONDS, stop)
            timer.daemon = True
            timer.start()
            found = child.ask(request, data)
            timer.cancel()
            if found is None or is_late.is_set():
                child.end()
        if found is None:
            is_late_by_itself = child.process.returncode == -signal.SIGXCPU
            raise _explain(request["name"], is_late=is_late.is_set() or is_late_by_itself)
        return found

    @contextmanager
    def _borrow(self) -> Iterator[_Child]:
        with self._room:
            child = self._find_idle() or _Child()
            try:
                yield child
            except BaseException:  # in the middle of an answer
                child.end()
                raise
            if child.is_alive and child.num_files < FILES:
                self._idle.append(child)
            else:
                child.end()

    def _find_idle(self) -> _Child | None:
        while self._idle:
            child = self._idle.pop()
            if child.is_alive:
                return child
            child.end()
        return None


def _explain(name: str, *, is_late: bool) -> InputError:
    if is_late:
        return InputError(
            "IMAGE_TIMEOUT", f"{name} was not decoded within {SECONDS:g} s. Scale it down, or save it anew as an 8-bit PNG."
        )
    return InputError(
        "IMAGE_DECODER",
        f"The process that decodes images ended while it read {name}. Save it anew as an 8-bit PNG, or try again.",
    )


DECODERS = Decoders()
"""Those of this process."""
