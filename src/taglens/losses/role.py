"""Labels that are learned beside the recogniser ("ROLE")."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from taglens.labels.states import PartialLabels
from taglens.losses.base import LossSum, StatefulLoss, Step
from taglens.losses.expected_positive_regularisation import ExpectedPositiveRegularisation
from taglens.losses.terms import expectation_penalty, expected_in, observed_cost, soft_cost
from taglens.shapes import Logits, Targets

UNSURE, SURE = 0.6, 0.995
"""Starting labels: unknown cells between 1 - UNSURE and UNSURE, known ones at SURE or 1 - SURE (logits of them are stored)."""


class Role(StatefulLoss):
    """Regularised online label estimation: the recogniser p and a table of labels g = sigmoid(G) teach each other.

    L = 1/2 [obs(p) + R(p) + CE(sg(g), p)] + 1/2 [obs(g) + R(g) + CE(sg(p), g)], CE(a, b) = -(a log b + (1 - a) log(1 - b)),
    obs(x) = -log x of known positives (and, here, -log(1 - x) of known negatives), R the penalty of expected positives, sg no gradient.

    G (training picture, label) starts uniform in logit(0.4)..logit(0.6) where unknown, and learns at ten times the rate without weight
    decay. Held-out pictures have no G: their loss is obs(p) + R(p). Its "LinearInit" form is what training on stored features is.
    Source: Cole et al., CVPR 2021; that obs enters once in each half is read from the paper's L_EPR (from memory, not verified).
    """

    remembers = True

    def __init__(self, estimate: Float[Tensor, "image label"], expected_positives: float, rate_factor: float) -> None:
        super().__init__()
        self.estimate = nn.Parameter(estimate)
        self.expected_positives, self.rate_factor = expected_positives, rate_factor

    @classmethod
    def for_labels(cls, labels: PartialLabels, *, expected_positives: float | None = None, rate_factor: float = 10.0) -> "Role":
        """Make the loss with a starting label for every cell of ``labels``; torch's own random numbers draw the unknown ones.

        Raises:
            TagLensError: how many positives a picture has is neither given nor known, or out of range.
        """
        unsure, sure = (math.log(p / (1 - p)) for p in (UNSURE, SURE))
        known = torch.tensor(labels.values)
        start = unsure * (2 * torch.rand(labels.shape) - 1)
        start = torch.where(known < 0, start, torch.where(known == 1, sure, -sure))
        return cls(start, expected_in(labels, expected_positives), rate_factor)

    def forward(self, logits: Logits, targets: Targets) -> LossSum:
        """Return the recogniser's own half without the learned labels."""
        return ExpectedPositiveRegularisation(expected_positives=self.expected_positives)(logits, targets)

    def training_loss(self, logits: Logits, targets: Targets, step: Step) -> LossSum:
        """Return the loss of one batch, differentiable with respect to logits and to the labels of its pictures."""
        estimate = self.estimate[step.places].to(logits.dtype)
        halves = [self._half(one, torch.sigmoid(other).detach(), targets) for one, other in ((logits, estimate), (estimate, logits))]
        return LossSum((halves[0] + halves[1]) / 2, logits.new_tensor(logits.numel()))

    def _half(self, logits: Logits, teacher: Float[Tensor, "batch label"], targets: Targets) -> Float[Tensor, ""]:
        penalty = logits.numel() * expectation_penalty(torch.sigmoid(logits), self.expected_positives)
        return observed_cost(logits, targets).sum() + soft_cost(logits, teacher).sum() + penalty

    def parameter_groups(self, rate: float) -> Sequence[dict[str, Any]]:
        """Return the labels' own rate."""
        return [{"params": [self.estimate], "lr": self.rate_factor * rate, "weight_decay": 0.0}]
