"""How the server keeps what took long to compute: bounded by number and by time, and computed within the memory that there is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from datetime import timedelta
from functools import partial, wraps
from typing import Generic, ParamSpec, TypeVar

import streamlit as st

from pca_core.memory import work_within_memory

KEPT_FOR = timedelta(days=1)

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")
_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


def cached(most: int, spinner: str | bool = False) -> Callable[[Callable[_Args, _Result]], Callable[_Args, _Result]]:
    """Keep the results of a function for all sessions, by its arguments without a leading underscore.

    Args:
        most: Results kept at a time, each for :data:`KEPT_FOR`.
        spinner: Shown while it computes; False for nothing.

    Raises:
        InputError: ``MEMORY_SHORT``, by the function that is kept, when it does not fit even in smaller tiles.
    """

    def decorate(work: Callable[_Args, _Result]) -> Callable[_Args, _Result]:
        @wraps(work)
        def attempt(*args: _Args.args, **kwargs: _Args.kwargs) -> _Result:
            return work_within_memory(partial(work, *args, **kwargs))

        return st.cache_resource(max_entries=most, ttl=KEPT_FOR, show_spinner=spinner)(attempt)

    return decorate


class Kept(Generic[_Key, _Value]):
    """What is kept for all sessions and no function computes from its arguments alone, by key; any thread may use it.

    Args:
        most: Values kept at a time; that which was not asked for the longest goes first.
        kept_for: Since it was put; None for as long as there is room.
    """

    def __init__(self, most: int, kept_for: timedelta | None = KEPT_FOR) -> None:
        self._most, self._seconds = most, float("inf") if kept_for is None else kept_for.total_seconds()
        self._values: dict[_Key, tuple[float, _Value]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: _Key) -> _Value | None:
        """None when it was never put, has gone or is too old."""
        with self._lock:
            return self._find(key)

    def put(self, key: _Key, value: _Value) -> None:
        with self._lock:
            self._put(key, value)

    def get_or_put(self, key: _Key, make: Callable[[], _Value]) -> _Value:
        """What is kept, else what ``make`` gives, which must be quick: others wait for it."""
        with self._lock:
            value = self._find(key)
            if value is None:
                self._put(key, value := make())
            return value

    def _find(self, key: _Key) -> _Value | None:
        since, value = self._values.pop(key, (0.0, None))
        if value is None or time.monotonic() - since >= self._seconds:
            return None
        self._values[key] = since, value  # the last one in order
        return value

    def _put(self, key: _Key, value: _Value) -> None:
        self._values.pop(key, None)
        self._values[key] = time.monotonic(), value
        while len(self._values) > self._most:
            del self._values[next(iter(self._values))]
