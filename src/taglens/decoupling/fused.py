"""The attention score as Triton kernels: nothing larger than a tile of registers holds tanh, forward or backward.

Every kernel has the same shape: a loop over one axis of (row, label, hidden), where a row is a position of a picture, and in each round
an outer product over the other two, all in registers. Sums run within a thread, so there are no atomic additions and results repeat:

    scores      loops over hidden    tile (label, row)
    du, dw      loops over labels    tile (row, hidden)
    dg          loops over rows      tile (label, hidden): the kernel of du with u and g exchanged

Three tanh per element in all, the least without atomics being two. The softmax over positions and the weighted sum stay PyTorch's: they
touch (batch, label, position) values only, 1/hidden of the work here.

Inputs may be float32, bfloat16 or float16; sums are float32. Half precision takes the GPU's own tanh, tanh.approx.f32, whose relative
error of 2^-11 is below that of the inputs (2^-9 in bfloat16); float32 takes 2 sigmoid(2x) - 1, absolute error at most 2.4e-7.

With TRITON_INTERPRET=1 set before the first import, Triton's interpreter runs the kernels on a CPU, slowly, for tests.
"""

import os
from typing import Any

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from taglens.errors import TagLensError
from taglens.shapes import Known

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"

_OWN = 32
"""Rows or labels of a backward tile; the partial sums of dw depend on it, so it is not tuned."""
_PROGRAMS = 1024
"""Wanted programs of a backward launch: some for each of about 130 processors; fewer are made up for by splitting the loop."""


def attention_scores(
    features: Float[Tensor, "batch position hidden"],
    guide: Float[Tensor, "label hidden"],
    weight: Float[Tensor, " hidden"],
    known: Known | None = None,
) -> Float[Tensor, "batch label position"]:
    """Return the same scores as :func:`taglens.decoupling.reference.attention_scores`, all of them.

    Raises:
        TagLensError: float64, or a device that Triton does not serve.
    """
    given = torch.promote_types(torch.promote_types(features.dtype, guide.dtype), weight.dtype)
    if given == torch.float64:
        raise TagLensError("the fused decoupling kernel takes float32, bfloat16 or float16, came float64; use the kernel 'blocked'")
    if features.device.type == "cpu" and not INTERPRETED:
        raise TagLensError("the fused decoupling kernel needs a GPU, the features are on the CPU; use the kernel 'auto' or 'blocked'")
    batch, positions, _ = features.shape
    scores: Tensor = _FusedScores.apply(features.flatten(0, 1), guide.contiguous(), weight.contiguous())
    return scores.view(len(guide), batch, positions).transpose(0, 1).contiguous().to(given)


class _FusedScores(torch.autograd.Function):
    """Scores (label, row) in float32 of rows (row, hidden)."""

    @staticmethod
    def forward(context: Any, rows: Tensor, guide: Tensor, weight: Tensor) -> Tensor:
        rows = rows.contiguous()
        context.save_for_backward(rows, guide, weight)
        scores = rows.new_empty(len(guide), len(rows), dtype=torch.float32)

        def grid(tile: dict[str, int]) -> tuple[int, int]:
            return triton.cdiv(len(rows), tile["ROW"]), triton.cdiv(len(guide), tile["LABEL"])

        # (hidden, row) and (hidden, label): each round of the loop then reads neighbours
        _scores[grid](rows.T.contiguous(), guide.T.contiguous(), weight, scores, len(rows), len(guide), rows.shape[1], _native_tanh(rows))
        return scores

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows, guide, weight = context.saved_tensors
        gradient = gradients[0].contiguous()
        by_rows, by_weight = _sum_over(guide, rows, gradient, weight, with_weight=True)
        by_guide, _ = _sum_over(rows, guide, gradient.T.contiguous(), weight, with_weight=False)
        return by_rows.to(rows.dtype), by_guide.to(guide.dtype), by_weight.to(weight.dtype)


def _sum_over(other: Tensor, own: Tensor, gradient: Tensor, weight: Tensor, *, with_weight: bool) -> tuple[Tensor, Tensor]:
    """Return the gradients of ``own`` (own, hidden) and of the weight, summed over ``other``, for ``gradient`` (other, own)."""
    hidden = own.shape[1]
    tiles = triton.cdiv(len(own), _OWN)
    splits = max(1, min(_PROGRAMS // (tiles * triton.cdiv(hidden, 64)), triton.cdiv(len(other), 32)))
    by_own = own.new_empty(splits, len(own), hidden, dtype=torch.float32)
    by_weight = own.new_empty(splits, tiles, hidden, dtype=torch.float32)

    def grid(tile: dict[str, int]) -> tuple[int, int, int]:
        return tiles, triton.cdiv(hidden, tile["CHANNEL"]), splits

    share = triton.cdiv(len(other), splits)
    _slopes[grid](
        own, other, gradient, weight, by_own, by_weight, len(own), len(other), hidden, share, _native_tanh(own), with_weight, OWN=_OWN
    )
    return by_own.sum(0), by_weight.sum((0, 1))


def _native_tanh(values: Tensor) -> bool:
    """Return whether the GPU's own tanh is exact enough; it is an instruction of NVIDIA's, unknown to the interpreter."""
    return values.dtype != torch.float32 and not INTERPRETED and torch.version.hip is None


def _configurations(*tiles: dict[str, int]) -> list[triton.Config]:
    """Return what to tune over; the interpreter has no clock, and takes the first."""
    tried = [triton.Config(tile, num_warps=warps) for tile in tiles for warps in (4, 8)]
    return tried[:1] if INTERPRETED else tried


@triton.jit
def _tanh(x: tl.tensor, native: tl.constexpr) -> tl.tensor:
    if native:
        return tl.inline_asm_elementwise("tanh.approx.f32 $0, $1;", "=f,f", [x], dtype=tl.float32, is_pure=True, pack=1)
    else:
        return 2 * tl.sigmoid(2 * x) - 1


@triton.autotune(_configurations({"ROW": 64, "LABEL": 32}, {"ROW": 64, "LABEL": 64}, {"ROW": 128, "LABEL": 16}), key=["hidden", "native"])
@triton.jit
def _scores(
    rows: tl.tensor,
    guide: tl.tensor,
    weight: tl.tensor,
    scores: tl.tensor,
    row_count: tl.tensor,
    label_count: tl.tensor,
    hidden: tl.tensor,
    native: tl.constexpr,
    ROW: tl.constexpr,
    LABEL: tl.constexpr,
) -> None:
    row = tl.program_id(0) * ROW + tl.arange(0, ROW)
    label = tl.program_id(1) * LABEL + tl.arange(0, LABEL)
    total = tl.zeros((LABEL, ROW), tl.float32)
    for channel in range(hidden):
        own = tl.load(rows + row, mask=row < row_count, other=0.0).to(tl.float32)
        theirs = tl.load(guide + label, mask=label < label_count, other=0.0).to(tl.float32)
        total += tl.load(weight + channel).to(tl.float32) * _tanh(theirs[:, None] * own[None, :], native)
        rows += row_count
        guide += label_count
    cell = label.to(tl.int64)[:, None] * row_count + row[None, :]
    tl.store(scores + cell, total, mask=(label < label_count)[:, None] & (row < row_count)[None, :])


@triton.autotune(_configurations({"CHANNEL": 64}, {"CHANNEL": 128}), key=["hidden", "native", "with_weight"])
@triton.jit
def _slopes(
    own: tl.tensor,
    other: tl.tensor,
    gradient: tl.tensor,
    weight: tl.tensor,
    by_own: tl.tensor,
    by_weight: tl.tensor,
    own_count: tl.tensor,
    other_count: tl.tensor,
    hidden: tl.tensor,
    share: tl.tensor,
    native: tl.constexpr,
    with_weight: tl.constexpr,
    OWN: tl.constexpr,
    CHANNEL: tl.constexpr,
) -> None:
    position = tl.program_id(0) * OWN + tl.arange(0, OWN)
    channel = tl.program_id(1) * CHANNEL + tl.arange(0, CHANNEL)
    split = tl.program_id(2).to(tl.int64)
    inside, real = position < own_count, channel < hidden
    tile = position.to(tl.int64)[:, None] * hidden + channel[None, :]
    mine = tl.load(own + tile, mask=inside[:, None] & real[None, :], other=0.0).to(tl.float32)
    total = tl.zeros((OWN, CHANNEL), tl.float32)
    total_weight = tl.zeros((OWN, CHANNEL), tl.float32)
    first = split * share
    for index in range(first, tl.minimum(first + share, other_count)):
        outer = tl.load(gradient + index * own_count + position, mask=inside, other=0.0)
        theirs = tl.load(other + index * hidden + channel, mask=real, other=0.0).to(tl.float32)
        curve = _tanh(mine * theirs[None, :], native)
        total += (outer[:, None] * theirs[None, :]) * (1 - curve * curve)
        if with_weight:
            total_weight += outer[:, None] * curve
    scale = tl.load(weight + channel, mask=real, other=0.0).to(tl.float32)
    tl.store(by_own + split * own_count * hidden + tile, total * scale[None, :], mask=inside[:, None] & real[None, :])
    if with_weight:
        part = (split * tl.num_programs(0) + tl.program_id(0)) * hidden + channel
        tl.store(by_weight + part, tl.sum(total_weight, axis=0), mask=real)
