"""Compiles the Triton kernels for GPUs that are not there, and prints what they take of them.

    python -m tests.unit.compiled

prints JSON: for each kernel, generation of cards and arithmetic the bytes of shared memory and of registers spilt. Judged in
``test_gpu_kernels.py``. No GPU is asked: Triton brings the assembler.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from pca_core.association.gpu import kernels
from pca_core.association.gpu.launch import GROUP, LARGE, MIDDLE, SMALL, Blocks

FACTORS = ("query", "key", "left", "right", "weight")
SIZES = ("num_rows", "num_columns", "width", "weight_width")
INDICES = ("row_index", "column_index")
# Hopper, consumer Ampere, Turing: the tile, the arithmetic and the type that launch.py chooses there
CASES = [
    (kernels.scan_tiles, 90, LARGE, "tf32x3", "fp32"),
    (kernels.multiply_tiles, 90, LARGE, "tf32x3", "fp32"),
    (kernels.scan_tiles, 90, LARGE, "tf32", "bf16"),
    (kernels.scan_tiles, 86, MIDDLE, "tf32x3", "fp32"),
    (kernels.weigh_tiles, 86, MIDDLE, "tf32x3", "fp32"),
    (kernels.scan_tiles, 75, SMALL, "ieee", "fp32"),
]


def compile_for(kernel: triton.JITFunction, capability: int, blocks: Blocks, arithmetic: str, dtype: str) -> dict[str, int]:
    """Shared memory and spilt registers, bytes."""
    constants = {"ROWS": blocks.rows, "COLUMNS": blocks.columns, "INNER": blocks.inner, "GROUP": GROUP}
    constants |= {"PRECISION": arithmetic, "TOP_K": 2, "BOTH": True}
    types = dict.fromkeys(FACTORS, f"*{dtype}") | dict.fromkeys(SIZES, "i32") | dict.fromkeys(INDICES, "*i32")
    names = kernel.arg_names
    signature = {name: "constexpr" if name.isupper() else types.get(name, "*fp32") for name in names}
    given = {(place,): constants[name] for place, name in enumerate(names) if name.isupper()}
    aligned = {(place,): [["tt.divisibility", 16]] for place, name in enumerate(names) if not name.isupper()}
    source = ASTSource(kernel, signature, given, aligned)
    options = {"num_warps": blocks.warps, "num_stages": blocks.stages}
    made = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    return {"shared": made.metadata.shared, "spilt": count_spilt(made.asm["ptx"])}


def count_spilt(ptx: str) -> int:
    assembler = Path(triton.__file__).parent / "backends/nvidia/bin/ptxas"
    architecture = re.search(r"^\.target\s+(\w+)", ptx, re.MULTILINE)[1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.ptx"
        path.write_text(ptx)
        command = [assembler, "-v", "--gpu-name", architecture, path, "-o", Path(folder) / "kernel.cubin"]
        words = subprocess.run(command, capture_output=True, text=True, check=True).stderr.split()
    return int(words[words.index("spill") - 2])


if __name__ == "__main__":
    found = {f"{case[0].__name__} {case[1]} {case[3]} {case[4]}": compile_for(*case) for case in CASES}
    json.dump(found, sys.stdout)
