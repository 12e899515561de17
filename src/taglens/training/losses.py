"""What training owes to losses that change with the epoch, remember cells or need a first pass."""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from taglens.backbones.text import TextEncoder
from taglens.errors import TrainingError
from taglens.labels.states import PartialLabels
from taglens.losses import KnownOnly, Loss, StatefulLoss
from taglens.methods import Method
from taglens.training.config import Machines, TrainConfig
from taglens.training.data import FeatureRows, batches_of


def require_usable(loss: Loss, config: TrainConfig, machines: Machines) -> None:
    """Refuse what a loss with states cannot do.

    Raises:
        TrainingError: filled labels are to count in part, patience is asked for, or there is more than one process for a memory.
    """
    if not isinstance(loss, StatefulLoss):
        return
    if config.filled_weight not in (0, 1):
        raise TrainingError(
            f"the loss {config.loss} counts filled labels fully (1) or not at all (0), since it changes while training; "
            f"came filled_weight {config.filled_weight:g}"
        )
    if config.patience is not None:
        raise TrainingError(
            f"the loss {config.loss} changes while training, so held-out losses of its epochs cannot be compared; do without patience"
        )
    if loss.remembers and machines.devices * machines.nodes > 1:
        raise TrainingError(
            f"the loss {config.loss} remembers cells or ranks the whole batch, which one process does: --devices 1 --nodes 1; "
            f"came {machines.devices} and {machines.nodes}"
        )


def counted_cells(loss: Loss, labels: PartialLabels) -> int:
    """Return how many cells the loss of one epoch counts: beside so many a prior on the weights counts once."""
    return int(labels.known.sum()) if isinstance(loss, KnownOnly) else labels.values.size


def counted_labels(loss: Loss, labels: PartialLabels) -> PartialLabels:
    """Return the labels that starting values go by: a loss that counts unknown cells starts where these are negative.

    Known positives alone would start every class at certainty, where such a loss has no slope.
    """
    return labels if isinstance(loss, KnownOnly) else PartialLabels(np.maximum(labels.values, 0))


@torch.no_grad()
def mean_probability(method: Method, text: TextEncoder, features: FeatureRows, rows: NDArray[np.int64]) -> Float[Tensor, " label"]:
    """Return each class's mean probability over some pictures as they are."""
    device = next(method.parameters()).device
    classifier = method.eval().classifier(text)
    found = [torch.sigmoid(method(part, classifier).logits.float()).sum(0) for part in batches_of(features, rows, 256, device)]
    return torch.stack(found).sum(0) / len(rows)
