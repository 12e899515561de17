"""Exact inference, and whole fits of the exact head, by the same code on a GPU and on this machine's processor.

Beside the times stands how far probabilities lie apart.
"""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from benchmarks.learner_size import FEATURES, KNOWN, LABELS, PICTURES, drawn
from benchmarks.measure import Line, medians
from taglens.gaussian_process import find_mode, infer, leave_one_out, linear_kernel, rbf_kernel
from taglens.labels.states import PartialLabels
from taglens.methods.exact import ExactHead
from taglens.shapes import Features
from taglens.training.exact.fit import fit_exact

_DUAL_LABELS = 24
_FITTED, _POSITIONS, _CHANNELS = 3_000, 49, 512
"""Of a whole fit."""


def run() -> Iterable[Line]:
    """Yield COCO's size in the primal form, and classes of 880 and 1,600 cells with leave-one-out in the dual form."""
    if not torch.cuda.is_available():
        yield Line("learner on a GPU", "not measured: no GPU here")
        return
    name = torch.cuda.get_device_name()
    yield _compared(f"learner, primal, {name}, {PICTURES:,} pictures, {LABELS} classes, {FEATURES:,} features", primal)
    for count in (880, 1_600):
        yield _compared(
            f"learner, dual, {name}, {_DUAL_LABELS} classes of {count:,} cells, leave-one-out", lambda device, n=count: dual(n, device)
        )

    for share in (0.1, 0.5, 0.9):
        what = (
            f"one exact fit, {name}, {_FITTED:,} pictures, {_DUAL_LABELS} classes, {_POSITIONS} x {_CHANNELS} features, {share:.0%} known"
        )
        yield _compared(what, lambda device, share=share: whole(share, device), 1)


def _compared(what: str, prepare: Callable[[str], Callable[[], torch.Tensor]], repeats: int = 3) -> Line:
    ours, theirs = prepare("cuda"), prepare("cpu")
    apart = float((ours().sigmoid().cpu() - theirs().sigmoid()).abs().max())
    times = medians({"cuda": ours, "cpu": theirs}, repeats, warm=False)
    processor = f"{times['cpu']:.2f} s on {torch.get_num_threads()} threads, probabilities apart by at most {apart:.0e}"
    return Line(what, f"{times['cuda']:.2f} s", processor, times["cpu"] / times["cuda"])


def primal(device: str) -> Callable[[], torch.Tensor]:
    """Return the search for the mode of all classes, which gives the known cells' logits."""
    features, states = drawn(PICTURES, LABELS)
    states[torch.rand(states.shape, generator=torch.Generator().manual_seed(1)) >= KNOWN] = -1
    features, states, mean = features.to(device), states.to(device), torch.full(states.shape, -3.0, device=device)
    return lambda: find_mode(features, states, mean=mean).latent


class _Drawn:
    """Maps in which a present class has its thing at one position, and their means."""

    views = 1

    def __init__(self, truth: torch.Tensor, things: torch.Tensor) -> None:
        random = torch.Generator().manual_seed(1)
        scale = torch.arange(1, _CHANNELS + 1) ** -0.5  # a spectrum that falls as pictures' does
        self._maps = torch.randn(len(truth), _POSITIONS, _CHANNELS, generator=random) * scale / scale.square().sum().sqrt() * 20
        where = torch.randint(_POSITIONS, truth.shape, generator=random)
        for label, thing in enumerate(things):
            present = truth[:, label].nonzero()[:, 0]
            self._maps[present, where[present, label]] += 8 * thing

    def __len__(self) -> int:
        return len(self._maps)

    def gather(self, index: NDArray[np.int64], views: NDArray[np.int64] | int = 0) -> Features:
        chosen = self._maps[torch.from_numpy(index)]
        return Features(chosen, chosen.mean(1))


def whole(share: float, device: str) -> Callable[[], torch.Tensor]:
    """Return a fit with all choices from features in memory, which gives the probabilities of the training pictures."""
    random = torch.Generator().manual_seed(0)
    things = functional.normalize(torch.randn(_DUAL_LABELS, _CHANNELS, generator=random), dim=-1)
    truth = torch.rand(_FITTED, _DUAL_LABELS, generator=random) < 0.08
    kept = torch.rand(truth.shape, generator=random) < share
    labels = PartialLabels(torch.where(kept, truth.to(torch.int8), -1).numpy())
    rows = _Drawn(truth, things)
    text = functional.normalize(things + 0.05 * torch.randn(things.shape, generator=random), dim=-1)
    head = ExactHead(text, sharpness=20.0, decoupling=True, reattention=True, rbf=True).to(device)

    def work() -> torch.Tensor:
        found = torch.from_numpy(fit_exact(head, rows, labels).probabilities)
        return torch.logit(found, eps=1e-6).to(device)

    return work


def dual(count: int, device: str) -> Callable[[], torch.Tensor]:
    """Return inference and leave-one-out logits, four classes at a time."""
    features, states = drawn(count, _DUAL_LABELS)
    features = features.to(device)
    kernel = 1 + linear_kernel(features, features) + 4 * rbf_kernel(features, features, 1.2)
    groups = states.to(device).T.contiguous().split(4)

    def work() -> torch.Tensor:
        found = []
        for group in groups:
            mean = torch.full(group.shape, -3.0, device=device)
            found.append(leave_one_out(infer(kernel.expand(len(group), -1, -1), mean, group, check_kernel=False)).mean)
        return torch.cat(found)

    return work
