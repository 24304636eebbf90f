"""How the server keeps what took long to compute: bounded by number and by time, and computed within the memory that there is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial, wraps
from typing import ParamSpec, TypeVar

import streamlit as st

from pca_core.memory import work_within_memory

KEPT_FOR = timedelta(days=1)

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")


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
