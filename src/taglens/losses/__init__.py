"""Losses over known labels, one formula a file, found by name in ``LOSSES``.

Each returns the sum over the known cells and their number; training divides once, over all processes.
Knows logits and targets; nothing of methods, backbones or pictures. An unknown cell has no gradient.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.losses.base import KnownOnly, Loss, LossSum
    from taglens.losses.registry import LOSSES, build_loss

__all__ = ["LOSSES", "KnownOnly", "Loss", "LossSum", "build_loss"]

__getattr__, __dir__ = lazy_face(
    "taglens.losses",
    {
        **dict.fromkeys(("KnownOnly", "Loss", "LossSum"), "taglens.losses.base"),
        **dict.fromkeys(("LOSSES", "build_loss"), "taglens.losses.registry"),
    },
)
