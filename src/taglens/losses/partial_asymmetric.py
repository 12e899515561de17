"""Asymmetric loss over known labels."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from taglens.errors import TagLensError
from taglens.losses.base import KnownOnly, LossSum, sum_over_known
from taglens.shapes import Logits, Targets


@dataclass(frozen=True, kw_only=True)
class PartialAsymmetric(KnownOnly):
    """Asymmetric loss over known labels: easy negatives count less.

    positive: (1 - p)^gamma_positive log p;  negative: (1 - q)^gamma_negative log q,  q = min(1 - p + clip, 1)

    The focal weights carry no gradient, as in DualCoOp. Relative to the paper: g+ and g- are gamma_positive and gamma_negative.
    Source: Ridnik et al., ICCV 2021; the partial form and these values: DualCoOp, NeurIPS 2022.
    """

    gamma_negative: float = 2.0
    """Exponent of the weight of negatives."""
    gamma_positive: float = 1.0
    """Exponent of the weight of positives."""
    clip: float = 0.05
    """Probability below which a negative costs nothing."""

    def __post_init__(self) -> None:
        if min(self.gamma_negative, self.gamma_positive) < 0 or not 0 <= self.clip < 1:
            raise TagLensError(f"expected gammas of at least 0 and a clip in 0..1, came {self}")

    def __call__(self, logits: Logits, targets: Targets) -> LossSum:
        """Return the sum over known entries of logits (batch, label) and their number."""
        probability = torch.sigmoid(logits)
        absent = (1 - probability + self.clip).clamp(max=1)
        with torch.no_grad():
            positive_weight = (1 - probability) ** self.gamma_positive
            negative_weight = (1 - absent) ** self.gamma_negative
        # log p in its stable form; log q needs none, q is at least the clip unless the clip is 0
        log_absent = absent.log() if self.clip > 0 else functional.logsigmoid(-logits)
        entries = torch.where(targets == 1, positive_weight * functional.logsigmoid(logits), negative_weight * log_absent)
        return sum_over_known(-entries, targets)
