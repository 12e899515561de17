"""Assumed negatives with smoothed labels ("AN-LS")."""

from dataclasses import dataclass

from taglens.losses.base import LossSum, sum_over_all
from taglens.losses.terms import require, soft_cost
from taglens.shapes import Logits, Targets


@dataclass(frozen=True, kw_only=True)
class AnLabelSmoothing:
    """Binary cross-entropy with targets 1 - e for positives and e for all other cells, unknown ones taken as negative.

    Source: Cole et al., CVPR 2021 (e = 0.1). Mean over all cells.
    """

    smoothing: float = 0.1
    """e: how far targets are moved towards the other state."""

    def __post_init__(self) -> None:
        require(0 <= self.smoothing < 0.5, "a smoothing of at least 0 and below 0.5", self.smoothing)

    def __call__(self, logits: Logits, targets: Targets) -> LossSum:
        """Return the sum over all entries of logits (batch, label) and their number."""
        present = (targets == 1).to(logits.dtype)
        return sum_over_all(soft_cost(logits, present * (1 - 2 * self.smoothing) + self.smoothing))
