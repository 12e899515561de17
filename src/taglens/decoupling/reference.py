"""The attention score of semantic decoupling: its definition, and the same as plain operations for graphs that are exported.

    s(c, p) = w . tanh((W1 f_p) * (W2 x_c))

with u_p = W1 f_p (features, projected) and g_c = W2 x_c (guide, projected). SSGRL writes w4 . (W3 tanh(.) + b3) + b4; there is no
non-linearity between W3 and w4, and a constant drops out of the softmax over positions, so w = W3^T w4 is the same function.

Source: Chen et al., "Learning Semantic-Specific Graph Representation", ICCV 2019, equations 2 to 4; arXiv 2412.10843 (reconstruction).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from taglens.shapes import Known

MOST_CHUNKS = 64
"""Chunks stand in an exported graph one by one, so their number is bounded; each holds (batch, classes of the chunk, position, hidden)."""


def attention_scores(
    features: Float[Tensor, "batch position hidden"],
    guide: Float[Tensor, "label hidden"],
    weight: Float[Tensor, " hidden"],
    known: Known | None = None,
) -> Float[Tensor, "batch label position"]:
    """Return s (batch, label, position); holds a (batch, label, position, hidden) tensor, so keep to small inputs and tests.

    All scores are computed, ``known`` or not.
    """
    return torch.einsum("blph,h->blp", torch.tanh(torch.einsum("bph,lh->blph", features, guide)), weight)


def unrolled_scores(
    features: Float[Tensor, "batch position hidden"],
    guide: Float[Tensor, "label hidden"],
    weight: Float[Tensor, " hidden"],
    known: Known | None = None,
) -> Float[Tensor, "batch label position"]:
    """Return the same scores as :func:`attention_scores`, all of them, chunk after chunk of the classes.

    Up to 64 classes each is a chunk of its own: 0.4 MB per picture for 196 positions and 512 hidden channels, against 0.4 MB times the
    number of classes for the definition.
    """
    size = -(-guide.shape[0] // MOST_CHUNKS)
    chunks = [torch.tanh(features[:, None] * part[:, None]) @ weight for part in torch.split(guide, size)]
    return torch.cat(chunks, dim=1)
