"""Many small operations on all cores, without a barrier after each.

PyTorch spreads one operation over its threads and waits for the last. A thousand short operations mean a thousand such barriers, and with
other processes on the cores (workers that decode pictures, say) each costs a turn of the scheduler: measured 40 times slower than one
core alone. Here every thread runs its own share of the rows from start to end instead.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

Result = TypeVar("Result")


def in_shares(work: Callable[[int, int], Result], count: int, device: torch.device) -> list[Result]:
    """Return ``work(start, stop)`` of equal shares of ``range(count)``, one for each of PyTorch's threads; on a GPU of a single share."""
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1:
        return [work(0, count)]
    inference = torch.is_inference_mode_enabled()

    def run(start: int) -> Result:
        # the modes belong to a thread
        with torch.inference_mode(inference), torch.no_grad():
            return work(start, min(start + step, count))

    step = max(1, -(-count // threads))
    return list(_pool(threads, os.getpid()).map(run, range(0, count, step)))


@cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Return threads that run PyTorch's operations on one core each; a forked process needs its own."""
    pool = ThreadPoolExecutor(threads, "taglens-decoupling", initializer=torch.set_num_threads, initargs=(1,))
    list(pool.map(lambda _: None, range(threads)))
    torch.set_num_threads(threads)  # the initialisers also set it for threads to come
    return pool
