"""Weights out of a pickled ``.pt`` file, through a child process that may do little (:mod:`pca_core.models.unpickle`).

``weights_only=True`` has had holes (CVE-2025-32434, CVE-2026-24747) and a small file can declare huge tensors. So the file is
opened by a child with limited memory and time, which writes plain tensors to a safetensors file; there is no fallback. This
narrows the harm, it is no sandbox: import only files whose origin you trust.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pca_core import limited
from pca_core.checks import InputError, exists, shorten

SECONDS = 300
MEMORY_BASE = 6 * 2**30  # address space of torch itself
MEMORY_PER_BYTE = 5  # the file, its tensors, the copy that is written, with room to spare


def read_pickled(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a ``.pt`` or ``.pth`` file by name, wrappers such as ``{"weights": …}`` and ``module.`` taken off.

    Raises:
        InputError: ``PICKLE_NOT_FOUND``, ``PICKLE_REFUSED`` (more than tensors is in it, or it is broken), ``PICKLE_EMPTY``,
            ``PICKLE_SIZE`` (tensors larger than the file), ``PICKLE_MEMORY``, ``PICKLE_TIMEOUT``.
    """
    path = Path(path)
    if not exists(path.is_file):
        raise InputError("PICKLE_NOT_FOUND", f"There is no file at {shorten(path)}. Check the path.")
    with tempfile.TemporaryDirectory(prefix="cyclelens-import-") as folder:
        out = Path(folder) / "weights.safetensors"
        memory = MEMORY_BASE + MEMORY_PER_BYTE * path.stat().st_size
        command = limited.make_command("pca_core.models.unpickle", memory, path.resolve(), out, SECONDS)
        child = {"cwd": folder, "env": limited.make_environment()}  # of ours it learns neither a token nor a key
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, **child)
        except subprocess.TimeoutExpired:
            raise InputError(
                "PICKLE_TIMEOUT", f"{path.name} was not read within {SECONDS} s. It is no ordinary checkpoint; do not use it."
            ) from None
        code, _, message = done.stdout.strip().rpartition("\n")[2].partition(" ")
        if done.returncode == 0 and out.exists():
            try:
                return load_file(out)
            except SafetensorError:
                pass
        if not code.startswith("PICKLE_"):  # killed, or the interpreter itself gave up
            code, message = "PICKLE_MEMORY", "needs more memory than a checkpoint of its size should. Do not use it."
        raise InputError(code, f"{path.name} {message}")
