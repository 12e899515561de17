"""Shapes of the arrays that travel between the rooms of the house.

Axis words, used in every signature: ``batch image label position channel guide_channel height width token``.
"""

from typing import NamedTuple, TypeAlias

from jaxtyping import Bool, Float, Int8
from torch import Tensor

Pictures: TypeAlias = Float[Tensor, "batch 3 height width"]
FeatureMap: TypeAlias = Float[Tensor, "batch position channel"]
Pooled: TypeAlias = Float[Tensor, "batch channel"]
Logits: TypeAlias = Float[Tensor, "batch label"]
Attention: TypeAlias = Float[Tensor, "batch label position"]
ClassVectors: TypeAlias = Float[Tensor, "label channel"]
Targets: TypeAlias = Int8[Tensor, "batch label"]
Known: TypeAlias = Bool[Tensor, "batch label"]


class Features(NamedTuple):
    """What a backbone says of a batch of pictures, in the joint space, not normalised."""

    map: FeatureMap
    """One vector for each position of the last feature map, row by row."""
    pooled: Pooled
    """The picture's own embedding, as the backbone's pooling makes it."""
