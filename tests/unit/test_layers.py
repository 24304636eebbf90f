"""Imports point down only, the core stands alone, and nothing that is loaded can run code."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

# What sweeps scores, whatever is asked of them.
SWEEPS = (
    *("similarity", "strips", "threads", "kernels", "fused", "fused_gradients", "precision", "gpu", "dispatch", "tiled"),
    "likelihood",
)
# From the bottom up. The first prefix that fits a module names its layer; a module may import its own layer and those below.
LAYERS = (
    ("types", "grids", "checks", "device", "memory", "storage", "limited", "children"),
    ("data", "models", *(f"association.{name}" for name in SWEEPS)),
    ("association", "metrics", "render", "preview"),
    ("losses", "inference", "feature_store"),
    ("analysis",),
    ("training", "adaptation", "comparison"),
    ("runs",),
    ("figures", "export"),
    ("many",),
    ("cli", "adaptation.__main__"),
)
CORE = sorted((ROOT / "pca_core").rglob("*.py"))
APP = sorted((ROOT / "app").rglob("*.py"))
USER_INTERFACE = {"streamlit", "plotly", "matplotlib", "app"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, wherever in the file: ``from a import b`` counts as ``a`` and ``a.b``."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def roots_of(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports_of(path)}


def layer_of(module: str) -> int:
    name = module.removeprefix("pca_core.")
    fitting = [
        (len(prefix), layer)
        for layer, prefixes in enumerate(LAYERS)
        for prefix in prefixes
        if name == prefix or name.startswith(prefix + ".")
    ]
    assert fitting, f"{module} has no layer: give it one in LAYERS"
    return max(fitting)[1]


MODULES = {module_name(path): path for path in CORE}


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"pca_core"}))
def test_core_modules_import_nothing_above_them(module):
    own = layer_of(module)
    used = {name for name in imports_of(MODULES[module]) if name in MODULES and name != "pca_core"}
    above = sorted(name for name in used if layer_of(name) > own)
    # "from pca_core.association.similarity import x" runs the package's __init__, but is meant for the one module.
    above = [name for name in above if not any(deeper.startswith(name + ".") for deeper in used)]
    assert not above, f"{module} must not import {', '.join(above)}"


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"pca_core"}))
def test_core_modules_import_from_where_a_thing_is_defined(module):
    """What ``pca_core`` gathers is for users: inside, it would close a circle."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level > 0]
    top = {name for name in imports_of(MODULES[module]) if name.startswith("pca_core.") and name.count(".") == 1}
    assert top <= set(MODULES)


def test_layers_tell_a_wrong_import():
    assert layer_of("pca_core.types") < layer_of("pca_core.association.tiled") < layer_of("pca_core.association.cycle")
    assert layer_of("pca_core.association") < layer_of("pca_core.losses") < layer_of("pca_core.training.trainer")
    assert layer_of("pca_core.cli.train") == len(LAYERS) - 1
    with pytest.raises(AssertionError, match="no layer"):
        layer_of("pca_core.typesetting")


@pytest.mark.parametrize("path", CORE, ids=module_name)
def test_the_core_knows_no_user_interface(path):
    allowed = {"matplotlib"} if "figures" in path.parts else set()
    assert not roots_of(path) & (USER_INTERFACE - allowed)


def uses_of(path: Path) -> set[str]:
    """Modules by name that something is taken from: ``x.y`` and ``from x import y`` count, a bare ``import x`` does not."""
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    names = [(node.value.id if isinstance(node, ast.Attribute) else node.module or "") for node in tree if is_use(node)]
    return {name.partition(".")[0] for name in names}


def is_use(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) or (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name))


@pytest.mark.parametrize("path", APP, ids=module_name)
def test_the_app_leaves_maths_to_the_core(path):
    used = roots_of(path)
    assert "scripts" not in used
    assert "tests" not in used
    assert not uses_of(path) & {"torch", "F"}  # it may be loaded early, but not computed with
    assert "cv2" not in used or "components" in path.parts
    if "views" in path.parts:
        assert not {name for name in imports_of(path) if name.startswith("app.main")}


def test_importing_the_core_is_light():
    heavy = "('streamlit', 'plotly', 'matplotlib', 'sklearn', 'pandas', 'torchvision', 'app')"
    code = f"import pca_core, pca_core.cli, pca_core.training, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


def calls_of(path: Path) -> set[str]:
    return {
        ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
    }


@pytest.mark.parametrize("path", [*CORE, *APP, *sorted((ROOT / "scripts").rglob("*.py"))], ids=module_name)
def test_nothing_that_is_read_can_run_code(path):
    calls = calls_of(path)
    assert "torch.load" not in calls or path.name == "unpickle.py"
    assert not calls & {"eval", "exec", "os.system", "yaml.load", "pickle.load", "pickle.loads", "joblib.load"}
    assert not roots_of(path) & {"pickle", "dill", "joblib", "shelve", "marshal"}
    source = path.read_text(encoding="utf-8")
    assert "allow_pickle=True" not in source
    assert "shell=True" not in source


def test_the_one_torch_load_takes_weights_only():
    path = ROOT / "pca_core/models/unpickle.py"
    loads = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"
    ]
    assert len(loads) == 1
    assert {keyword.arg: ast.unparse(keyword.value) for keyword in loads[0].keywords}["weights_only"] == "True"
