"""``cyclelens doctor``: what this machine has, and what is missing."""

from __future__ import annotations

import argparse
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import torch

from pca_core.cli import common
from pca_core.data.streets import BUILT_IN_NET, STREETS
from pca_core.device import name_processor

NEEDED = (
    "torch",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "streamlit",
    "plotly",
    "scikit-learn",
    "safetensors",
    "psutil",
    "tqdm",
    "filelock",
    "jinja2",
    "platformdirs",
    "pydantic",
)
OPTIONAL = {
    "numba": "the fused pass of association on the CPU",
    "pytest": "tests",
    "playwright": "browser tests",
    "faiss-cpu": "benchmarks",
    "hypothesis": "property tests",
    "ruff": "make lint",
}


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("doctor", help="show versions, device and memory, and what is missing", description=__doc__)
    common.add_json(parser)
    parser.set_defaults(run=run)


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome on this machine."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def has_nvidia_gpu() -> bool:
    """Whether this machine has a GPU of NVIDIA with its driver, whatever torch can do with it."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def explain_idle_gpu(has_gpu: bool, built_for: str | None, is_used: bool) -> str | None:
    """Why a GPU that is there is not used, and what to do; None where nothing is to be said.

    Args:
        has_gpu: Whether there is one, with a driver.
        built_for: The CUDA version that torch was built for, None for a build without.
        is_used: Whether torch reaches it.
    """
    if not has_gpu or is_used:
        return None
    torch_name = f"An NVIDIA GPU is here, but torch {torch.__version__}"
    if built_for is None:
        return (
            f"{torch_name} is built without CUDA. pip's own index has the build with CUDA under the same number: "
            "pip install --force-reinstall -r requirements.txt, without an index for CPU builds."
        )
    return (
        f"{torch_name} (for CUDA {built_for}) does not reach it: the driver is older than that CUDA, or the GPU is hidden "
        "(CUDA_VISIBLE_DEVICES, a container without --gpus all). Update the driver, or install torch for an older CUDA."
    )


def find_missing_files() -> list[str]:
    """What the app reads beside its code and does not find: a wheel or a copy that lacks it is broken."""
    return [str(place) for place in (STREETS / "classes.json", BUILT_IN_NET) if not place.is_file()]


def examine() -> dict:
    """Facts about this machine, ready for JSON; ``missing`` lists what the app cannot do without."""
    has_cuda = torch.cuda.is_available()
    memory = psutil.virtual_memory()
    needed = {package: _version(package) for package in NEEDED}
    return {
        "cyclelens": _version("cyclelens"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": needed,
        "optional": {package: _version(package) for package in OPTIONAL},
        "device": torch.cuda.get_device_name() if has_cuda else "cpu",
        "device_memory_gib": round(torch.cuda.mem_get_info()[1] / 2**30, 1) if has_cuda else None,
        "processor": name_processor(),
        "cores": psutil.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "memory_gib": round(memory.total / 2**30, 1),
        "memory_free_gib": round(memory.available / 2**30, 1),
        "chromium": find_chromium(),
        "torch_cuda": torch.version.cuda,
        "idle_gpu": explain_idle_gpu(has_nvidia_gpu(), torch.version.cuda, has_cuda),
        "missing": [package for package, found in needed.items() if found is None],
        "missing_files": find_missing_files(),
    }


def is_complete(facts: dict) -> bool:
    return not facts["missing"] and not facts["missing_files"]


def _describe(facts: dict) -> str:
    lines = [
        f"CycleLens {facts['cyclelens'] or '(run from the checkout)'}, Python {facts['python']}, {facts['platform']}",
        f"Device    {facts['device']}"
        + (f", {facts['device_memory_gib']} GiB" if facts["device_memory_gib"] else f", {facts['cores']} cores"),
        *([f"GPU       {facts['idle_gpu']}"] if facts["idle_gpu"] else []),
        f"Processor {facts['processor']}",
        f"Memory    {facts['memory_free_gib']} of {facts['memory_gib']} GiB free",
        f"Chromium  {facts['chromium'] or 'not found (only browser tests need it: install the package chromium)'}",
        "Packages  " + ", ".join(f"{name} {found or 'MISSING'}" for name, found in facts["packages"].items()),
    ]
    absent = [f"{name} ({OPTIONAL[name]})" for name, found in facts["optional"].items() if found is None]
    lines.append(f"Optional  {'all there' if not absent else 'not installed: ' + ', '.join(absent)}")
    if facts["missing"]:
        lines.append(f"Missing: {', '.join(facts['missing'])}. Run: pip install -r requirements.txt")
    if facts["missing_files"]:
        lines.append(f"Missing: {', '.join(facts['missing_files'])}. Install CycleLens again, or take a whole checkout.")
    if is_complete(facts):
        lines.append("All is well.")
    return "\n".join(lines)


def run(arguments: argparse.Namespace) -> int:
    facts = examine()
    common.emit(arguments.json, facts, _describe(facts))
    return 0 if is_complete(facts) else 1
