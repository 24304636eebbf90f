"""Children that open what nobody vouches for: ``python -I limited.py MEMORY MODULE [ARGUMENT …]`` calls ``MODULE.main``.

The limits are set before anything else is loaded, and the packages on the way to the module are named without being run: ours
would load all of torch. The standard library is enough here.
"""

from __future__ import annotations

import importlib
import math
import os
import resource
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")  # of the environment; the rest is none of the child's business


def make_command(module: str, memory: int, *arguments: object) -> list[str]:
    """The command of a child.

    Args:
        module: Dotted name of a module of ours with a ``main``.
        memory: Bytes of address space that it may take, libraries included.
        arguments: Of ``main``, as texts.
    """
    return [sys.executable, "-I", __file__, str(memory), module, *map(str, arguments)]


def make_environment() -> dict[str, str]:
    """Of a child: one thread a library, because each sets memory aside."""
    threads = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "MALLOC_ARENA_MAX")}
    return {name: os.environ[name] for name in KEPT if name in os.environ} | threads


def limit_memory(size: int) -> None:
    """Bytes of address space of this process; it leaves no core file either."""
    _lower(resource.RLIMIT_AS, size)
    _lower(resource.RLIMIT_CORE, 0)


def limit_seconds(seconds: int, *, is_final: bool = False) -> None:
    """CPU seconds of this process from now on, then it is killed.

    Args:
        seconds: At least so many.
        is_final: Whether the limit can never be raised again.
    """
    usage = resource.getrusage(resource.RUSAGE_SELF)
    allowed = math.ceil(usage.ru_utime + usage.ru_stime) + seconds
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    allowed = allowed if most == resource.RLIM_INFINITY else min(allowed, most)
    resource.setrlimit(resource.RLIMIT_CPU, (allowed, allowed if is_final else most))


def close_doors(files: int) -> None:
    """From now on no file can be written, and none opened beyond the first ``files``, sockets among them.

    What will be needed must be loaded by now.
    """
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_NOFILE, files)


def _lower(what: int, value: int) -> None:
    _, most = resource.getrlimit(what)
    value = value if most == resource.RLIM_INFINITY else min(value, most)
    resource.setrlimit(what, (value, value))


def _name_packages(module: str) -> None:
    parts = module.split(".")[:-1]
    for end in range(1, len(parts) + 1):
        package = ModuleType(".".join(parts[:end]))
        package.__path__ = [str(ROOT.joinpath(*parts[:end]))]
        sys.modules[package.__name__] = package


def main(memory: str, module: str, *arguments: str) -> int:
    limit_memory(int(memory))
    _name_packages(module)
    return importlib.import_module(module).main(*arguments)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
