"""Memory that runs out: the same answer from smaller tiles, a sentence when that does not help either."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from pca_core.checks import InputError
from pca_core.memory import MAX_HALVINGS, fit_tile, work_within_memory
from tests.conftest import ROOT

LIMITED = """
import json, resource, sys
import torch
from pca_core import AssociationConfig, FeaturePair, PairAnalysis
from pca_core.memory import is_out_of_memory, work_within_memory
torch.set_num_threads(1)
generator = torch.Generator().manual_seed(0)
source, target = (torch.randn(8, 64, 64, generator=generator, dtype=torch.float64) for _ in range(2))
pair = FeaturePair(source, target, torch.zeros(64, 64, dtype=torch.long))

def associate(rows):
    found = PairAnalysis(pair, AssociationConfig("feature", 0.0, tile_rows=rows)).association
    return found.target_index.tolist(), found.target_return_index.tolist()

expected = associate(256)
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[1]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    associate(4096)
    plain = "done"
except (RuntimeError, MemoryError) as error:
    plain = "memory" if is_out_of_memory(error) else repr(error)
try:
    tried = work_within_memory(lambda: associate(4096)) == expected
except Exception as error:
    tried = getattr(error, "code", repr(error))
print(json.dumps([plain, tried]))
"""


@pytest.mark.parametrize(("room_mb", "tried"), [(150, True), (12, "MEMORY_SHORT")])
def test_a_pair_that_does_not_fit_is_associated_in_smaller_tiles(room_mb, tried):
    """4,096 × 4,096 scores in double precision take 128 MB, and the sweep keeps two of them."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(room_mb)], capture_output=True, text=True, cwd=ROOT, timeout=120, check=True
    )
    assert json.loads(done.stdout) == ["memory", tried]


def test_each_try_halves_the_tile_and_the_next_work_is_whole_again():
    seen = []

    def work() -> None:
        seen.append(fit_tile(512))
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(InputError, match="Memory ran out") as error:
        work_within_memory(work)
    assert error.value.code == "MEMORY_SHORT"
    assert seen == [512 // 2**halvings for halvings in range(MAX_HALVINGS + 1)]
    assert fit_tile(512) == 512


def test_work_within_work_goes_on_from_its_tile():
    seen = []

    def inner() -> int:
        seen.append(fit_tile(64))
        if seen[-1] > 16:
            raise MemoryError
        return seen[-1]

    assert work_within_memory(lambda: work_within_memory(inner)) == 16
    assert fit_tile(1) == 1


def test_other_trouble_is_told_at_once():
    seen = []

    def work() -> None:
        seen.append(1)
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        work_within_memory(work)
    assert seen == [1]
