"""Dense maps in the joint space: what each position of the last feature map says, in the same space as the text vectors.

One function per tower family, chosen once by :func:`dense_function`. Each runs the trunk once and returns the projected
map and, if asked, the tower's own pooled embedding computed from the same trunk output.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from timm.models.mobilenetv3 import MobileNetV3
from torch import Tensor, nn
from torch.nn import functional

from taglens.backbones.choices import MapChoice
from taglens.backbones.vit_maps import LAST_BLOCK_MAPS, chosen_map
from taglens.errors import BackboneError


class Dense(NamedTuple):
    """A projected map with its grid."""

    map: Tensor
    """(batch, position, channel), positions row by row."""
    pooled: Tensor
    """(batch, channel); (batch, 0) if it was not asked for."""
    grid: tuple[int, int]
    """Rows and columns; their product is the number of positions."""


DenseFunction = Callable[[Any, Tensor, bool], Dense]


def dense_function(visual: nn.Module, map: MapChoice = "auto") -> DenseFunction:
    """Return the function for this image tower and this of its maps.

    Raises:
        BackboneError: the tower is of no known family, or has no such map.
    """
    chosen = chosen_map(visual, map)
    for family, function in FAMILIES.items():
        if isinstance(visual, family):
            return partial(vit_dense, map=chosen) if function is vit_dense else function
    known = ", ".join(family.__name__ for family in FAMILIES)
    raise BackboneError(f"image tower {type(visual).__name__} has no dense map here; choose a backbone whose tower is one of: {known}")


def resnet_dense(visual: Any, pictures: Tensor, pooled: bool) -> Dense:
    """Return CLIP ResNet's map: the attention pool's value and output projections at every position (MaskCLIP, 2112.01071)."""
    trunk = visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(pictures)))))
    grid = (trunk.shape[2], trunk.shape[3])
    tokens = trunk.flatten(2).transpose(1, 2)
    pool = visual.attnpool
    projected = pool.c_proj(pool.v_proj(tokens))
    return Dense(projected, _attention_pool(pool, tokens, grid) if pooled else _nothing(projected), grid)


def _attention_pool(pool: Any, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return the attention pool's output for the mean token only.

    The published form projects keys and values of every position. Only one query is read, so the projections move onto the
    query and the pooled tokens: ``q . (K x_p) = (K^T q) . x_p`` and ``sum_p a_p V x_p = V sum_p a_p x_p``; the key's bias adds
    the same to every position and drops out of the softmax.
    """
    side = math.isqrt(pool.positional_embedding.shape[0] - 1)
    tokens = torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1)
    tokens = tokens + resized_positions(pool.positional_embedding, (side, side), grid).to(tokens.dtype)
    heads = pool.num_heads
    query = pool.q_proj(tokens[:, 0]).unflatten(-1, (heads, -1))
    key = pool.k_proj.weight.unflatten(0, (heads, -1))
    value = pool.v_proj.weight.unflatten(0, (heads, -1))
    score = torch.einsum("bhd,hdc,bpc->bhp", query / math.sqrt(query.shape[-1]), key, tokens)
    mixed = torch.einsum("bhp,bpc,hdc->bhd", score.softmax(-1).to(tokens.dtype), tokens, value)
    return pool.c_proj(mixed.flatten(1) + pool.v_proj.bias)  # type: ignore[no-any-return]


def vit_dense(visual: Any, pictures: Tensor, pooled: bool, map: MapChoice = "plain") -> Dense:
    """Return CLIP ViT's map: final layer norm and projection on every patch token.

    The patch tokens are the last block's output (``plain``), or what :mod:`taglens.backbones.vit_maps` reads inside that block.
    """
    embedded = visual.conv1(pictures)
    grid = (embedded.shape[2], embedded.shape[3])
    tokens = embedded.flatten(2).transpose(1, 2)
    start = visual.class_embedding.to(tokens.dtype).expand(tokens.shape[0], 1, -1)
    positions = resized_positions(visual.positional_embedding, visual.grid_size, grid)
    tokens = visual.ln_pre(torch.cat([start, tokens], dim=1) + positions.to(tokens.dtype))
    if map in LAST_BLOCK_MAPS:
        *earlier, last = visual.transformer.resblocks
        for block in earlier:
            tokens = block(tokens)
        patches = LAST_BLOCK_MAPS[map](last, tokens)
        tokens = last(tokens) if pooled else tokens
    else:
        tokens = visual.transformer(tokens)
        patches = tokens[:, 1:] if visual.attn_pool is None else _pooler_values(visual.attn_pool, tokens[:, 1:])
    projected = visual.ln_post(patches) @ visual.proj
    return Dense(projected, visual._pool(tokens)[0] @ visual.proj if pooled else _nothing(projected), grid)


def _pooler_values(pooler: Any, tokens: Tensor) -> Tensor:
    """Return the attentional pooler's (CoCa) value and output projections at every position."""
    attention = pooler.attn
    value = attention.v_proj_weight if attention.in_proj_weight is None else attention.in_proj_weight.chunk(3)[2]
    return attention.out_proj(functional.linear(pooler.ln_k(tokens), value, attention.in_proj_bias.chunk(3)[2]))  # type: ignore[no-any-return]


def timm_dense(visual: Any, pictures: Tensor, pooled: bool) -> Dense:
    """Return a timm tower's map: the tower's head on every position as if it were a picture of one position."""
    trunk = visual.trunk
    try:
        output = trunk.forward_features(pictures)
    except AssertionError as error:
        raise BackboneError(f"this image tower takes one picture size ({error}); load the backbone with image_size=SIZE") from error
    grid, heads = _heads(trunk, output, pictures)
    projected = visual.head(heads).reshape(output.shape[0], grid[0] * grid[1], -1)
    return Dense(projected, visual.head(trunk.forward_head(output)) if pooled else _nothing(projected), grid)


def _heads(trunk: Any, output: Tensor, pictures: Tensor) -> tuple[tuple[int, int], Tensor]:
    """Return the grid and the trunk's head on every position."""
    if output.ndim == 3:
        grid, single = _single_tokens(trunk, output, pictures)
        return grid, trunk.forward_head(single)
    if getattr(trunk, "output_fmt", "NCHW") == "NHWC":
        return (output.shape[1], output.shape[2]), trunk.forward_head(output.flatten(0, 2)[:, None, None, :])
    grid = (output.shape[2], output.shape[3])
    if isinstance(trunk, MobileNetV3):
        # Convolving many pictures of one position is slow (three times here): the same head on the whole map, pooling left out.
        heads = trunk.act2(trunk.norm_head(trunk.conv_head(output)))
        return grid, trunk.classifier(heads.flatten(2).transpose(1, 2))
    return grid, trunk.forward_head(output.permute(0, 2, 3, 1).flatten(0, 2)[:, :, None, None])


def _single_tokens(trunk: Any, output: Tensor, pictures: Tensor) -> tuple[tuple[int, int], Tensor]:
    """Return the grid, and every patch token alone, in the place of its prefix tokens too: any pooling then returns it."""
    prefix = getattr(trunk, "num_prefix_tokens", 0)
    tokens = output[:, prefix:]
    rows = round(math.sqrt(tokens.shape[1] * pictures.shape[2] / pictures.shape[3]))
    columns = tokens.shape[1] // max(rows, 1)
    if rows * columns != tokens.shape[1]:
        raise BackboneError(f"{type(trunk).__name__} gives {tokens.shape[1]} tokens, which is no grid of the picture's shape")
    return (rows, columns), tokens.flatten(0, 1)[:, None].expand(-1, prefix + 1, -1)


def resized_positions(table: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """Return positional embeddings ``(1 + position, channel)`` for another grid, the first row kept (as open_clip resizes them)."""
    if tuple(old) == tuple(new):
        return table
    grid = table[1:].float().reshape(*old, -1).permute(2, 0, 1)[None]
    grid = functional.interpolate(grid, size=new, mode="bicubic", antialias=True, align_corners=False)
    return torch.cat([table[:1], grid[0].flatten(1).T.to(table.dtype)])


def _nothing(projected: Tensor) -> Tensor:
    return projected.new_empty(projected.shape[0], 0)


FAMILIES: dict[type[nn.Module], DenseFunction] = {
    ModifiedResNet: resnet_dense,
    VisionTransformer: vit_dense,
    TimmModel: timm_dense,
}
