"""What every loss returns: a sum and a count, so that one place can divide by the count of all processes."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from taglens.shapes import Logits, Targets


class LossSum(NamedTuple):
    """A loss summed over known entries, and the number of them."""

    total: Float[Tensor, ""]
    known: Float[Tensor, ""]


Loss: TypeAlias = Callable[[Logits, Targets], LossSum]


class KnownOnly:
    """A loss whose value and gradient do not depend on the logits of unknown labels, so that training may leave their work out."""


def sum_over_known(entries: Float[Tensor, "batch label"], targets: Targets) -> LossSum:
    """Sum ``entries`` where the target is known; unknown entries get exactly zero gradient."""
    known = targets >= 0
    return LossSum(torch.where(known, entries, 0.0).sum(), known.sum().to(entries.dtype))
