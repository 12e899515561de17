"""Semantic decoupling, forward and backward, against SSGRL's published form with the same weights: CPU, float32."""

from collections.abc import Iterable

import torch

from benchmarks.measure import Line, Step, compared, in_megabytes, in_milliseconds, medians, peak_bytes
from benchmarks.references import ssgrl
from taglens.decoupling.layer import SemanticDecoupling

BATCH, POSITIONS, LABELS, HIDDEN, GUIDE = 4, 196, 80, 512, 300


def run() -> Iterable[Line]:
    """Yield time and memory for a CLIP map (1,024 channels) and a ResNet map (2,048 channels)."""
    for channels in (1024, 2048):
        forms = {"ours": ours(channels), "theirs": theirs(channels)}
        times = medians(forms)
        what = f"decoupling, batch {BATCH}, {POSITIONS} positions, {LABELS} classes, D {HIDDEN}, N {channels}, forward + backward"
        yield compared(f"{what}: time", times["ours"], times["theirs"], in_milliseconds, 12)
        yield compared(f"{what}: peak memory", peak_bytes(ours, channels), peak_bytes(theirs, channels), in_megabytes, 8)


def ours(channels: int) -> Step:
    """Return one step of the folded form."""
    features, guide, outer = _inputs(channels)
    layer = SemanticDecoupling.from_ssgrl(ssgrl.random_state(channels, GUIDE, HIDDEN, HIDDEN))

    def step() -> None:
        layer.zero_grad()
        torch.autograd.backward(layer(features, guide).features, outer)

    return step


def theirs(channels: int) -> Step:
    """Return one step of the form that repeats tensors."""
    features, guide, outer = _inputs(channels)
    state = {name: value.requires_grad_() for name, value in ssgrl.random_state(channels, GUIDE, HIDDEN, HIDDEN).items()}

    def step() -> None:
        for value in state.values():
            value.grad = None
        torch.autograd.backward(ssgrl.decouple(features, guide, state)[0], outer)

    return step


def _inputs(channels: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(BATCH, POSITIONS, channels), torch.randn(LABELS, GUIDE), torch.randn(BATCH, LABELS, channels)
