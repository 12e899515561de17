"""The losses by name; a new one is one file and one line in ``LOSSES``."""

import inspect
from collections.abc import Callable

from taglens.errors import unknown_name
from taglens.labels.states import PartialLabels
from taglens.losses.an_label_smoothing import AnLabelSmoothing
from taglens.losses.base import Loss
from taglens.losses.boost_logits import BoostLogits
from taglens.losses.class_balanced import ClassBalanced
from taglens.losses.entropy_maximisation import EntropyMaximisation, EntropyMaximisationWithPseudoLabels
from taglens.losses.expected_positive_regularisation import ExpectedPositiveRegularisation
from taglens.losses.generalised_robust import GeneralisedRobust
from taglens.losses.hill import Hill
from taglens.losses.large_loss import LargeLossPermanent, LargeLossReject, LargeLossTemporary
from taglens.losses.partial_asymmetric import PartialAsymmetric
from taglens.losses.partial_bce import PartialBCE
from taglens.losses.partial_focal import PartialFocal
from taglens.losses.role import Role
from taglens.losses.selective import Selective
from taglens.losses.self_paced_correction import SelfPacedCorrection
from taglens.losses.unknown_as_negative import UnknownAsNegative
from taglens.losses.weak_negatives import WeakNegatives
from taglens.plugins import Registry

LOSSES: Registry[Callable[..., Loss]] = Registry(
    "taglens.losses",
    {
        "partial_bce": PartialBCE,
        "partial_asymmetric": PartialAsymmetric,
        "partial_focal": PartialFocal,
        "class_balanced": ClassBalanced.for_labels,
        "unknown_as_negative": UnknownAsNegative,
        "an_label_smoothing": AnLabelSmoothing,
        "weak_negatives": WeakNegatives,
        "expected_positive_regularisation": ExpectedPositiveRegularisation.for_labels,
        "role": Role.for_labels,
        "entropy_maximisation": EntropyMaximisation,
        "entropy_maximisation_apl": EntropyMaximisationWithPseudoLabels,
        "large_loss_reject": LargeLossReject,
        "large_loss_temporary": LargeLossTemporary,
        "large_loss_permanent": LargeLossPermanent,
        "boost_logits": BoostLogits,
        "hill": Hill,
        "self_paced_correction": SelfPacedCorrection,
        "generalised_robust": GeneralisedRobust,
        "selective": Selective,
    },
)
"""Name -> maker of the loss; its arguments are the loss's options, and ``labels`` for one that is made for the training labels."""


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
