"""The attention score in blocks, recomputed in the backward pass: memory stays that of one block.

With t = tanh(u g), and ds the gradient of s:

    dw_h    = sum over b, l, p of ds t
    du_bph  = sum over l of ds w_h (1 - t^2) g_lh
    dg_lh   = sum over b, p of ds w_h (1 - t^2) u_bph

No (batch, label, position, hidden) tensor exists at any time: a block holds one picture's positions for some classes.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

_BLOCK_ELEMENTS = 1 << 18
"""Elements of one block: 1 MB in float32, which stays in a core's second-level cache."""


def attention_scores(
    features: Float[Tensor, "batch position hidden"],
    guide: Float[Tensor, "label hidden"],
    weight: Float[Tensor, " hidden"],
) -> Float[Tensor, "batch label position"]:
    """Return the same scores as :func:`taglens.decoupling.reference.attention_scores`."""
    result: Tensor = _BlockedScores.apply(features, guide, weight)
    return result


class _BlockedScores(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, features: Tensor, guide: Tensor, weight: Tensor) -> Tensor:
        context.save_for_backward(features, guide, weight)
        batch, positions, hidden = features.shape
        scores = features.new_empty(batch, len(guide), positions)
        for start, stop in _blocks(len(guide), positions * hidden):
            for picture in range(batch):
                block = torch.tanh_(guide[start:stop, None] * features[picture])
                torch.matmul(block, weight, out=scores[picture, start:stop])
        return scores

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features, guide, weight = context.saved_tensors
        gradient = gradients[0].contiguous()
        by_features, by_guide, by_weight = torch.zeros_like(features), torch.zeros_like(guide), torch.zeros_like(weight)
        for start, stop in _blocks(len(guide), features.shape[1] * features.shape[2]):
            part = guide[start:stop]
            for picture, own in enumerate(features):
                block = torch.tanh_(part[:, None] * own)
                outer = gradient[picture, start:stop]
                by_weight += outer.flatten() @ block.flatten(0, 1)
                # (1 - t^2) ds, still without w, which is common to both products
                slope = block.square_().neg_().add_(1).mul_(outer[..., None])
                by_features[picture] += torch.einsum("lph,lh->ph", slope, part)
                by_guide[start:stop] += torch.einsum("lph,ph->lh", slope, own)
        return by_features * weight, by_guide * weight, by_weight


def _blocks(labels: int, elements_each: int) -> list[tuple[int, int]]:
    step = max(1, _BLOCK_ELEMENTS // max(elements_each, 1))
    return [(start, min(start + step, labels)) for start in range(0, labels, step)]
