"""Semantic decoupling on a GPU against SSGRL's published form, and the share of what the GPU's tanh units can do."""

import statistics
import subprocess
from collections.abc import Iterable

import torch

from benchmarks.measure import Line, Step, compared, in_megabytes, in_milliseconds
from benchmarks.references import ssgrl
from taglens.decoupling.kernels import score_kernel
from taglens.decoupling.layer import SemanticDecoupling

BATCH, POSITIONS, LABELS, CHANNELS, HIDDEN, GUIDE = 32, 196, 80, 1024, 512, 300
TANH_PER_CLOCK = 16
"""Results of the special function units of one multiprocessor in each clock (NVIDIA, compute capability 7 to 9)."""


def run() -> Iterable[Line]:
    """Yield time, memory and the share of the tanh rate's bound, in float32 and bfloat16."""
    if not torch.cuda.is_available():
        yield Line("decoupling on a GPU", "not measured: no GPU here")
        return
    for dtype in (torch.float32, torch.bfloat16):
        name = f"decoupling, {torch.cuda.get_device_name()}, {str(dtype).removeprefix('torch.')}, batch {BATCH}"
        times = _medians({"ours": ours(dtype), "theirs": theirs(dtype)})
        yield compared(f"{name}: time", times["ours"], times["theirs"], in_milliseconds, 30)
        yield compared(f"{name}: peak memory", _peak(ours(dtype)), _peak(theirs(dtype)), in_megabytes, 20)
        yield _share(f"{name}: the score's share of the tanh bound", dtype)


def _share(what: str, dtype: torch.dtype) -> Line:
    """Compare the score alone with two tanh per element, one forward and one recomputed backward, at the highest clock."""
    tensors = [
        torch.randn(shape, device="cuda", dtype=dtype, requires_grad=True)
        for shape in ((BATCH, POSITIONS, HIDDEN), (LABELS, HIDDEN), HIDDEN)
    ]
    outer = torch.randn(BATCH, LABELS, POSITIONS, device="cuda", dtype=dtype)
    kernel = score_kernel("fused", torch.device("cuda"))
    time = _medians({"score": lambda: torch.autograd.grad(kernel(*tensors), tensors, outer)})["score"]
    rate = torch.cuda.get_device_properties(0).multi_processor_count * TANH_PER_CLOCK * _highest_clock()
    bound = 2 * BATCH * POSITIONS * LABELS * HIDDEN / rate
    return Line(what, f"{in_milliseconds(time)}, bound {in_milliseconds(bound)}: {bound / time:.0%}")


def _highest_clock() -> float:
    """Return the multiprocessors' highest clock in Hz, as the driver states it."""
    command = ["nvidia-smi", "--query-gpu=clocks.max.sm", "--format=csv,noheader,nounits", "--id=0"]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) * 1e6


def ours(dtype: torch.dtype) -> Step:
    """Return one step of the folded form."""
    features, guide, outer = _inputs(dtype)
    layer = SemanticDecoupling.from_ssgrl(ssgrl.random_state(CHANNELS, GUIDE, HIDDEN, HIDDEN)).to("cuda", dtype)

    def step() -> None:
        layer.zero_grad()
        torch.autograd.backward(layer(features, guide).features, outer)

    return step


def theirs(dtype: torch.dtype) -> Step:
    """Return one step of the form that repeats tensors."""
    features, guide, outer = _inputs(dtype)
    state = ssgrl.random_state(CHANNELS, GUIDE, HIDDEN, HIDDEN)
    state = {name: value.to("cuda", dtype).requires_grad_() for name, value in state.items()}

    def step() -> None:
        for value in state.values():
            value.grad = None
        torch.autograd.backward(ssgrl.decouple(features, guide, state)[0], outer)

    return step


def _inputs(dtype: torch.dtype) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [
        torch.randn(shape, device="cuda", dtype=dtype)
        for shape in ((BATCH, POSITIONS, CHANNELS), (LABELS, GUIDE), (BATCH, LABELS, CHANNELS))
    ]


def _medians(steps: dict[str, Step], repeats: int = 20) -> dict[str, float]:
    """Return the median seconds by the GPU's own clock."""
    result = {}
    for name, step in steps.items():
        for _ in range(3):  # the first call compiles and tunes
            step()
        times = []
        for _ in range(repeats):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            step()
            end.record()
            torch.cuda.synchronize()
            times.append(start.elapsed_time(end) / 1e3)
        result[name] = statistics.median(times)
    return result


def _peak(step: Step) -> int:
    step()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    return int(torch.cuda.max_memory_allocated() - before)
