"""``cyclelens doctor``: what this machine has, and what is missing."""

from __future__ import annotations

import argparse
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version

import psutil
import torch

from pca_core.cli import common

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
        "cores": psutil.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "memory_gib": round(memory.total / 2**30, 1),
        "memory_free_gib": round(memory.available / 2**30, 1),
        "chromium": find_chromium(),
        "missing": [package for package, found in needed.items() if found is None],
    }


def _describe(facts: dict) -> str:
    lines = [
        f"CycleLens {facts['cyclelens'] or '(run from the checkout)'}, Python {facts['python']}, {facts['platform']}",
        f"Device    {facts['device']}"
        + (f", {facts['device_memory_gib']} GiB" if facts["device_memory_gib"] else f", {facts['cores']} cores"),
        f"Memory    {facts['memory_free_gib']} of {facts['memory_gib']} GiB free",
        f"Chromium  {facts['chromium'] or 'not found (only browser tests need it: install the package chromium)'}",
        "Packages  " + ", ".join(f"{name} {found or 'MISSING'}" for name, found in facts["packages"].items()),
    ]
    absent = [f"{name} ({OPTIONAL[name]})" for name, found in facts["optional"].items() if found is None]
    lines.append(f"Optional  {'all there' if not absent else 'not installed: ' + ', '.join(absent)}")
    missing = facts["missing"]
    lines.append("All is well." if not missing else f"Missing: {', '.join(missing)}. Run: pip install -r requirements.txt")
    return "\n".join(lines)


def run(arguments: argparse.Namespace) -> int:
    facts = examine()
    common.emit(arguments.json, facts, _describe(facts))
    return 1 if facts["missing"] else 0
