"""The one interface of all methods: features of a batch in, one logit per class out."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from taglens.backbones.text import TextEncoder
from taglens.labels.states import PartialLabels
from taglens.shapes import Attention, Features, Known, Logits

Classifier: TypeAlias = Mapping[str, Tensor]
"""Everything of a method that depends on the classes only: computed once per step in training, once in all for predictions."""


class Scores(NamedTuple):
    """What a method says of a batch. Logits stay inside the model: see ``Recognizer`` for probabilities."""

    logits: Logits
    attention: Attention | None
    """Weights of the positions for each class, sum 1; None for methods that look at the pooled vector only."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """What a method is built for."""

    classes: tuple[str, ...]
    """Class names as in the table."""
    prompt_names: tuple[str, ...]
    """Class names as they are written into prompts."""
    channels: int
    """Channels of the joint space."""
    logit_scale: float
    """The factor on cosines that the backbone was trained with."""
    seed: int = 0
    """Seed of random starts."""
    guide: Float[Tensor, "label guide_channel"] | None = None
    """Guide vectors that are at hand already, as in a saved run; None: read or encode them."""


class Method(nn.Module, ABC):
    """A recogniser's head over frozen features; subclasses are final and share by composition."""

    gradient_free = False
    """Whether there is nothing to train."""
    couples_classes = False
    """Whether a class's own weights also serve others, as through a graph: then labels of one teach the weights of another."""

    @abstractmethod
    def classifier(self, text: TextEncoder) -> Classifier:
        """Run the text encoder; differentiable with respect to the prompts."""

    @abstractmethod
    def forward(self, features: Features, classifier: Classifier) -> Scores:
        """Score a batch."""

    def training_logits(self, features: Features, classifier: Classifier, known: Known | None) -> Logits:
        """Return the logits of a training batch; a method may leave out the work for those that are not ``known``. This one does not."""
        return cast(Scores, self(features, classifier)).logits

    @property
    def has_deviations(self) -> bool:
        """Whether there are :meth:`deviations`; not here."""
        return False

    def deviations(self, features: Features, classifier: Classifier) -> Logits:
        """Return the standard deviation of each logit given the labels."""
        raise NotImplementedError

    def start(self, batches: Iterable[Features], labels: PartialLabels, classifier: Classifier) -> None:
        """Set starting values from training pictures and their labels, row by row, without gradients; the default needs none."""

    def prior_energy(self) -> Tensor:
        """Return minus the log prior of the weights, in the unit of one label's loss; training adds it once to the sum over labels."""
        return torch.zeros(())

    def parameter_groups(self, rate: float) -> Sequence[dict[str, Any]]:
        """Return the optimiser's groups; ``rate`` is the configured learning rate."""
        return [{"params": [parameter for parameter in self.parameters() if parameter.requires_grad], "lr": rate}]


class MethodConfig(Protocol):
    """The configuration of a method: a frozen dataclass beside it."""

    def build(self, setting: Setting, text: TextEncoder) -> Method:
        """Make the method with its starting weights."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Settings that a sweep may choose for a method by held-out training labels; what is left out stays as it was asked for."""

    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the method."""
    rate: float = 1.0
    """Factor on the learning rate."""
    epochs: float = 1.0
    """Factor on the epochs."""


def tunable(config: MethodConfig) -> tuple[Candidate, ...]:
    """Return the candidates that a configuration lists as ``tunable``: the default first, then what to try first where fits are few."""
    return tuple(getattr(config, "tunable", ()))


def untuned(config: MethodConfig) -> str:
    """Return why a configuration has no candidates, in its own words if it has an ``untuned``."""
    return str(getattr(config, "untuned", "it offers no candidates"))


def base_rate_logits(labels: PartialLabels) -> Float[Tensor, " label"]:
    """Return each class's starting bias: the log-odds of its known positives, shrunk towards the rate of all classes.

    Two known labels' worth of the overall rate are added to each class, so that a class without known positives stays finite.
    """
    counts = labels.counts()
    positive, known = (torch.from_numpy(count).double() for count in (counts.positive, counts.positive + counts.negative))
    overall = (positive.sum() + 0.5) / (known.sum() + 1)
    return torch.logit((positive + 2 * overall) / (known + 2), eps=1e-4).float()
