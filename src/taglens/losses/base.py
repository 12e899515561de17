"""What every loss returns: a sum and a count, so that one place can divide by the count of all processes; losses with a state."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from taglens.shapes import Logits, Targets


class LossSum(NamedTuple):
    """A loss summed over the cells that it counts, and the number of them."""

    total: Float[Tensor, ""]
    known: Float[Tensor, ""]


Loss: TypeAlias = Callable[[Logits, Targets], LossSum]


class KnownOnly:
    """A loss whose value and gradient do not depend on the logits of unknown labels, so that training may leave their work out."""


class Step(NamedTuple):
    """Where training is: which pictures these are, and how far it has come."""

    places: Int64[Tensor, " batch"]
    """Rows of the batch's pictures in the labels that the loss was made for."""
    epoch: int
    """Epochs that are finished: 0 in the first."""
    epochs: int
    """Epochs in all."""


class StatefulLoss(nn.Module, ABC):
    """A loss that changes with the epoch or remembers something of each cell.

    Called, it gives the loss of held-out pictures, which means the same in every epoch; it is noted, and chooses none of them: labels that
    are corrected on the way look wrong to a loss that does not correct them, so the last epoch is kept (docs/log.md).
    What it remembers are buffers and parameters, (picture, label) by the rows of the labels that it was made for: they lie in the
    checkpoint, so that a resumed training is the uninterrupted one. Nothing of it is left in the trained recogniser.
    """

    remembers = False
    """Whether it holds something of each cell, or looks at the whole batch in a way that several processes cannot share."""

    @abstractmethod
    def forward(self, logits: Logits, targets: Targets) -> LossSum:
        """Return the loss of held-out pictures: it reads no memory and no epoch."""

    @abstractmethod
    def training_loss(self, logits: Logits, targets: Targets, step: Step) -> LossSum:
        """Return the loss of one batch and remember of it what later steps need."""

    def end_epoch(self, step: Step) -> None:
        """Do what is due after an epoch; ``step`` names no pictures. The default: nothing."""

    def parameter_groups(self, rate: float) -> Sequence[dict[str, Any]]:
        """Return the optimiser's groups of what the loss itself learns; ``rate`` is the configured learning rate."""
        return []


class NeedsPrior(StatefulLoss):
    """A loss that must know each class's mean probability, as a recogniser says it that was trained before with another loss."""

    @abstractmethod
    def first_pass(self) -> tuple[str, dict[str, float]]:
        """Return name and options of the loss of that first pass."""

    @abstractmethod
    def set_prior(self, prior: Float[Tensor, " label"]) -> None:
        """Take the mean probabilities (label,) over."""


def sum_over_known(entries: Float[Tensor, "batch label"], targets: Targets) -> LossSum:
    """Sum ``entries`` where the target is known; unknown entries get exactly zero gradient."""
    known = targets >= 0
    return LossSum(torch.where(known, entries, 0.0).sum(), known.sum().to(entries.dtype))


def sum_over_all(entries: Float[Tensor, "batch label"]) -> LossSum:
    """Sum ``entries`` of all cells, known or not: the loss is a mean over pictures and classes."""
    return LossSum(entries.sum(), entries.new_tensor(entries.numel()))
