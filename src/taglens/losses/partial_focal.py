"""Focal loss over known labels."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from taglens.errors import TagLensError
from taglens.losses.base import KnownOnly, LossSum, sum_over_known
from taglens.shapes import Logits, Targets


@dataclass(frozen=True, kw_only=True)
class PartialFocal(KnownOnly):
    """Focal loss over known labels: -(1 - p_t)^gamma log p_t, p_t the probability of the true state.

    Source: Lin et al., ICCV 2017 (without its alpha; the gradient passes through the weight).
    """

    gamma: float = 2.0
    """Exponent of the weight; 0 is binary cross-entropy."""

    def __post_init__(self) -> None:
        if self.gamma < 0:
            raise TagLensError(f"expected a gamma of at least 0, came {self.gamma}")

    def __call__(self, logits: Logits, targets: Targets) -> LossSum:
        """Return the sum over known entries of logits (batch, label) and their number."""
        signed = torch.where(targets == 1, logits, -logits)
        # (1 - p_t)^gamma by its logarithm: a power of a weight that has become 0 has no finite slope for gamma below 1
        weight = torch.exp(self.gamma * functional.logsigmoid(-signed))
        return sum_over_known(-weight * functional.logsigmoid(signed), targets)
