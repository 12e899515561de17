"""Exact inference by the same code on a GPU and on this machine's processor: time, and how far probabilities lie apart."""

from collections.abc import Callable, Iterable

import torch

from benchmarks.learner_size import FEATURES, KNOWN, LABELS, PICTURES, drawn
from benchmarks.measure import Line, medians
from taglens.gaussian_process import find_mode, infer, leave_one_out, linear_kernel, rbf_kernel

_DUAL_LABELS = 24


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


def _compared(what: str, prepare: Callable[[str], Callable[[], torch.Tensor]]) -> Line:
    ours, theirs = prepare("cuda"), prepare("cpu")
    apart = float((ours().sigmoid().cpu() - theirs().sigmoid()).abs().max())
    times = medians({"cuda": ours, "cpu": theirs}, 3, warm=False)
    processor = f"{times['cpu']:.2f} s on {torch.get_num_threads()} threads, probabilities apart by at most {apart:.0e}"
    return Line(what, f"{times['cuda']:.2f} s", processor, times["cpu"] / times["cuda"])


def primal(device: str) -> Callable[[], torch.Tensor]:
    """Return the search for the mode of all classes, which gives the known cells' logits."""
    features, states = drawn(PICTURES, LABELS)
    states[torch.rand(states.shape, generator=torch.Generator().manual_seed(1)) >= KNOWN] = -1
    features, states, mean = features.to(device), states.to(device), torch.full(states.shape, -3.0, device=device)
    return lambda: find_mode(features, states, mean=mean).latent


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
