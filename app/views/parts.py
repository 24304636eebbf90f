"""Parts of a page: each tells in its own place, in a sentence, what it cannot show."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import streamlit as st

from app.text import escape
from pca_core.checks import InputError
from pca_core.memory import is_out_of_memory

_Args = ParamSpec("_Args")


def tell_trouble(draw: Callable[_Args, None]) -> Callable[_Args, None]:
    """Draw; where inputs cannot be used or memory runs out, say so below what is drawn already."""

    @wraps(draw)
    def told(*args: _Args.args, **kwargs: _Args.kwargs) -> None:
        try:
            draw(*args, **kwargs)
        except InputError as error:
            st.error(escape(str(error)))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            st.error("Memory ran out here. Choose smaller images, or free memory on this machine and try again.")

    return told


def part(draw: Callable[_Args, None], run_every: float | None = None) -> Callable[_Args, None]:
    """A part of a page that reruns alone, and by itself every so many seconds."""
    return st.fragment(tell_trouble(draw), run_every=run_every)
