"""Promise 2: no uploaded model runs code. Files that would, under every name, through every way in."""

from __future__ import annotations

import ast
import io
import json
import pickle
import re
import shutil
import subprocess
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save

from pca_core import InputError, load_checkpoint
from pca_core.models import import_checkpoint
from pca_core.models.inspection import inspect_checkpoint
from tests.conftest import ROOT
from tests.unit.test_checkpoints import SPACE, refuse, rewrite, saved  # noqa: F401 (a fixture)


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self):
        return open, (self.marker, "w")


def _torch_file(evil: Evil, *, as_zip: bool) -> bytes:
    file = io.BytesIO()
    torch.save({"weights": {"a": torch.ones(1)}, "payload": evil}, file, _use_new_zipfile_serialization=as_zip)
    return file.getvalue()


def _zip(evil: Evil) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("net/data.pkl", pickle.dumps(evil))
    return file.getvalue()


def _numpy(evil: Evil) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([evil], object), allow_pickle=True)
    return file.getvalue()


MALICIOUS: dict[str, Callable[[Evil], bytes]] = {
    "torch zip": lambda evil: _torch_file(evil, as_zip=True),
    "torch legacy": lambda evil: _torch_file(evil, as_zip=False),
    **{f"pickle {number}": lambda evil, number=number: pickle.dumps(evil, number) for number in range(6)},
    "zip of a pickle": _zip,
    "numpy objects": _numpy,
    "pickle after weights": lambda evil: save({"a": torch.ones(2)}) + pickle.dumps(evil),
    "pickle as a weight": lambda evil: save({"a": torch.frombuffer(bytearray(pickle.dumps(evil)), dtype=torch.uint8)}),
    "pickle in the description": lambda evil: save({"a": torch.ones(2)}, {"cyclelens": pickle.dumps(evil, 0).decode("latin1")}),
}
WAYS: dict[str, Callable[[Path], object]] = {
    "load": load_checkpoint,
    "inspect": inspect_checkpoint,
    "import": lambda path: import_checkpoint(path, "compact", SPACE),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", MALICIOUS)
def test_no_file_named_safetensors_runs_code(tmp_path, kind, way):
    marker, path = tmp_path / "marker", tmp_path / "net.safetensors"
    path.write_bytes(MALICIOUS[kind](Evil(marker)))
    code = "none"
    try:
        WAYS[way](path)
    except InputError as error:
        code = error.code
    assert code.startswith("CHECKPOINT_") or way == "inspect"  # which tells what lies in any file of weights
    assert not marker.exists()


def test_the_fixtures_are_armed(tmp_path):
    """Opened as they are meant to be, in a child of their own, these files do make their marker."""
    marker, path = tmp_path / "marker", tmp_path / "evil.pkl"
    path.write_bytes(MALICIOUS["pickle 4"](Evil(marker)))
    code = f"import importlib; importlib.import_module('pickle').load(open({str(path)!r}, 'rb'))"
    subprocess.run([shutil.which("python3") or "python3", "-c", code], check=True, timeout=60)
    assert marker.exists()


def test_numbers_of_another_kind_are_refused_before_they_are_read(saved):  # noqa: F811
    tensors = load_file(saved)
    tensors["classifier.bias"] = tensors["classifier.bias"].to(torch.complex64)
    rewrite(saved, tensors)
    refuse(saved, "CHECKPOINT_DTYPE", "classifier.bias is C64")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensor, name: tensor.mul_(1e12) if tensor.ndim == 4 else None, "NaN or infinity"),
        (lambda tensor, name: tensor.fill_(-5.0) if name.endswith("running_var") else None, "NaN or infinity"),
    ],
    ids=["overflow", "negative variance"],
)
def test_a_net_that_answers_with_no_numbers_is_refused(saved, change, words):  # noqa: F811
    tensors = load_file(saved)
    for name, tensor in tensors.items():
        change(tensor, name)
    rewrite(saved, tensors)
    refuse(saved, "CHECKPOINT_PROBE", words)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"num_hidden_layers": 1_000_000}, "many more than the 0 tensors"),
        ({"num_hidden_layers": 1_000_000_000}, "no net is made of"),
        ({"hidden_size": float("inf")}, "no net is made of"),
        ({"neck_hidden_sizes": [10**5] * 10**4}, "no net is made of"),
    ],
)
def test_a_description_of_a_net_far_beyond_its_file_is_given_up(saved, sizes, words):  # noqa: F811
    """A kilobyte once built a million layers, a gigabyte of them, long after everybody had gone."""
    pytest.importorskip("transformers")
    small = {"model_type": "dpt", "hidden_size": 8, "num_attention_heads": 1, "intermediate_size": 1}
    description = {"architecture": "transformers:dpt", "options": {"config": {**small, **sizes}}}
    rewrite(saved, {}, description)
    tracemalloc.start()
    refuse(saved, "CHECKPOINT_DESCRIPTION", words)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 250 * 2**20  # the library itself included


def test_a_scale_that_no_machine_could_take_is_refused(saved):  # noqa: F811
    rewrite(saved, description={"short_side": 10**6})
    refuse(saved, "CHECKPOINT_DESCRIPTION", "4096")


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}},  # bytes do not fit the shape
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}},  # a hole before it
        {
            "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
            "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        },
        {"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 8]}},  # an overflow
        {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 8]}},
        {"a": {"dtype": "X99", "shape": [2], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}},  # four bytes are nobody's
    ],
)
def test_headers_that_lie_about_the_bytes(tmp_path, header):
    text, path = json.dumps(header).encode(), tmp_path / "lie.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
    refuse(path, "CHECKPOINT_BROKEN")


# --- one torch.load in all the repository

FORBIDDEN = {
    *(
        f"{module}.{name}"
        for module in ("pickle", "_pickle", "dill", "cloudpickle", "marshal", "joblib")
        for name in ("load", "loads")
    ),
    *(f"yaml.{name}" for name in ("load", "load_all", "unsafe_load", "full_load", "unsafe_load_all")),
    *(f"torch.{name}" for name in ("jit.load", "hub.load", "serialization.load", "package.PackageImporter")),
    "pickle.Unpickler",
    "shelve.open",
    "pandas.read_pickle",
}
SUSPICIOUS = re.compile(r"\bload|pickle|shelve|PackageImporter")  # in whatever of FORBIDDEN is written
FOLDERS = ("pca_core", "app", "scripts", "benchmarks", "tests")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def names_in(source: str) -> list[tuple[str, ast.AST]]:
    """Every dotted name that a file mentions, whatever it was imported as, with where."""
    tree = ast.parse(source)
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {
                alias.asname or alias.name.partition(".")[0]: alias.name if alias.asname else alias.name.partition(".")[0]
                for alias in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            head, dot, rest = ast.unparse(node).partition(".")
            if head in known:
                found.append((known[head] + dot + rest, node))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr" and len(node.args) > 1:
            found.append((f"{ast.unparse(node.args[0])}.{getattr(node.args[1], 'value', '?')}", node))
    return found


def test_one_torch_load_and_nothing_else_that_runs_what_it_reads(tell):
    loads = []
    for path, source in ((path, path.read_text(encoding="utf-8")) for path in SOURCES):
        for name, _ in names_in(source) if SUSPICIOUS.search(source) else ():
            assert name not in FORBIDDEN, f"{path} uses {name}"
            if name == "torch.load":
                loads.append(path.relative_to(ROOT).as_posix())
    assert loads == ["pca_core/models/unpickle.py"]
    tell(
        2,
        f"{len(loads)} torch.load in {len(SOURCES)} source files, {len(MALICIOUS)} malicious kinds × {len(WAYS)} ways in",
    )


def test_numpy_is_never_allowed_to_unpickle():
    for path, source in ((path, path.read_text(encoding="utf-8")) for path in SOURCES):
        for node in ast.walk(ast.parse(source)) if ".load" in source else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".load"):
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert given.get("allow_pickle", "False") == "False", path


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load(x)",
        "import torch as t\nf = t.load",
        "from torch import load\nload(x)",
        "from torch import load as l\nl(x)",
        "import torch\ngetattr(torch, 'load')(x)",
    ],
)
def test_a_torch_load_is_seen_under_any_name(source):
    assert "torch.load" in [name for name, _ in names_in(source)]
