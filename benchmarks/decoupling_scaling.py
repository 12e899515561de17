"""Time and peak memory of the decoupling, forward and backward, over classes and over positions."""

import statistics
from collections.abc import Iterable

import torch

from benchmarks.measure import Line, Step, in_megabytes, in_milliseconds, peak_bytes, seconds
from taglens.decoupling.layer import SemanticDecoupling

BATCH, CHANNELS, HIDDEN = 8, 512, 512


def run() -> Iterable[Line]:
    """Yield one line per size: 196 positions for all numbers of classes, 80 classes for all numbers of positions."""
    for labels, positions in [(20, 196), (80, 196), (200, 196), (1000, 196), (9600, 196), (80, 49), (80, 784)]:
        work = step(labels, positions)
        time = statistics.median(seconds(work) for _ in range(5 if labels < 1000 else 1))
        each = time / (BATCH * labels * positions * HIDDEN)
        memory = in_megabytes(peak_bytes(step, labels, positions))
        yield Line(
            f"decoupling, batch {BATCH}, {labels:,} classes, {positions} positions, D {HIDDEN}, forward + backward",
            f"{in_milliseconds(time)}, {each * 1e9:.2f} ns per tanh, {memory}",
        )


def step(labels: int, positions: int) -> Step:
    """Return one step."""
    torch.manual_seed(0)
    features, guide = torch.randn(BATCH, positions, CHANNELS), torch.randn(labels, CHANNELS)
    layer = SemanticDecoupling(CHANNELS, CHANNELS, hidden=HIDDEN, residual="random")
    outer = torch.randn(BATCH, labels, CHANNELS)

    def work() -> None:
        layer.zero_grad()
        torch.autograd.backward(layer(features, guide).features, outer)

    return work
