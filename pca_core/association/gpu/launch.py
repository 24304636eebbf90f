"""How the kernels are launched: shape of a tile, arithmetic of a product, padding, device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
import triton
from torch import Tensor
from torch.nn import functional as F

from pca_core.association.precision import round_values
from pca_core.association.similarity import Precision

GROUP = 8  # rows of tiles that go side by side
PAD = 64  # channels: a multiple of every INNER below


@dataclass(frozen=True)
class Blocks:
    """Shape of a tile and how a device works on it; a stage takes ``(rows + columns) · inner`` elements of shared memory.

    Chosen so that the compiler keeps all in registers, not by the clock: no GPU was at hand. ``benchmarks/gpu.py --tune``
    times others.
    """

    rows: int
    columns: int
    inner: int = 32
    warps: int = 8
    stages: int = 3

    def count_tiles(self, rows: int, columns: int) -> tuple[int, int]:
        return triton.cdiv(rows, self.rows), triton.cdiv(columns, self.columns)


LARGE = Blocks(128, 128)  # at most 96 KiB: tensor cores that read both factors from shared memory
MIDDLE = Blocks(64, 128)  # at most 72 KiB: those that take them from registers, where a larger tile would spill
SMALL = Blocks(64, 64, warps=4, stages=2)  # at most 32 KiB: no tensor cores for float32; the interpreter


@cache
def choose_blocks(device: torch.device) -> Blocks:
    """By the generation of the card: data-centre cards since Hopper, others since Ampere, the rest."""
    if not has_tensor_cores(device):
        return SMALL
    return LARGE if torch.cuda.get_device_capability(device)[0] in (9, 10) else MIDDLE


@cache
def has_tensor_cores(device: torch.device) -> bool:
    """Whether tensor cores take float32 in three parts: NVIDIA from Ampere."""
    return device.type == "cuda" and torch.version.cuda is not None and torch.cuda.get_device_capability(device) >= (8, 0)


def choose_arithmetic(precision: Precision, device: torch.device) -> str:
    """Triton's ``input_precision``: float32 is split into three TF32 products (as exact as float32), or taken as it is."""
    if not has_tensor_cores(device):
        return "ieee"
    return "tf32x3" if precision == "exact" else "tf32"  # which bfloat16 factors are not asked about


def storage_of(precision: Precision, device: torch.device) -> torch.dtype:
    """What factors are kept in: bfloat16 where it was asked for and tensor cores take it, else float32 (rounded as asked for)."""
    return torch.bfloat16 if precision == "bf16" and has_tensor_cores(device) else torch.float32


def as_factor(rows_RD: Tensor, precision: Precision) -> Tensor:
    """Rows as the kernels take them: rounded, contiguous, padded with zeros to a multiple of :data:`PAD`."""
    padded = F.pad(round_values(rows_RD, precision), (0, -rows_RD.size(1) % PAD))
    return padded.to(storage_of(precision, rows_RD.device)).contiguous()


def launch(kernel, blocks: Blocks, rows: int, columns: int, *arguments: object, **constants: object) -> None:
    """One program a tile of (rows, columns), on the device of the first argument."""
    down, across = blocks.count_tiles(rows, columns)
    shape = {"ROWS": blocks.rows, "COLUMNS": blocks.columns, "INNER": blocks.inner, "GROUP": GROUP}
    with torch.cuda.device_of(arguments[0]):
        kernel[(down * across,)](*arguments, **shape, **constants, num_warps=blocks.warps, num_stages=blocks.stages)
