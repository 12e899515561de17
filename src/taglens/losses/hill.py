"""Negatives that cost less again once they look like missing positives ("Hill")."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from taglens.losses.base import LossSum, sum_over_all
from taglens.losses.terms import absent_cost, by_state, present_cost, require
from taglens.shapes import Logits, Targets


@dataclass(frozen=True, kw_only=True)
class Hill:
    """-(1 - p_m)^2 log p_m of positives, p_m = sigmoid(z - m); (1.5 - p) p^2 of unknown cells, whose slope vanishes towards p = 1.

    A known negative needs no such doubt: here it costs -p^2 log(1 - p). Gradients pass through the weights (from memory, not verified).
    The authors' sum over all cells is a mean here; only the prior's weight feels it. Source: Zhang et al., arXiv 2112.07368.
    """

    margin: float = 1.0
    """m."""

    def __post_init__(self) -> None:
        require(self.margin >= 0, "a margin of at least 0", self.margin)

    def __call__(self, logits: Logits, targets: Targets) -> LossSum:
        """Return the sum over all entries of logits (batch, label) and their number."""
        probability = torch.sigmoid(logits)
        return sum_over_all(
            by_state(
                targets,
                present=focal_margin(logits, self.margin),
                absent=probability**2 * absent_cost(logits),
                unknown=(1.5 - probability) * probability**2,
            )
        )


def focal_margin(logits: Logits, margin: float) -> Float[Tensor, "batch label"]:
    """Return -(1 - p_m)^2 log p_m, p_m = sigmoid(z - margin)."""
    moved = logits - margin
    return torch.sigmoid(-moved) ** 2 * present_cost(moved)
