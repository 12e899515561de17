"""One training step in DualCoOp's form: two prompts per class through all 77 tokens, attention pooling computed, weight gradients kept.

    S_p(+-) = 20 cos(f_p, t(+-));  a = softmax over p of S(+);  logit(+-) = 5 sum over p of a_p S_p(+-);  p = softmax(-, +)
    L = asymmetric loss, gamma- 2, gamma+ 1, clip 0.05, over known labels

Source: Sun et al., "DualCoOp", NeurIPS 2022, equations 1 to 6. The image tower is frozen, without gradients.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

CONTEXT = 16


class DualCoOpStep(nn.Module):
    """Prompts of two signs for each class, over a CLIP ResNet of open_clip."""

    def __init__(self, clip: Any, ids: Tensor) -> None:
        """Take the model and the token ids (label, 77) of "X X .. X name." with CONTEXT placeholders."""
        super().__init__()
        self.clip, self.ids = clip, ids
        clip.visual.requires_grad_(False)
        self.context = nn.Parameter(torch.randn(2, len(ids), CONTEXT, clip.token_embedding.embedding_dim) * 0.02)

    def loss(self, pictures: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of pictures (batch, 3, side, side) with targets (batch, label), 1 / 0 / -1 for unknown."""
        dense = functional.normalize(self._dense(pictures), dim=-1)
        negative, positive = functional.normalize(self._texts(), dim=-1).chunk(2)
        scores = [20 * torch.einsum("bpn,ln->blp", dense, text) for text in (negative, positive)]
        attention = scores[1].softmax(-1)
        pair = torch.stack([5 * (attention * score).sum(-1) for score in scores])
        return _asymmetric(pair.softmax(0)[1], targets)

    @torch.no_grad()
    def _dense(self, pictures: Tensor) -> Tensor:
        """Return the value and output projections of all positions, and throw the pooled token away."""
        visual = self.clip.visual
        trunk = visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(pictures)))))
        pool = visual.attnpool
        tokens = trunk.flatten(2).permute(2, 0, 1)
        tokens = torch.cat([tokens.mean(0, keepdim=True), tokens])
        positions = _resized(pool.positional_embedding, trunk.shape[2], trunk.shape[3])
        tokens = tokens + positions[:, None]
        functional.multi_head_attention_forward(
            tokens,
            tokens,
            tokens,
            tokens.shape[-1],
            pool.num_heads,
            None,
            torch.cat([pool.q_proj.bias, pool.k_proj.bias, pool.v_proj.bias]),
            None,
            None,
            False,
            0.0,
            pool.c_proj.weight,
            pool.c_proj.bias,
            use_separate_proj_weight=True,
            q_proj_weight=pool.q_proj.weight,
            k_proj_weight=pool.k_proj.weight,
            v_proj_weight=pool.v_proj.weight,
            need_weights=False,
        )
        return pool.c_proj(pool.v_proj(tokens)).transpose(0, 1)

    def _texts(self) -> Tensor:
        clip, ids = self.clip, self.ids
        with torch.no_grad():
            words = clip.token_embedding(ids)
        prompts = torch.cat([torch.cat([words[:, :1], context, words[:, 1 + CONTEXT :]], dim=1) for context in self.context])
        tokens = clip.ln_final(clip.transformer(prompts + clip.positional_embedding, attn_mask=clip.attn_mask))
        end = ids.argmax(-1).repeat(2)
        return tokens[torch.arange(len(tokens)), end] @ clip.text_projection


def _resized(positions: Tensor, rows: int, columns: int) -> Tensor:
    side = round((len(positions) - 1) ** 0.5)
    grid = positions[1:].T.reshape(1, -1, side, side)
    grid = functional.interpolate(grid, (rows, columns), mode="bilinear", align_corners=False)
    return torch.cat([positions[:1], grid.flatten(2)[0].T])


def _asymmetric(probability: Tensor, targets: Tensor) -> Tensor:
    shifted = (1 - probability + 0.05).clamp(max=1)
    positive = -(1 - probability).detach() * probability.clamp(min=1e-8).log()
    negative = -((1 - shifted).detach() ** 2) * shifted.clamp(min=1e-8).log()
    return torch.where(targets == 1, positive, torch.where(targets == 0, negative, 0.0)).sum()
