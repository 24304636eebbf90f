"""Threads that share out rows: every row once, errors come back, and torch's own number of threads stays what it was."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from pca_core import AssociationConfig, associate
from pca_core.association.threads import run_in_parts
from tests.conftest import torch_threads


@pytest.mark.parametrize(("length", "least"), [(0, 1), (1, 1), (2, 1), (7, 1), (100, 33), (5, 10)])
def test_every_row_is_given_once_and_in_order(length, least):
    given = {}
    parts = run_in_parts(lambda part, rows: given.__setitem__(part, list(range(length))[rows]), length, least)
    assert sorted(given) == list(range(parts))
    assert [row for part in range(parts) for row in given[part]] == list(range(length))
    assert parts == 1 or min(map(len, given.values())) >= least


def test_an_error_in_a_part_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        run_in_parts(lambda part, rows: 1 // (1 - part), 100) if torch.get_num_threads() > 1 else 1 // 0


def test_torch_keeps_its_threads_here_and_in_threads_to_come():
    before, seen = torch.get_num_threads(), []
    run_in_parts(lambda part, rows: seen.append(torch.get_num_threads()), 100)
    assert set(seen) == {1}
    late = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    late.start()
    late.join()
    assert (seen[-1], torch.get_num_threads()) == (before, before)


@pytest.fixture
def two_threads():
    with torch_threads(2):
        yield


@pytest.mark.usefixtures("two_threads")
def test_an_error_is_told_once_every_part_has_ended():
    """What the others still held would be missing where the work is tried again with less."""
    others = []

    def work(part, rows):
        if part == 0:
            raise MemoryError
        time.sleep(0.3)
        others.append(part)

    with pytest.raises(MemoryError):
        run_in_parts(work, 100)
    assert others == [1]


def test_threads_compute_in_the_modes_of_their_caller():
    seen = []

    def look(part, rows):
        seen.append((torch.is_inference_mode_enabled(), torch.is_grad_enabled()))

    run_in_parts(look, 100)
    with torch.no_grad():
        run_in_parts(look, 100)
    with torch.inference_mode():
        run_in_parts(look, 100)
    parts = len(seen) // 3
    assert seen == [(False, True)] * parts + [(False, False)] * parts + [(True, False)] * parts


def test_two_sessions_at_once_get_what_one_gets():
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(2, 16, 40, 60, generator=generator) for _ in range(4)]
    labels = torch.randint(0, 5, (40, 60), generator=generator)

    def find(index):
        return associate(*maps[index], labels, AssociationConfig(alpha=0.0))

    alone, together = [find(index) for index in range(4)], [None] * 4
    sessions = [threading.Thread(target=lambda i=index: together.__setitem__(i, find(i))) for index in range(4)]
    for session in sessions:
        session.start()
    for session in sessions:
        session.join()
    for one, other in zip(alone, together, strict=True):
        for name in ("target_index", "return_index", "forward_prob", "backward_prob", "margin"):
            assert torch.equal(getattr(one, name), getattr(other, name))
