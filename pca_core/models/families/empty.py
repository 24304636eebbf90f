"""Building a library's net without memory for its weights.

Under ``torch.device("meta")`` alone some constructors fail: they compute plain numbers with tensors. So tensors are real there,
and only what becomes a parameter loses its memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

# The hook of torch is there for every thread; only the one that builds must feel it.
_IS_EMPTY: ContextVar[bool] = ContextVar("is_empty", default=False)


def _drop_memory(module: nn.Module, name: str, parameter: nn.Parameter) -> nn.Parameter | None:
    if not _IS_EMPTY.get() or parameter.device.type == "meta":
        return None
    return nn.Parameter(parameter.detach().to("meta"), requires_grad=parameter.requires_grad)


@contextmanager
def empty_parameters() -> Iterator[None]:
    """Within, modules of this thread are built on the CPU, but for their parameters, which are on ``meta``."""
    token = _IS_EMPTY.set(True)
    handle = register_module_parameter_registration_hook(_drop_memory)
    try:
        with torch.device("cpu"):
            yield
    finally:
        handle.remove()
        _IS_EMPTY.reset(token)
