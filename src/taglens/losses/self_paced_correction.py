"""Unknown cells that score high become positives for a step ("SPLC")."""

import torch

from taglens.losses.base import LossSum, StatefulLoss, Step, sum_over_all
from taglens.losses.hill import focal_margin
from taglens.losses.terms import absent_cost, require
from taglens.shapes import Logits, Targets


class SelfPacedCorrection(StatefulLoss):
    """-(1 - p_m)^2 log p_m of positives, p_m = sigmoid(z - m), and -p^2 log(1 - p) of all others; p = sigmoid(z).

    After the first epoch an unknown cell with p > tau counts as positive in this step. Known negatives are never corrected.
    Held-out pictures: without correction. Gradients pass through the weights (from memory, not verified); the authors' sum over all
    cells is a mean here. Source: Zhang et al., arXiv 2112.07368 (tau 0.6; 0.65 where 75 % of the labels are left).
    """

    def __init__(self, *, threshold: float = 0.6, margin: float = 1.0) -> None:
        super().__init__()
        require(0 < threshold < 1, "a threshold above 0 and below 1", threshold)
        require(margin >= 0, "a margin of at least 0", margin)
        self.threshold, self.margin = threshold, margin

    def forward(self, logits: Logits, targets: Targets) -> LossSum:
        """Return the loss without correction."""
        absent = torch.sigmoid(logits) ** 2 * absent_cost(logits)
        return sum_over_all(torch.where(targets == 1, focal_margin(logits, self.margin), absent))

    def training_loss(self, logits: Logits, targets: Targets, step: Step) -> LossSum:
        """Return the loss of one batch."""
        found = (targets < 0) & (torch.sigmoid(logits) > self.threshold) & (step.epoch > 0)
        return self.forward(logits, torch.where(found, torch.ones_like(targets), targets))
