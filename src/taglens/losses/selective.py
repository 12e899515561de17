"""Unknown cells are negative, except where they look or are likely to be positive ("CSL", partial asymmetric loss)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from taglens.errors import TrainingError
from taglens.labels.states import PartialLabels
from taglens.losses.base import LossSum, NeedsPrior, Step, sum_over_all
from taglens.losses.large_loss import largest
from taglens.losses.terms import absent_cost, by_state, present_cost, require
from taglens.shapes import Logits, Targets


class Selective(NeedsPrior):
    """Class-aware selective loss: -(1 - p)^g+ log p, -p^g- log(1 - p) of known negatives, -p^gu log(1 - p) of unknown cells.

    Left out are the ``likeliest`` * B unknown cells of the batch with the highest p, and all unknown cells of a class whose prior is above
    ``prior_limit``. The prior of a class is its mean probability over the training pictures by a recogniser that was trained on known
    cells only, the first pass; counts would tell who was asked, not what is there. The weights have no gradient; mean over all cells (the
    authors take the sum). Held-out pictures: only the prior leaves cells out.
    Source: Ben-Baruch et al., CVPR 2022 (g+ 0, g- 1, gu 2; 0, 1, 4 on COCO; ``prior_limit`` 0.05 for Open Images, 0.5 in their COCO runs).
    """

    remembers = True
    prior: Tensor

    def __init__(
        self,
        labels: PartialLabels,
        *,
        gamma_positive: float = 0.0,
        gamma_negative: float = 1.0,
        gamma_unknown: float = 2.0,
        likeliest: float = 5.0,
        prior_limit: float = 0.05,
    ) -> None:
        super().__init__()
        require(
            min(gamma_positive, gamma_negative, gamma_unknown) >= 0, "gammas of at least 0", (gamma_positive, gamma_negative, gamma_unknown)
        )
        require(likeliest >= 0, "at least 0 likeliest cells of a picture", likeliest)
        require(0 <= prior_limit <= 1, "a prior_limit in 0..1", prior_limit)
        self.gammas = (gamma_positive, gamma_negative, gamma_unknown)
        self.likeliest, self.prior_limit = likeliest, prior_limit
        self.register_buffer("prior", torch.full((labels.shape[1],), math.nan))

    def first_pass(self) -> tuple[str, dict[str, float]]:
        """Return name and options of the loss of the first pass: the same terms, known cells only."""
        return "partial_asymmetric", {"gamma_positive": self.gammas[0], "gamma_negative": self.gammas[1], "clip": 0.0}

    def set_prior(self, prior: Float[Tensor, " label"]) -> None:
        """Take over what the first pass found: the mean probability of each class."""
        self.prior.copy_(prior)

    def forward(self, logits: Logits, targets: Targets) -> LossSum:
        """Return the loss with the classes of a high prior left out."""
        return self._but(torch.zeros_like(targets, dtype=torch.bool), logits, targets)

    def training_loss(self, logits: Logits, targets: Targets, step: Step) -> LossSum:
        """Return the loss of one batch."""
        return self._but(largest(logits, targets < 0, math.ceil(self.likeliest * len(logits))), logits, targets)

    def _but(self, left_out: Tensor, logits: Logits, targets: Targets) -> LossSum:
        if torch.isnan(self.prior).any():
            raise TrainingError("the loss selective needs the classes' priors of its first pass: train with it, or call set_prior")
        with torch.no_grad():
            probability = torch.sigmoid(logits)
            positive, negative, unknown = ((1 - probability) ** self.gammas[0], *(probability**gamma for gamma in self.gammas[1:]))
            unknown = torch.where(left_out | (self.prior > self.prior_limit), 0.0, unknown)
        absent = absent_cost(logits)
        return sum_over_all(by_state(targets, present=positive * present_cost(logits), absent=negative * absent, unknown=unknown * absent))
