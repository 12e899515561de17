"""Losses over known labels, one formula per file; a new one is one file and one line in ``LOSSES``."""

from collections.abc import Callable

from taglens.errors import TagLensError, unknown_name
from taglens.labels.states import PartialLabels
from taglens.losses.base import Loss, LossSum
from taglens.losses.class_balanced import ClassBalanced
from taglens.losses.partial_asymmetric import PartialAsymmetric
from taglens.losses.partial_bce import PartialBCE
from taglens.losses.partial_focal import PartialFocal
from taglens.losses.unknown_as_negative import UnknownAsNegative

LOSSES: dict[str, Callable[..., Loss]] = {
    "partial_bce": lambda labels, **options: PartialBCE(**options),
    "partial_asymmetric": lambda labels, **options: PartialAsymmetric(**options),
    "partial_focal": lambda labels, **options: PartialFocal(**options),
    "class_balanced": ClassBalanced.for_labels,
    "unknown_as_negative": lambda labels, **options: UnknownAsNegative(**options),
}


def build_loss(name: str, labels: PartialLabels, **options: float) -> Loss:
    """Return the loss called ``name``; ``labels`` are the training labels, for those that weight by counts.

    Raises:
        TagLensError: no such loss, or an option that it does not have.
    """
    if name not in LOSSES:
        raise unknown_name("loss", name, LOSSES)
    try:
        return LOSSES[name](labels, **options)
    except TypeError as error:
        raise TagLensError(f"loss {name!r} does not take these options: {error}") from error


__all__ = ["LOSSES", "Loss", "LossSum", "build_loss"]
