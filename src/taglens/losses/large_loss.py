"""Large losses of unknown cells are taken for missing positives ("LL-R", "LL-Ct", "LL-Cp")."""

import math
from abc import abstractmethod

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from taglens.labels.states import PartialLabels
from taglens.losses.base import LossSum, StatefulLoss, Step, sum_over_all
from taglens.losses.terms import absent_cost, present_cost, require
from taglens.losses.unknown_as_negative import UnknownAsNegative
from taglens.shapes import Logits, Targets


class LargeLoss(StatefulLoss):
    """Unknown cells count as negative; from the second epoch on those of a batch that cost most are rejected or corrected.

    The k cells with the largest loss, ties included: k = ceil(B C e d), e the finished epochs, d the share that each epoch adds.
    Mean over all cells. Known negatives are never touched. Held-out pictures: every unknown cell is negative.
    Source: Kim et al., CVPR 2022 (d 0.001 to 0.005).
    """

    def __init__(self, *, share: float = 0.002) -> None:
        super().__init__()
        require(0 <= share <= 1, "a share of the cells in 0..1", share)
        self.share = share

    def forward(self, logits: Logits, targets: Targets) -> LossSum:
        """Return the loss with every unknown cell negative."""
        return UnknownAsNegative()(logits, targets)

    @abstractmethod
    def training_loss(self, logits: Logits, targets: Targets, step: Step) -> LossSum:
        """Return the loss of one batch."""

    def _large(self, cost: Float[Tensor, "batch label"], unknown: Bool[Tensor, "batch label"], step: Step) -> Bool[Tensor, "batch label"]:
        """Return the unknown cells whose cost is among the largest of the batch."""
        return largest(cost, unknown, math.ceil(cost.numel() * step.epoch * self.share))


class LargeLossReject(LargeLoss):
    """LL-R: they have no loss in this step. See :class:`LargeLoss`."""

    def training_loss(self, logits: Logits, targets: Targets, step: Step) -> LossSum:
        """Return the loss of one batch without the rejected cells, which still count in the mean."""
        cost = absent_cost(logits)
        entries = torch.where(targets == 1, present_cost(logits), cost)
        return sum_over_all(torch.where(self._large(cost, targets < 0, step), 0.0, entries))


class LargeLossTemporary(LargeLoss):
    """LL-Ct: they count as positive in this step. See :class:`LargeLoss`."""

    def training_loss(self, logits: Logits, targets: Targets, step: Step) -> LossSum:
        """Return the loss of one batch with the corrected cells positive."""
        cost = absent_cost(logits)
        present = (targets == 1) | self._large(cost, targets < 0, step)
        return sum_over_all(torch.where(present, present_cost(logits), cost))


class LargeLossPermanent(LargeLoss):
    """LL-Cp: they count as positive from then on; k = ceil(B C d) in every step. See :class:`LargeLoss`."""

    remembers = True
    corrected: Tensor

    def __init__(self, labels: PartialLabels, *, share: float = 0.002) -> None:
        super().__init__(share=share)
        self.register_buffer("corrected", torch.zeros(labels.shape, dtype=torch.bool))

    def training_loss(self, logits: Logits, targets: Targets, step: Step) -> LossSum:
        """Return the loss of one batch and remember the cells that it corrected."""
        cost = absent_cost(logits)
        corrected = self.corrected[step.places] & (targets < 0)
        if step.epoch:
            corrected |= self._large(cost, (targets < 0) & ~corrected, step._replace(epoch=1))
            self.corrected[step.places] = corrected
        return sum_over_all(torch.where((targets == 1) | corrected, present_cost(logits), cost))


@torch.no_grad()
def largest(values: Float[Tensor, "batch label"], among: Bool[Tensor, "batch label"], number: int) -> Bool[Tensor, "batch label"]:
    """Return where the ``number`` largest ``values`` stand ``among`` some cells; all that equal the smallest of them, too."""
    candidates = values[among]
    number = min(number, len(candidates))
    if not number:
        return torch.zeros_like(among)
    return among & (values >= candidates.topk(number).values[-1])
