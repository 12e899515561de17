"""The naive baseline: what was never checked counts as absent."""

from dataclasses import dataclass

from taglens.losses.base import LossSum
from taglens.losses.partial_bce import PartialBCE
from taglens.shapes import Logits, Targets


@dataclass(frozen=True, kw_only=True)
class UnknownAsNegative:
    """Binary cross-entropy with every unknown label taken as negative ("assume negative").

    Source: the baseline of Cole et al., CVPR 2021, and of nearly every paper with partial labels.
    """

    def __call__(self, logits: Logits, targets: Targets) -> LossSum:
        """Return the sum over all entries of logits (batch, label) and their number."""
        return PartialBCE()(logits, targets.clamp(min=0))
