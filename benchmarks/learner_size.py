"""Exact learning at COCO's size in the primal form, and of few cells in the dual form, on drawn features."""

from collections.abc import Iterable

import torch

from benchmarks.measure import Cost, Line, Step, cost, in_megabytes
from taglens.gaussian_process import CheckedShares, find_mode, infer, leave_one_out, linear_kernel, rbf_kernel

PICTURES, LABELS, FEATURES, KNOWN = 82_081, 80, 1_024, 0.1
MOST_SECONDS, MOST_BYTES = 120.0, 4e9


def run() -> Iterable[Line]:
    """Yield COCO's size, with the known cells at random and with all cells counting, and dual fits of 24 classes."""
    what = f"learner, primal, {PICTURES:,} pictures, {LABELS} classes, {FEATURES:,} features, {KNOWN:.0%} known"
    yield from _targets(what, cost(primal, None))
    yield from _targets(f"{what}, checked by value (every cell counts)", cost(primal, CheckedShares(0.3, 0.08)))
    for count in (177, 880, 1_600):
        found = cost(dual, count)
        yield Line(
            f"learner, dual, 24 classes of {count:,} cells, with leave-one-out", f"{found.seconds:.2f} s, {in_megabytes(found.bytes)}"
        )


def _targets(what: str, found: Cost) -> Iterable[Line]:
    yield Line(f"{what}: time", f"{found.seconds:.1f} s", f"{MOST_SECONDS:.0f} s", MOST_SECONDS / found.seconds, 1)
    yield Line(f"{what}: memory", in_megabytes(found.bytes), in_megabytes(int(MOST_BYTES)), MOST_BYTES / max(found.bytes, 1), 1)


def drawn(count: int, labels: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features with a spectrum that falls as pictures' does, and complete states."""
    random = torch.Generator().manual_seed(0)
    scale = torch.arange(1, FEATURES + 1) ** -0.5
    features = torch.randn(count, FEATURES, generator=random).mul_(2 * scale / scale.square().sum().sqrt())
    logits = 2 * features @ torch.randn(FEATURES, labels, generator=random) - 3 + torch.randn(labels, generator=random)
    return features, (torch.rand(count, labels, generator=random) < logits.sigmoid()).to(torch.int8)


def primal(shares: CheckedShares | None) -> Step:
    """Return the search for the mode of all classes."""
    features, states = drawn(PICTURES, LABELS)
    chance = KNOWN if shares is None else torch.where(states == 1, shares.present, shares.absent)
    states[torch.rand(states.shape, generator=torch.Generator().manual_seed(1)) >= chance] = -1
    mean = torch.full(states.shape, -3.0)
    return lambda: find_mode(features, states, mean=mean, shares=shares)


def dual(count: int) -> Step:
    """Return inference and leave-one-out for 24 classes with one kernel, four at a time."""
    features, states = drawn(count, 24)
    kernel = 1 + linear_kernel(features, features) + 4 * rbf_kernel(features, features, 1.2)
    groups = states.T.contiguous().split(4)

    def work() -> None:
        for group in groups:
            leave_one_out(infer(kernel.expand(len(group), -1, -1), torch.full(group.shape, -3.0), group, check_kernel=False))

    return work
