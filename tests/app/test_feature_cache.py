"""A server that is started again shows a pair that it knew without running the net."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.conftest import ROOT

SERVER = """
import json
passes = []
from pca_core.models.compact import CompactNet
CompactNet.forward, forward = lambda self, batch: passes.append(1) or forward(self, batch), CompactNet.forward
from app.state import cache, warming
warming.open_default_pair()
from app.state.defaults import BUILT_IN, read_defaults
from pca_core.association import AssociationConfig
told = read_defaults()
space = cache.get_checkpoint(told["net"]).label_space
sides = [cache.read_sample(told[side], side, cache.get_dataset(told[side], side).names[0], "error", space) for side in BUILT_IN]
pair = cache.get_pair(*sides, told["net"], AssociationConfig())
found = pair.analysis.association
print(json.dumps([len(passes), found.target_index.tolist(), found.similarity.tolist()]))
"""


def start_and_show(state, **environment: str):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SERVER],
        cwd=ROOT,
        env={**os.environ, "CYCLELENS_STATE": str(state), "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_a_known_pair_needs_no_net(tmp_path):
    first = start_and_show(tmp_path)
    assert first[0] == 2
    kept = sorted((tmp_path / "features").glob("*.safetensors"))
    assert len(kept) == 2
    again = start_and_show(tmp_path)
    assert again == [0, *first[1:]]
    kept[0].write_bytes(kept[0].read_bytes()[:-1])
    assert start_and_show(tmp_path) == [1, *first[1:]]


def test_nothing_is_kept_where_nothing_is_asked_for(tmp_path):
    assert start_and_show(tmp_path, CYCLELENS_FEATURE_GB="0")[0] == 2
    assert not (tmp_path / "features").exists()
