"""The attention score in blocks, recomputed in the backward pass: memory stays that of one block.

With t = tanh(u g), and ds the gradient of s:

    dw_h    = sum over b, l, p of ds t
    du_bph  = sum over l of ds w_h (1 - t^2) g_lh
    dg_lh   = sum over b, p of ds w_h (1 - t^2) u_bph

A score that is not known is left at 0, and one without gradient adds nothing: unknown labels, most of them in partial data, cost little.

No (batch, label, position, hidden) tensor exists at any time: a block is one class against some rows (picture and position) of u, and
every step works on it in place. The block holds t / 2 = sigmoid(2 u g) - 1/2, because PyTorch's sigmoid is eight times as fast as
its tanh on a CPU; the absolute error of t is at most 2.4e-7 in float32 (tests/parity/test_decoupling.py).

PyTorch spreads one operation over its threads and waits for the last. A thousand short operations mean a thousand such barriers, and with
other processes on the cores (workers that decode pictures, say) each costs a turn of the scheduler: measured 40 times slower than one
core alone. Here every thread runs its own share of the rows from start to end instead.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from taglens.shapes import Known

Result = TypeVar("Result")

_BLOCK_ELEMENTS = {"cpu": 1 << 19, "cuda": 1 << 24}
"""Elements of one block: 2 MB in float32 stays in a core's caches and outweighs the calls; a GPU needs more work for each launch."""
_FEW = 0.5
"""Up to this share of scores that count (or have a gradient) the rows of each class are picked out; above it picking costs too much."""


def attention_scores(
    features: Float[Tensor, "batch position hidden"],
    guide: Float[Tensor, "label hidden"],
    weight: Float[Tensor, " hidden"],
    known: Known | None = None,
) -> Float[Tensor, "batch label position"]:
    """Return the same scores as :func:`taglens.decoupling.reference.attention_scores`; half precision is computed in float32.

    Where a label is not ``known`` the score may be 0 instead.
    """
    given = torch.promote_types(torch.promote_types(features.dtype, guide.dtype), weight.dtype)
    used = torch.promote_types(given, torch.float32)
    batch, positions, _ = features.shape
    counts = None
    if known is not None and known.count_nonzero() <= _FEW * known.numel():
        counts = known.T.repeat_interleave(positions, dim=1)
    scores: Tensor = _BlockedScores.apply(features.flatten(0, 1).to(used), guide.to(used), weight.to(used), counts)
    return scores.view(len(guide), batch, positions).transpose(0, 1).contiguous().to(given)


class _BlockedScores(torch.autograd.Function):
    """Scores (label, row) of rows (row, hidden)."""

    @staticmethod
    def forward(context: Any, rows: Tensor, guide: Tensor, weight: Tensor, counts: Tensor | None) -> Tensor:
        context.save_for_backward(rows, guide, weight)
        scores = rows.new_zeros(len(guide), len(rows))

        def work(start: int, stop: int) -> None:
            part = rows[start:stop], guide, weight, scores[:, start:stop]
            _score(*part) if counts is None else _score_few(*part, counts[:, start:stop])

        _in_shares(work, len(rows), rows.device)
        return scores

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        rows, guide, weight = context.saved_tensors
        gradient, by_rows = gradients[0].contiguous(), torch.zeros_like(rows)
        shares = _in_shares(
            lambda start, stop: _slope(rows[start:stop], guide, gradient[:, start:stop], by_rows[start:stop]), len(rows), rows.device
        )
        by_guide, by_weight = (torch.stack(parts).sum(0) for parts in zip(*shares, strict=True))
        return by_rows.mul_(4 * weight), by_guide.mul_(4 * weight), by_weight.sum(0).mul_(2), None


def _score(rows: Tensor, guide: Tensor, weight: Tensor, scores: Tensor) -> None:
    """Fill scores (label, row)."""
    doubled = 2 * weight
    for start, stop, block in _blocks(rows):
        for label, own in enumerate(guide):
            _half_tanh(rows[start:stop], own, block)
            torch.mv(block, doubled, out=scores[label, start:stop])


def _score_few(rows: Tensor, guide: Tensor, weight: Tensor, scores: Tensor, counts: Tensor) -> None:
    """Fill scores (label, row) where they count."""
    doubled, memory = 2 * weight, _memory(rows)
    for label, own in enumerate(guide):
        for chosen in torch.split(counts[label].nonzero()[:, 0], len(memory)):
            block = torch.index_select(rows, 0, chosen, out=memory[: len(chosen)])
            _half_tanh(block, own, block)
            scores[label, chosen] = torch.mv(block, doubled)


def _slope(rows: Tensor, guide: Tensor, gradient: Tensor, by_rows: Tensor) -> tuple[Tensor, Tensor]:
    """Fill by_rows = du / (4 w) and return dg / (4 w) and dw / 2, both (label, hidden), of these rows."""
    # dw per class first: one long float32 sum would lose two digits
    by_guide, by_weight = torch.zeros_like(guide), torch.zeros_like(guide)
    if gradient.count_nonzero() > _FEW * gradient.numel():
        _add_slope(rows, guide, gradient, by_rows, by_guide, by_weight)
        return by_guide, by_weight
    for label in range(len(guide)):
        own = slice(label, label + 1)
        chosen = gradient[label].nonzero()[:, 0]
        part = rows[chosen]
        by_part = torch.zeros_like(part)
        _add_slope(part, guide[own], gradient[own, chosen], by_part, by_guide[own], by_weight[own])
        by_rows.index_add_(0, chosen, by_part)
    return by_guide, by_weight


def _add_slope(rows: Tensor, guide: Tensor, gradient: Tensor, by_rows: Tensor, by_guide: Tensor, by_weight: Tensor) -> None:
    quarter = rows.new_tensor(0.25)
    for start, stop, block in _blocks(rows):
        part, by_part = rows[start:stop], by_rows[start:stop]
        for label, own in enumerate(guide):
            outer = gradient[label, start:stop]
            _half_tanh(part, own, block)
            by_weight[label].addmv_(block.T, outer)
            # ds (1 - t^2) / 4
            torch.addcmul(quarter, block, block, value=-1, out=block).mul_(outer[:, None])
            by_part.addcmul_(block, own)
            by_guide[label] += block.mul_(part).sum(0)


def _half_tanh(rows: Tensor, own: Tensor, block: Tensor) -> None:
    torch.mul(rows, 2 * own, out=block).sigmoid_().sub_(0.5)


def _blocks(rows: Tensor) -> Iterator[tuple[int, int, Tensor]]:
    """Yield the first row, the last row + 1 and memory (row, hidden) to work in, which is the same for all blocks."""
    memory = _memory(rows)
    for start in range(0, len(rows), len(memory)):
        stop = min(start + len(memory), len(rows))
        yield start, stop, memory[: stop - start]


def _memory(rows: Tensor) -> Tensor:
    """Return memory (row, hidden) for a block, of at least one row."""
    count, hidden = rows.shape
    most = _BLOCK_ELEMENTS.get(rows.device.type, 1 << 20) // max(hidden, 1)
    return rows.new_empty(max(1, min(most, count)), hidden)


def _in_shares(work: Callable[[int, int], Result], count: int, device: torch.device) -> list[Result]:
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
