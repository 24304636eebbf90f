"""A machine that starts no further process: one sentence, and everything works again once it does."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pca_core.checks import InputError
from pca_core.children import start_child
from tests.conftest import ROOT

# In a process of its own: no file can be opened any more, so that no pipe to a child can be.
SCRIPT = """
import os, resource, sys
import numpy as np
from pca_core.checks import InputError
from pca_core.data import encode_png
from pca_core.data.decoders import Decoders

decoders, most = Decoders(1), resource.getrlimit(resource.RLIMIT_NOFILE)[1]
file = encode_png(np.zeros((64, 64, 3), np.uint8))
resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))), most))
decoders.warm_up()
for _ in range(2):  # the second one finds the room of the first free
    try:
        decoders.decode({"what": "image", "name": "one"}, file)
    except InputError as error:
        print(error.code, error)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
decoders.warm_up()
print(len(decoders.pids), "child")
decoders.close()
"""


def test_a_refused_decoder_is_one_sentence_and_its_place_is_free_again():
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    *refused, last = done.stdout.splitlines()
    assert len(refused) == 2
    assert all(
        "CHILD_REFUSED The machine starts no further process" in line and "Too many open files" in line for line in refused
    )
    assert last == "1 child"


def test_a_child_that_starts_is_a_process():
    with start_child([sys.executable, "-c", "print(6 * 7)"], stdout=subprocess.PIPE) as child:
        assert child.communicate(timeout=30)[0] == b"42\n"


def test_a_program_that_is_not_there_is_one_sentence():
    with pytest.raises(InputError, match=r"starts no further process \(.*No such file"):
        start_child(["/nowhere/at/all"])
