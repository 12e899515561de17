"""Losses over partial labels, one formula a file, found by name in ``LOSSES``.

Each returns the sum over the cells that it counts and their number; training divides once, over all processes.
Knows logits and targets; nothing of methods, backbones or pictures. To a ``KnownOnly`` loss an unknown cell gives no gradient;
a ``StatefulLoss`` changes with the epoch or remembers something of each cell.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.losses.base import KnownOnly, Loss, LossSum, NeedsPrior, StatefulLoss, Step
    from taglens.losses.registry import LOSSES, build_loss

__all__ = ["LOSSES", "KnownOnly", "Loss", "LossSum", "NeedsPrior", "StatefulLoss", "Step", "build_loss"]

__getattr__, __dir__ = lazy_face(
    "taglens.losses",
    {
        **dict.fromkeys(("KnownOnly", "Loss", "LossSum", "NeedsPrior", "StatefulLoss", "Step"), "taglens.losses.base"),
        **dict.fromkeys(("LOSSES", "build_loss"), "taglens.losses.registry"),
    },
)
