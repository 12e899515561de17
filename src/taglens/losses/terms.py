"""What the losses of single positive and missing labels share: the two logarithms, the regulariser of expected positives, their checks."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from taglens.errors import TagLensError
from taglens.labels.states import PartialLabels
from taglens.shapes import Logits, Targets


def present_cost(logits: Logits) -> Float[Tensor, "batch label"]:
    """Return -log p, p = sigmoid(z); the papers cut p off at 1e-5 instead, this form stays finite without."""
    return functional.softplus(-logits)


def absent_cost(logits: Logits) -> Float[Tensor, "batch label"]:
    """Return -log(1 - p)."""
    return functional.softplus(logits)


def soft_cost(logits: Logits, target: Float[Tensor, "batch label"]) -> Float[Tensor, "batch label"]:
    """Return -(t log p + (1 - t) log(1 - p)) for targets t in 0..1."""
    return target * present_cost(logits) + (1 - target) * absent_cost(logits)


def by_state(
    targets: Targets,
    *,
    present: Float[Tensor, "batch label"],
    absent: Float[Tensor, "batch label"],
    unknown: Float[Tensor, "batch label"] | float,
) -> Float[Tensor, "batch label"]:
    """Choose the entry of each cell by its state; the others get exactly zero gradient."""
    return torch.where(targets == 1, present, torch.where(targets == 0, absent, unknown))


def observed_cost(logits: Logits, targets: Targets) -> Float[Tensor, "batch label"]:
    """Return -log p of known positives, -log(1 - p) of known negatives, 0 of unknown cells."""
    return by_state(targets, present=present_cost(logits), absent=absent_cost(logits), unknown=0.0)


def expectation_penalty(probability: Float[Tensor, "batch label"], expected: float) -> Float[Tensor, ""]:
    """Return ((mean over pictures of the sum of p - k) / C)^2, C classes, k positives expected in a picture."""
    pictures, classes = probability.shape
    return ((probability.sum() / max(1, pictures) - expected) / classes).square()


def expected_in(labels: PartialLabels, given: float | None) -> float:
    """Return how many positives a picture has: as ``given``, else by the share of positives among known cells.

    Raises:
        TagLensError: it is not given and no cell is known to be negative, or it is not above 0 and at most the number of classes.
    """
    counts, classes = labels.counts(), labels.shape[1]
    if given is None:
        positive, negative = int(counts.positive.sum()), int(counts.negative.sum())
        if not negative or not positive:
            raise TagLensError(
                "this loss must know how many positives a picture has, and the labels do not tell (known positives and negatives would); "
                "say it: --training.loss-options expected_positives 1.5 (published: VOC 2012 1.5, COCO 2.9, NUS-WIDE 1.9, CUB 31.4)"
            )
        return classes * positive / (positive + negative)
    if not 0 < given <= classes:
        raise TagLensError(
            f"expected_positives is a number of tags per picture above 0 and at most {classes} (the classes), came {given:g}"
        )
    return float(given)


def require(valid: bool, expected: str, came: object) -> None:
    """Raise TagLensError unless an option is ``valid``; ``expected`` says what it must be."""
    if not valid:
        raise TagLensError(f"expected {expected}, came {came}")
