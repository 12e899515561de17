"""Unknown cells between negative and positive, by a schedule ("GR")."""

from typing import NamedTuple

import torch
from torch.nn import functional

from taglens.losses.base import LossSum, StatefulLoss, Step, sum_over_all
from taglens.losses.terms import absent_cost, by_state, present_cost, require
from taglens.shapes import Logits, Targets


class Shape(NamedTuple):
    """What a schedule moves: slope and offset of K, centre and width of V."""

    slope: float
    offset: float
    centre: float
    width: float


START, END = Shape(0.0, -2.0, 0.5, 2.0), Shape(2.0, -2.0, 0.8, 0.5)


class GeneralisedRobust(StatefulLoss):
    """-log p of positives, -log(1 - p) of known negatives; of unknown cells V [K (1 - p^q2) / q2 + (1 - K) (1 - (1 - p)^q3) / q3].

    K = sigmoid(w p + b) is how far the cell is taken for a positive, V = exp(-(p - mu)^2 / (2 s^2)) its weight; neither has a gradient.
    Over the epochs w goes from 0 to 2, b stays -2, mu goes from 0.5 to 0.8 and s from 2 to 0.5, linearly, the last epoch at the end
    values (inferred). Mean over all cells. Held-out pictures: as in the first epoch. Source: Chen et al., IJCAI 2024 (q2 0.01, q3 1).
    """

    def __init__(self, *, q2: float = 0.01, q3: float = 1.0, slope: float = END.slope, offset: float = END.offset) -> None:
        super().__init__()
        require(0 < q2 <= 1 and 0 < q3 <= 1, "q2 and q3 above 0 and at most 1", f"{q2:g} and {q3:g}")
        self.q2, self.q3, self.end = q2, q3, END._replace(slope=slope, offset=offset)

    def forward(self, logits: Logits, targets: Targets) -> LossSum:
        """Return the loss as in the first epoch."""
        return self._at(START, logits, targets)

    def training_loss(self, logits: Logits, targets: Targets, step: Step) -> LossSum:
        """Return the loss of one batch."""
        done = step.epoch / max(1, step.epochs - 1)
        return self._at(Shape(*(one + done * (other - one) for one, other in zip(START, self.end, strict=True))), logits, targets)

    def _at(self, shape: Shape, logits: Logits, targets: Targets) -> LossSum:
        with torch.no_grad():
            probability = torch.sigmoid(logits)
            taken = torch.sigmoid(shape.slope * probability + shape.offset)
            weight = torch.exp(-((probability - shape.centre) ** 2) / (2 * shape.width**2))
        # p^q by its logarithm: the slope of a small power at p = 0 is infinite
        towards = -torch.expm1(self.q2 * functional.logsigmoid(logits)) / self.q2
        away = -torch.expm1(self.q3 * functional.logsigmoid(-logits)) / self.q3
        unknown = weight * (taken * towards + (1 - taken) * away)
        return sum_over_all(by_state(targets, present=present_cost(logits), absent=absent_cost(logits), unknown=unknown))
