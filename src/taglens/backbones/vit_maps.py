"""Dense maps of a CLIP ViT that are read inside its last block.

Only the class token was trained to meet the texts: what the last block gathers for the other tokens need not say what is at their
place, and the norm of what they carried so far drowns what it adds. Both maps here let each patch answer for itself, or for
patches like it. They are computed for the patches only, from the tokens before the last block; the tower's own pooled vector
needs the whole block and is none of their business.
"""

import math
from typing import Any, get_args

from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
from torch import Tensor, nn
from torch.nn import functional

from taglens.backbones.choices import MapChoice
from taglens.errors import BackboneError, unknown_name


def chosen_map(visual: nn.Module, asked: MapChoice) -> MapChoice:
    """Return the map that this image tower gives if ``asked`` is asked for; never ``auto``.

    ``auto`` is ``self_attention`` for a ViT whose class token is the picture's vector, as CLIP's, and ``plain`` for any other tower:
    towers that pool with attention (CLIP's ResNets, CoCa, SigLIP) have the values of that pooling as their plain map.

    Raises:
        BackboneError: there is no such map, or this tower has no such last block.
    """
    if asked not in get_args(MapChoice):
        raise BackboneError(str(unknown_name("map", asked, get_args(MapChoice))))
    if asked == "auto":
        return "self_attention" if _has_clips_last_block(visual) and visual.pool_type == "tok" else "plain"
    if asked != "plain" and not _has_clips_last_block(visual):
        raise BackboneError(
            f"the map {asked!r} is read in the last block of a CLIP ViT without a pooling head, "
            f"and the image tower {type(visual).__name__} of this backbone has none; choose the map auto or plain"
        )
    return asked


def _has_clips_last_block(visual: Any) -> bool:
    if not isinstance(visual, VisionTransformer) or visual.attn_pool is not None:
        return False
    transformer: Any = visual.transformer
    return transformer.batch_first and isinstance(([*transformer.resblocks] or [None])[-1], ResidualAttentionBlock)


def value_tokens(block: Any, tokens: Tensor) -> Tensor:
    """Return MaskCLIP's patch tokens (2112.01071): the last block with every position attending to itself alone.

    ``y = x + W_o (W_v ln_1(x) + b_v) + b_o`` and then the feed-forward part, ``y + mlp(ln_2(y))``. Like its authors' program, it keeps
    the block's residual and feed-forward part, of which the paper does not speak.

    Args:
        block: the last block.
        tokens: (batch, 1 + position, width), the block's input; the class token comes first.
    """
    _, _, value = _projections(block, tokens)
    patches = tokens[:, 1:] + block.ls_1(block.attn.out_proj(value[:, 1:]))
    return patches + block.ls_2(block.mlp(block.ln_2(patches)))  # type: ignore[no-any-return]


def self_attention_tokens(block: Any, tokens: Tensor) -> Tensor:
    """Return ClearCLIP's patch tokens (2407.12442): query-query attention, without the block's residual and feed-forward part.

    ``W_o [softmax(q_h q_h^T / sqrt(d)) v_h]_h + b_o`` with ``q, v`` of ``ln_1(x)``, heads ``h`` of ``d`` channels. The class token is
    among the positions attended to.

    Args:
        block: the last block.
        tokens: (batch, 1 + position, width), the block's input; the class token comes first.
    """
    queries, _, values = _projections(block, tokens)
    query, value = (each.reshape(*each.shape[:2], block.attn.num_heads, -1).transpose(1, 2) for each in (queries, values))
    scale = 1 / math.sqrt(query.shape[-1])
    mixed = functional.scaled_dot_product_attention(query[:, :, 1:], query, value, scale=scale)
    return block.ls_1(block.attn.out_proj(mixed.transpose(1, 2).flatten(2)))  # type: ignore[no-any-return]


def _projections(block: Any, tokens: Tensor) -> tuple[Tensor, ...]:
    """Return queries, keys and values; one product with the whole weight, as in the block: an exported graph then shares the two."""
    attention = block.attn
    return functional.linear(block.ln_1(tokens), attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=-1)


LAST_BLOCK_MAPS = {"value": value_tokens, "self_attention": self_attention_tokens}
"""By name: from the last block and its input to the patch tokens that go through the final norm and projection."""
