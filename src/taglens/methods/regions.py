"""DualCoOp's aggregation over regions, for methods with a positive and a negative vector per class."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from taglens.methods.base import Scores
from taglens.shapes import FeatureMap

SIMILARITY_SCALE = 20.0
"""Factor on the cosine at each position."""
LOGIT_SCALE = 5.0
"""Factor on the weighted mean of the positions."""


def pair_logits(features: FeatureMap, positive: Float[Tensor, "label channel"], negative: Float[Tensor, "label channel"]) -> Scores:
    """Compare each region with two vectors per class.

    s+(p, c) = 20 cos(f_p, g+_c), s- likewise;  a(c, p) = softmax over p of s+;  z+ = 5 sum over p of a s+, z- = 5 sum over p of a s-

    The softmax over the pair (z-, z+) is the sigmoid of z+ - z-, which is returned as the logit; the positive scores weight both.
    Relative to the published code: its extra position (the mean token) is left out.
    Source: DualCoOp (Sun et al., NeurIPS 2022).
    """
    regions = functional.normalize(features, dim=-1)
    scores = SIMILARITY_SCALE * torch.einsum("bpn,sln->sblp", regions, torch.stack([positive, negative]))
    attention = scores[0].softmax(dim=-1)
    sums = LOGIT_SCALE * (attention * scores).sum(-1)
    return Scores(sums[0] - sums[1], attention)
