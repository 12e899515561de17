"""Assumed negatives that weigh less ("WAN")."""

from dataclasses import dataclass

from taglens.losses.base import LossSum, sum_over_all
from taglens.losses.terms import absent_cost, by_state, present_cost, require
from taglens.shapes import Logits, Targets


@dataclass(frozen=True, kw_only=True)
class WeakNegatives:
    """-log p of positives, -w log(1 - p) of unknown cells, w = 1 / (C - 1): together they weigh like one negative.

    A known negative weighs 1. Mean over all cells. Source: Mac Aodha et al., ICCV 2019, as in Cole et al., CVPR 2021.
    """

    weight: float | None = None
    """w; none: 1 / (number of classes - 1)."""

    def __post_init__(self) -> None:
        require(self.weight is None or 0 <= self.weight <= 1, "a weight in 0..1", self.weight)

    def __call__(self, logits: Logits, targets: Targets) -> LossSum:
        """Return the sum over all entries of logits (batch, label) and their number."""
        weight = 1 / max(1, logits.shape[1] - 1) if self.weight is None else self.weight
        absent = absent_cost(logits)
        return sum_over_all(by_state(targets, present=present_cost(logits), absent=absent, unknown=weight * absent))
