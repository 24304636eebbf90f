"""Plain threads that each work through a part of a matrix with single-threaded torch calls.

A product, the pass over it and the next product follow each other on one core, while the tile is still in its cache, and no
thread waits for another before the end. numba's own thread pool will not do: two sessions may not enter it at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache

import torch


def run_in_parts(work: Callable[[int, slice], object], length: int, least: int = 1) -> int:
    """Call ``work(part, rows)`` for contiguous parts of ``range(length)``, one a thread, and wait for all.

    The parts depend on nothing but the length and the number of threads, so that sums over parts are the same every time.

    Args:
        work: Must let go of the interpreter lock (torch does, numba with ``nogil``).
        length: Rows to share out.
        least: Rows below which a part is not worth a thread.

    Returns:
        Number of parts.

    Raises:
        Exception: The first that a part raised, once every part has ended: nothing of them holds memory any more.
    """
    threads = torch.get_num_threads()
    parts = max(1, min(threads, length // least))
    if parts == 1:  # so that a part may share out work of its own: it has one thread
        work(0, slice(0, length))
        return parts
    bounds = [part * length // parts for part in range(parts + 1)]
    is_inference, has_graph = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    def run(part: int) -> None:
        with torch.inference_mode(is_inference), torch.set_grad_enabled(has_graph):  # a thread of its own has modes of its own
            work(part, slice(*bounds[part : part + 2]))

    jobs = [_pool(threads).submit(run, part) for part in range(parts)]
    wait(jobs)
    for job in jobs:
        job.result()
    return parts


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads with one torch thread each. ``set_num_threads`` also says what threads to come begin with: put that back."""
    pool = ThreadPoolExecutor(threads, "association", initializer=_take_one_torch_thread)
    all_there = threading.Barrier(threads + 1)
    for _ in range(threads):
        pool.submit(all_there.wait)
    all_there.wait()
    torch.set_num_threads(threads)
    return pool


def _take_one_torch_thread() -> None:
    torch.get_num_threads()  # a new thread takes the number of the process at its first call: that one must come before ours
    torch.set_num_threads(1)
