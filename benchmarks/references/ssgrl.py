"""Semantic decoupling as SSGRL publishes it: everything repeated to (batch, position, label, channel), fc3 and fc4 not folded.

    s(c, p) = fc4(fc3(tanh(fc1(f_p) * fc2(x_c))));  a = softmax over p;  f_c = sum over p of a(c, p) f_p

Source: Chen et al., "Learning Semantic-Specific Graph Representation for Multi-Label Image Recognition", ICCV 2019, equations 2 to 5.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import linear


def decouple(features: Tensor, guide: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return class features (batch, label, channel) and attention (batch, label, position) of features (batch, position, channel)."""
    batch, positions, _ = features.shape
    labels = len(guide)
    image = linear(features, state["fc1.weight"])[:, :, None].repeat(1, 1, labels, 1)
    words = linear(guide, state["fc2.weight"])[None, None].repeat(batch, positions, 1, 1)
    joint = linear(torch.tanh(image * words), state["fc3.weight"], state["fc3.bias"])
    attention = linear(joint, state["fc4.weight"], state["fc4.bias"]).softmax(dim=1)
    repeated = features[:, :, None].repeat(1, 1, labels, 1)
    return (attention * repeated).sum(1), attention[..., 0].transpose(1, 2)


def random_state(channels: int, guide_channels: int, hidden: int, between: int, seed: int = 0) -> dict[str, Tensor]:
    """Return random weights; ``between`` is the width from fc3 to fc4."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        "fc1.weight": (hidden, channels),
        "fc2.weight": (hidden, guide_channels),
        "fc3.weight": (between, hidden),
        "fc3.bias": (between,),
        "fc4.weight": (1, between),
        "fc4.bias": (1,),
    }
    return {name: torch.randn(shape, generator=generator) * shape[-1] ** -0.5 for name, shape in shapes.items()}
