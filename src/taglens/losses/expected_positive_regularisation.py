"""Positives alone, with the number of positives that a picture should have ("EPR")."""

from dataclasses import dataclass

import torch

from taglens.labels.states import PartialLabels
from taglens.losses.base import LossSum
from taglens.losses.terms import expectation_penalty, expected_in, observed_cost
from taglens.shapes import Logits, Targets


@dataclass(frozen=True, kw_only=True)
class ExpectedPositiveRegularisation:
    """mean over cells of -log p (positives), plus ((mean over pictures of sum_c p - k) / C)^2, k positives expected in a picture.

    Unknown cells have no term of their own; a known negative adds -log(1 - p). Several processes each take the mean over their own share
    of the batch. Source: Cole et al., CVPR 2021.
    """

    expected_positives: float
    """k."""

    @classmethod
    def for_labels(cls, labels: PartialLabels, *, expected_positives: float | None = None) -> "ExpectedPositiveRegularisation":
        """Make the loss; without ``expected_positives`` the known cells say it.

        Raises:
            TagLensError: they cannot, or it is out of range.
        """
        return cls(expected_positives=expected_in(labels, expected_positives))

    def __call__(self, logits: Logits, targets: Targets) -> LossSum:
        """Return the sum over all entries of logits (batch, label) and their number."""
        cells = logits.new_tensor(logits.numel())
        penalty = expectation_penalty(torch.sigmoid(logits), self.expected_positives)
        return LossSum(observed_cost(logits, targets).sum() + cells * penalty, cells)
