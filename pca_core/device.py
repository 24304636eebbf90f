"""Where to compute, and how large a tile may be."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Literal

import torch

from pca_core.checks import InputError

NetPrecision = Literal["auto", "float32", "bfloat16"]
"""What a net in training multiplies in: ``"bfloat16"`` is mixed precision; ``"auto"`` that where the device has instructions
for it (tensor cores, AMX, AVX-512 BF16), else float32."""

# A strip of about this size keeps the matrix product at full speed while it stays near the last-level cache.
CPU_STRIP_BYTES = 16 * 2**20
CPU_TILE_ROWS = (256, 1024)  # fewer rows starve the product, more only cost memory
# On a GPU a strip should fill the device without showing in its memory.
CUDA_STRIP_BYTES = 256 * 2**20


def pick_device(name: str = "auto") -> torch.device:
    """Return the device that ``name`` asks for; ``"auto"`` takes CUDA when there is one, else the CPU.

    Raises:
        InputError: ``DEVICE_UNKNOWN`` or ``DEVICE_MISSING``.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise InputError("DEVICE_UNKNOWN", f"Device must be auto, cpu, cuda or cuda:N, got {name!r}. Give one of these.")
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError("DEVICE_MISSING", f"Device {name!r} was asked for, but torch sees no CUDA GPU. Use auto or cpu.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError("DEVICE_MISSING", f"Device {name!r} was asked for, but there are {torch.cuda.device_count()} CUDA GPUs.")
    return device


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for products of bfloat16; others emulate them, slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return device.type == "cpu" and any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))


def mix_precision(precision: NetPrecision, device: torch.device) -> torch.autocast:
    """The context that a net's forward pass runs in; losses are computed outside of it, in float32."""
    is_mixed = precision == "bfloat16" or (precision == "auto" and multiplies_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=is_mixed)


def name_processor() -> str:
    """What the processor calls itself, "AMD EPYC 9354 32-Core Processor"; its architecture where it does not say."""
    facts = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.+)$", facts.read_text(), re.MULTILINE) if facts.is_file() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def describe_machine() -> str:
    """What a measured number depends on, for its headline."""
    return f"{name_processor()}, {os.cpu_count()} cores, torch {torch.__version__}, {torch.get_num_threads()} threads"


def choose_tile_rows(num_columns: int, dtype: torch.dtype, device: torch.device) -> int:
    """Return how many rows of a similarity matrix with ``num_columns`` columns to hold at a time."""
    row_bytes = max(num_columns * torch.empty((), dtype=dtype).element_size(), 1)
    budget, (least, most) = (CUDA_STRIP_BYTES, (256, 8192)) if device.type == "cuda" else (CPU_STRIP_BYTES, CPU_TILE_ROWS)
    return max(least, min(most, budget // row_bytes))
