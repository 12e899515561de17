"""Positive scores made larger before large losses are rejected ("BoostLU")."""

import torch

from taglens.losses.base import LossSum, StatefulLoss, Step
from taglens.losses.large_loss import LargeLossReject
from taglens.losses.terms import require
from taglens.shapes import Logits, Targets


class BoostLogits(StatefulLoss):
    """LL-R of z' = max(z, a z), a = 5: what a class finds is stressed, so that assumed negatives bury it less.

    A reconstruction: the authors boost the class map w_c . f_p at every position before its mean; a loss here sees one logit of each
    class, so the picture's logit is boosted. The map z -> z' keeps the order of pictures, so predictions need no boost.
    Source: Kim et al., CVPR 2023.
    """

    def __init__(self, *, factor: float = 5.0, share: float = 0.002) -> None:
        super().__init__()
        require(factor >= 1, "a factor of at least 1", factor)
        self.factor, self.inner = factor, LargeLossReject(share=share)

    def forward(self, logits: Logits, targets: Targets) -> LossSum:
        """Return the loss of boosted logits with every unknown cell negative."""
        return self.inner.forward(self._boosted(logits), targets)

    def training_loss(self, logits: Logits, targets: Targets, step: Step) -> LossSum:
        """Return the loss of one batch of boosted logits."""
        return self.inner.training_loss(self._boosted(logits), targets, step)

    def _boosted(self, logits: Logits) -> Logits:
        return torch.where(logits > 0, self.factor * logits, logits)
