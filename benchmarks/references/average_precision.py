"""Average precision as the field's metric code has it: Python's loop over all images, class by class, over tensors.

AP = 1/P  sum over positives of (positives so far / rank).  Source: the formula in DualCoOp's, ASL's and HCP-MLR-PL's evaluation.
"""

import torch
from torch import Tensor


def average_precision(scores: Tensor, targets: Tensor) -> Tensor:
    """Return the average precision (label,) of scores and targets (image, label)."""
    return torch.tensor([_one_class(scores[:, label], targets[:, label]) for label in range(scores.shape[1])])


def _one_class(scores: Tensor, targets: Tensor) -> float:
    _, order = torch.sort(scores, descending=True)
    positives = total = 0.0
    precision = 0.0
    for image in order:
        label = targets[image]
        if label == 1:
            positives += 1
        total += 1
        if label == 1:
            precision += positives / total
    return precision / positives
