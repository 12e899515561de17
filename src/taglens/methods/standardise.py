"""Unit vectors, centred and scaled by the training pictures, so that one learning rate suits every backbone."""

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

STEP_EFFECT = 180.0
"""Sum of absolute values of a standardised vector, about; the learning rates are tuned for this constant."""

LOGIT_DEVIATION = 2.0
"""Prior standard deviation of the logits of a free vector."""


def standard_length(channels: int) -> float:
    """Return the root mean square length of standardised vectors with that many channels.

    An optimiser of Adam's kind moves every weight by about the learning rate, so that a logit moves by the rate times the sum of the
    vector's absolute values, which is about length x sqrt(channels): kept the same for every backbone.
    """
    return STEP_EFFECT / math.sqrt(channels)


def prior_energy(weights: Float[Tensor, "label channel"]) -> Float[Tensor, ""]:
    """Return minus the log prior of weights on standardised vectors: their logits have standard deviation 2, about, before any label.

    Few known labels cannot pull a vector of hundreds of channels far from zero, many can: the labels themselves set how much is learned.
    """
    length = standard_length(weights.shape[-1])
    return (length / LOGIT_DEVIATION) ** 2 * weights.square().sum() / 2


class Standardise(nn.Module):
    """x = length (f / |f| - centre) / spread,  length as in :func:`standard_length`.

    CLIP's picture vectors share a large common part that carries no information; taking it out conditions a linear layer well.
    ``centre`` (channel,) is the mean of the training pictures' unit vectors, ``spread`` the root mean square of what is left.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(channels))
        self.register_buffer("spread", torch.ones(()))

    def fit(self, batches: Iterable[Float[Tensor, "batch channel"]]) -> None:
        """Measure centre and spread; labels are not looked at."""
        unit = torch.cat([functional.normalize(batch, dim=-1) for batch in batches])
        self.centre.copy_(unit.mean(0))
        self.spread.copy_((unit - self.centre).square().sum(-1).mean().sqrt().clamp(min=1e-6))

    def forward(self, vectors: Float[Tensor, "*batch channel"]) -> Float[Tensor, "*batch channel"]:
        """Return the standardised vectors."""
        return (functional.normalize(vectors, dim=-1) - self.centre) * (standard_length(vectors.shape[-1]) / self.spread)
