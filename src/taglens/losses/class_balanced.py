"""Binary cross-entropy over known labels, every class's two states weighted by their effective numbers."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from taglens.errors import TagLensError
from taglens.labels.states import PartialLabels
from taglens.losses.base import KnownOnly, LossSum, sum_over_known
from taglens.shapes import Logits, Targets


@dataclass(frozen=True, kw_only=True)
class ClassBalanced(KnownOnly):
    """Binary cross-entropy over known labels with a weight for each state of each class.

    weight(n) = (1 - beta) / (1 - beta^n), n known labels of that state; the two weights of a class sum to 2.

    Source: Cui et al., CVPR 2019, applied to the two states of a class.
    """

    weights: tuple[tuple[float, float], ...]
    """(negative weight, positive weight) of each class."""

    @classmethod
    def for_labels(cls, labels: PartialLabels, *, beta: float = 0.999) -> "ClassBalanced":
        """Make the loss for the known counts of ``labels``; beta 0 is the unweighted loss, towards 1 inverse frequency."""
        if not 0 <= beta < 1:
            raise TagLensError(f"expected a beta in 0..1 (1 excluded), came {beta}")
        counts = labels.counts()
        effective = [(1 - beta) / (1 - beta ** np.maximum(count, 1)) for count in (counts.negative, counts.positive)]
        pairs = 2 * np.stack(effective, 1) / np.sum(effective, axis=0)[:, None]
        return cls(weights=tuple((float(negative), float(positive)) for negative, positive in pairs))

    def __call__(self, logits: Logits, targets: Targets) -> LossSum:
        """Return the weighted sum over known entries of logits (batch, label) and their number."""
        negative, positive = torch.tensor(self.weights, dtype=logits.dtype, device=logits.device).unbind(1)
        present = (targets == 1).to(logits.dtype)
        entries = functional.binary_cross_entropy_with_logits(logits, present, reduction="none")
        return sum_over_known(entries * torch.where(targets == 1, positive, negative), targets)
