"""A server that is started again shows a pair that it knew without running the net."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.conftest import ROOT

SERVER = """
import json, os, sys
from pathlib import Path
import streamlit as st
from app.state import cache
from app.state.defaults import BUILT_IN, read_defaults
from pca_core.association import AssociationConfig
from pca_core.models.compact import CompactNet
passes = []
CompactNet.forward, forward = lambda self, batch: passes.append(1) or forward(self, batch), CompactNet.forward

def show():
    told = read_defaults()
    space = cache.get_checkpoint(told["net"]).label_space
    passes.clear()  # a net is tried once when it is loaded
    first = {side: cache.get_dataset(told[side], side).names[0] for side in BUILT_IN}
    sides = [cache.read_sample(told[side], side, first[side], "error", space) for side in BUILT_IN]
    found = cache.get_pair(*sides, told["net"], AssociationConfig(alpha=0.0)).analysis.association
    print(json.dumps([len(passes), found.target_index.tolist(), found.similarity.tolist()]), flush=True)
    st.cache_resource.clear()

folder = Path(os.environ["CYCLELENS_STATE"]) / "features"
show()
if "again" in sys.argv:
    damaged = sorted(folder.glob("*.safetensors"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    show()
    os.environ["CYCLELENS_FEATURE_GB"] = "0"
    for path in folder.glob("*.safetensors"):
        path.unlink()
    show()
print(json.dumps(len(list(folder.glob("*.safetensors")))))
"""


def start(state, *arguments: str) -> list:
    """What a server's process says of each time that it showed the pair, and of the files that it left."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SERVER, *arguments],
        cwd=ROOT,
        env={**os.environ, "CYCLELENS_STATE": str(state), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(("[", "0", "2"))]


def test_a_known_pair_needs_no_net(tmp_path):
    (passes, *association), files = start(tmp_path)
    assert (passes, files) == (2, 2)
    known, damaged, unkept, files = start(tmp_path, "again")
    assert known == [0, *association]
    assert damaged == [1, *association]
    assert unkept == [2, *association]
    assert files == 0
