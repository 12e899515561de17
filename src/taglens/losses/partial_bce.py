"""Binary cross-entropy over known labels."""

from dataclasses import dataclass

from torch.nn import functional

from taglens.losses.base import KnownOnly, LossSum, sum_over_known
from taglens.shapes import Logits, Targets


@dataclass(frozen=True, kw_only=True)
class PartialBCE(KnownOnly):
    """Binary cross-entropy over known labels.

    L = sum over known (i, c) of -[y log p + (1 - y) log(1 - p)],  p = sigmoid(z)

    Source: SST and SARB use it; conventions of multi-label recognition with partial labels.
    """

    def __call__(self, logits: Logits, targets: Targets) -> LossSum:
        """Return the sum over known entries of logits (batch, label) and their number."""
        positive = (targets == 1).to(logits.dtype)
        return sum_over_known(functional.binary_cross_entropy_with_logits(logits, positive, reduction="none"), targets)
