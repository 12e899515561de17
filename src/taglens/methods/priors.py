"""What is believed before labels speak: Gaussian priors of class vectors and of the scales of the names' similarities.

Vectors are unit vectors, centred and scaled by the training pictures, so that one learning rate and one prior suit every backbone.
"""

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float, Int8
from torch import Tensor, nn
from torch.nn import functional

STEP_EFFECT = 180.0
"""Sum of absolute values of a standardised vector, about; the learning rates are tuned for this constant."""

LOGIT_DEVIATION = 2.0
"""Prior standard deviation of the logits of a free vector."""

CLASS_SPREAD = 0.5
"""Prior standard deviation of a class's scale around the scale of all classes."""


def standard_length(channels: int) -> float:
    """Return the root mean square length of standardised vectors with that many channels.

    An optimiser of Adam's kind moves every weight by about the learning rate, so that a logit moves by the rate times the sum of the
    vector's absolute values, which is about length x sqrt(channels): kept the same for every backbone.
    """
    return STEP_EFFECT / math.sqrt(channels)


def prior_energy(weights: Float[Tensor, "label channel"], deviation: float = LOGIT_DEVIATION) -> Float[Tensor, ""]:
    """Return minus the log prior of weights on standardised vectors: their logits have that standard deviation, about, before any label.

    Few known labels cannot pull a vector of hundreds of channels far from zero, many can: the labels themselves set how much is learned.
    """
    length = standard_length(weights.shape[-1])
    return (length / deviation) ** 2 * weights.square().sum() / 2


class Standardise(nn.Module):
    """x = length (f / |f| - centre) / spread,  length as in :func:`standard_length`.

    CLIP's picture vectors share a large common part that carries no information; taking it out conditions a linear layer well.
    ``centre`` (channel,) is the mean of the training pictures' unit vectors, ``spread`` the root mean square of what is left.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(channels))
        self.register_buffer("spread", torch.ones(()))

    def fit(self, batches: Iterable[Float[Tensor, "batch channel"]]) -> None:
        """Measure centre and spread; labels are not looked at."""
        unit = torch.cat([functional.normalize(batch, dim=-1) for batch in batches])
        self.centre.copy_(unit.mean(0))
        self.spread.copy_((unit - self.centre).square().sum(-1).mean().sqrt().clamp(min=1e-6))

    def forward(self, vectors: Float[Tensor, "*batch channel"]) -> Float[Tensor, "*batch channel"]:
        """Return the standardised vectors."""
        return (functional.normalize(vectors, dim=-1) - self.centre) * (standard_length(vectors.shape[-1]) / self.spread)


def fit_scales(
    similarity: Float[Tensor, "image label"], targets: Int8[Tensor, "image label"], bias: Float[Tensor, " label"]
) -> tuple[Float[Tensor, " label"], Float[Tensor, " label"]]:
    """Return scales and biases of the logistic regression z = scale_c similarity + bias_c on the known labels.

    They say how far CLIP's knowledge of the class names can be trusted, before training starts.
    A hierarchical prior does what few labels need: each scale lies around the one of all classes (standard deviation 0.5), each bias
    around its base rate (1). With names that mean nothing the common scale comes out near 0, with good names near or above 1.
    The objective is convex; L-BFGS solves it. No scale is below 0: a name is never evidence against its class.

    Args:
        similarity: similarities to the class names, standardised.
        targets: 1 positive, 0 negative, -1 unknown.
        bias: log-odds of the classes' base rates, for similarity 0.
    """
    labels = len(bias)
    values = torch.zeros(1 + 2 * labels, dtype=torch.float64, requires_grad=True)
    similarity, start, known = similarity.double(), bias.double(), targets >= 0
    positive = (targets == 1).double()

    def unpack() -> tuple[Tensor, Tensor]:
        common, own, shift = torch.split(values, [1, labels, labels])
        return common + CLASS_SPREAD * own, start + shift

    def objective() -> Tensor:
        optimizer.zero_grad()
        scale, offset = unpack()
        entries = functional.binary_cross_entropy_with_logits(scale * similarity + offset, positive, reduction="none")
        total: Tensor = torch.where(known, entries, 0.0).sum() + 0.5 * values[1:].square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer = torch.optim.LBFGS([values], max_iter=100, line_search_fn="strong_wolfe")
    with torch.enable_grad():
        optimizer.step(objective)  # type: ignore[no-untyped-call]
    scale, offset = (part.detach().float() for part in unpack())
    return scale.clamp(min=0), offset
