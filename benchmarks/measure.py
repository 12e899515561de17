"""Measuring: medians of alternating runs, and the peak memory of one run in a process of its own."""

import ctypes
import gc
import multiprocessing
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import torch

Step = Callable[[], object]


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    what: str
    ours: str
    against: str = ""
    ratio: float | None = None
    wanted: float | None = None
    """The ratio must be at least this."""


def seconds(step: Step) -> float:
    """Return the time of one run, on the wall, or with ``TAGLENS_BENCH_CLOCK=processor`` the processor's.

    On one thread (``OMP_NUM_THREADS=1``) both are the same on an idle machine, and on a busy one the work of others does not count.
    """
    clock = time.process_time if os.environ.get("TAGLENS_BENCH_CLOCK") == "processor" else time.perf_counter
    start = clock()
    step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - start


def medians(steps: Mapping[str, Step], repeats: int = 5, *, warm: bool = True) -> dict[str, float]:
    """Return each step's median seconds of ``repeats`` runs, after one more if ``warm``.

    The steps take turns, so that a busy machine meets all of them alike.
    """
    for step in steps.values() if warm else ():
        step()
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            times[name].append(seconds(step))
    return {name: statistics.median(values) for name, values in times.items()}


class Cost(NamedTuple):
    """What one run takes."""

    seconds: float
    bytes: int
    """Resident memory that it adds at its peak; its inputs are not counted."""


def peak_bytes(prepare: Callable[..., Step], *arguments: object) -> int:
    """Return how much resident memory one run of ``prepare(*arguments)()`` adds at its peak, its inputs not counted."""
    return cost(prepare, *arguments).bytes


def cost(prepare: Callable[..., Step], *arguments: object) -> Cost:
    """Run ``prepare(*arguments)()`` once, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_peak, args=(theirs, torch.get_num_threads(), prepare, arguments))
    process.start()
    theirs.close()
    try:
        return Cost(*ours.recv())
    except EOFError:
        raise MemoryError(f"{prepare.__name__}{arguments} died, probably out of memory") from None
    finally:
        process.join()


def _peak(connection: Connection, threads: int, prepare: Callable[..., Step], arguments: tuple[object, ...]) -> None:
    torch.set_num_threads(threads)
    step = prepare(*arguments)
    (torch.randn(512, 512, requires_grad=True) @ torch.randn(512, 512)).sum().backward()  # libraries allocate at their first use
    _give_back()
    _forget_peak()
    before = _resident("VmRSS")
    taken = seconds(step)
    connection.send((taken, _resident("VmHWM") - before))


def _give_back() -> None:
    """Return freed memory to the system, or the run would use it unseen; only glibc keeps it."""
    gc.collect()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _forget_peak() -> None:
    """Set the kernel's record of this process's largest memory back to now."""
    Path("/proc/self/clear_refs").write_text("5")


def _resident(field: str) -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = next(line for line in status.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def in_milliseconds(value: float) -> str:
    """Return seconds as text."""
    return f"{value * 1e3:,.1f} ms" if value < 1 else f"{value:,.2f} s"


def in_megabytes(value: float) -> str:
    """Return bytes as text."""
    return f"{value / 1e6:,.0f} MB"


def compared(what: str, ours: float, theirs: float, text: Callable[[float], str], wanted: float | None) -> Line:
    """Return the line of two measurements of which less is better."""
    return Line(what, text(ours), text(theirs), theirs / ours, wanted)
