"""The losses as tests make them: with what labels cannot tell, and sorted by what they promise."""

import inspect

import numpy as np
import torch

from taglens.labels.states import PartialLabels
from taglens.losses import LOSSES, KnownOnly, StatefulLoss, build_loss

STOPPED = ("partial_asymmetric", "generalised_robust", "selective")
"""Their weights carry no gradient, so that it is not the slope of the value."""


def made_loss(name, labels, **options):
    """The loss of that name for labels (picture, label) in codes 1, 0, -1."""
    if "expected_positives" in inspect.signature(LOSSES[name]).parameters:
        options = {"expected_positives": 1.0} | options
    loss = build_loss(name, PartialLabels(np.asarray(labels, np.int8)), **options)
    if name == "selective":
        loss.set_prior(torch.full((np.shape(labels)[1],), 0.01))
    return loss


_MADE = {name: made_loss(name, [[1, 0, -1]]) for name in LOSSES}
KNOWN_ONLY = [name for name, loss in _MADE.items() if isinstance(loss, KnownOnly)]
STATEFUL = [name for name, loss in _MADE.items() if isinstance(loss, StatefulLoss)]
STATELESS = [name for name in LOSSES if name not in STATEFUL]
