"""A linear layer on the pooled vector: the row without language."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from taglens.backbones.text import TextEncoder
from taglens.errors import TagLensError
from taglens.labels.states import PartialLabels
from taglens.methods.base import Candidate, Classifier, Method, Scores, Setting, base_rate_logits
from taglens.methods.priors import LOGIT_DEVIATION, Standardise, prior_energy
from taglens.shapes import Features


@dataclass(frozen=True, kw_only=True)
class LinearProbe:
    """z_c = w_c . x + b_c, x the pooled unit vector, centred and scaled by the training pictures; w starts at zero.

    Source: the "vision-only" row of PositiveCoOp (WACV 2025).
    """

    prior: float = LOGIT_DEVIATION
    """Prior standard deviation of the logits, before any label."""

    tunable: ClassVar[tuple[Candidate, ...]] = (
        Candidate(),
        Candidate(options={"prior": 4.0}),
        Candidate(options={"prior": 1.0}),
        Candidate(rate=3),
        Candidate(options={"prior": 4.0}, rate=3),
        Candidate(options={"prior": 0.5}),
        Candidate(rate=1 / 3),
        Candidate(options={"prior": 8.0}, rate=3),
    )

    def __post_init__(self) -> None:
        if self.prior <= 0:
            raise TagLensError(f"the prior of linear_probe is a standard deviation above 0, came {self.prior}")

    def build(self, setting: Setting, text: TextEncoder) -> "LinearProbeMethod":
        """Make the layer."""
        return LinearProbeMethod(setting.channels, len(setting.classes), self.prior)


class LinearProbeMethod(Method):
    """See :class:`LinearProbe`."""

    def __init__(self, channels: int, labels: int, prior: float) -> None:
        super().__init__()
        self.prior = prior
        self.standardise = Standardise(channels)
        self.weight = nn.Parameter(torch.zeros(labels, channels))
        self.bias = nn.Parameter(torch.zeros(labels))

    def classifier(self, text: TextEncoder) -> Classifier:
        """Return nothing: no words are used."""
        return {}

    def start(self, batches: Iterable[Features], labels: PartialLabels, classifier: Classifier) -> None:
        """Measure the features' centre and scale; start at the base rates."""
        self.standardise.fit(features.pooled for features in batches)
        with torch.no_grad():
            self.bias.copy_(base_rate_logits(labels))

    def prior_energy(self) -> Tensor:
        """Return the Gaussian prior's share of the loss."""
        return prior_energy(self.weight, self.prior)

    def forward(self, features: Features, classifier: Classifier) -> Scores:
        """Score the pooled vectors."""
        standard: Tensor = self.standardise(features.pooled)
        return Scores(standard @ self.weight.T + self.bias, None)
