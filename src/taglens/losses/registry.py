"""The losses by name; a new one is one file and one line in ``LOSSES``."""

import inspect
from collections.abc import Callable

from taglens.errors import unknown_name
from taglens.labels.states import PartialLabels
from taglens.losses.base import Loss
from taglens.losses.class_balanced import ClassBalanced
from taglens.losses.partial_asymmetric import PartialAsymmetric
from taglens.losses.partial_bce import PartialBCE
from taglens.losses.partial_focal import PartialFocal
from taglens.losses.unknown_as_negative import UnknownAsNegative

LOSSES: dict[str, Callable[..., Loss]] = {
    "partial_bce": PartialBCE,
    "partial_asymmetric": PartialAsymmetric,
    "partial_focal": PartialFocal,
    "class_balanced": ClassBalanced.for_labels,
    "unknown_as_negative": UnknownAsNegative,
}
"""Name -> maker of the loss; its arguments are the loss's options, and ``labels`` for one that weights by their counts."""


def build_loss(name: str, labels: PartialLabels, **options: float) -> Loss:
    """Return the loss called ``name``; ``labels`` are the training labels, for those that weight by counts.

    Raises:
        TagLensError: no such loss, or an option that it does not have.
    """
    if name not in LOSSES:
        raise unknown_name("loss", name, LOSSES)
    taken = dict(inspect.signature(LOSSES[name]).parameters)
    counted = {"labels": labels} if taken.pop("labels", None) else {}
    for option in options:
        if option not in taken:
            raise unknown_name(f"option of the loss {name!r}", option, taken)
    return LOSSES[name](**counted, **options)
