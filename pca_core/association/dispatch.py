"""Which way a direction is swept: tiles in numba on the CPU, Triton kernels on a GPU, else strips in plain torch."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import torch

from pca_core.association.similarity import Direction

FUSED_FROM = 2**18  # scores from which a fused pass is faster, once its compiler is loaded (0.4 s)


def find_fused(direction: Direction, top_k: int = 1) -> ModuleType | None:
    """The module whose ``scan`` and ``softmax_matmul`` can run here and pay, None for plain torch."""
    if direction.query_RD.device.type == "cuda":
        gpu = find_gpu(direction)
        return gpu if gpu and top_k <= gpu.MAX_TOP_K else None
    return _load("pca_core.association.fused") if _is_on_cpu(direction) else None


def find_gradients(direction: Direction) -> ModuleType | None:
    """:mod:`pca_core.association.fused_gradients` where it can run and pays, else None."""
    return _load("pca_core.association.fused_gradients") if _is_on_cpu(direction) else None


def find_attention(direction: Direction) -> ModuleType | None:
    """:mod:`pca_core.association.fused_attention` where it can run and pays, else None; for pixels of one map alone."""
    return _load("pca_core.association.fused_attention") if _is_on_cpu(direction) else None


def find_gpu(direction: Direction) -> ModuleType | None:
    """:mod:`pca_core.association.gpu` where the direction lies on a GPU on which its kernels hold, else None."""
    device = direction.query_RD.device
    if device.type != "cuda" or not _is_worth_it(direction):
        return None
    gpu = _load("pca_core.association.gpu")
    return gpu if gpu and gpu.is_trusted(device) else None


def _is_on_cpu(direction: Direction) -> bool:
    return direction.query_RD.device.type == "cpu" and _is_worth_it(direction)


def _is_worth_it(direction: Direction) -> bool:
    query_RD, key_ND = direction.query_RD, direction.key_ND
    return len(query_RD) * len(key_ND) >= FUSED_FROM and query_RD.dtype == key_ND.dtype == torch.float32


def _load(name: str) -> ModuleType | None:
    try:
        return import_module(name)
    except (ImportError, RuntimeError):  # no numba or triton here, or nowhere to keep what numba compiles: slower, not different
        return None
