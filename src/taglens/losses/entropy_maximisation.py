"""Unknown cells kept undecided ("EM"), and with pseudo labels for the surest negatives ("EM + APL")."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from taglens.labels.states import PartialLabels
from taglens.losses.base import LossSum, StatefulLoss, Step, sum_over_all
from taglens.losses.terms import absent_cost, by_state, present_cost, require, soft_cost
from taglens.shapes import Logits, Targets

UNSEEN = float("inf")
"""The remembered probability of a cell that was not seen in this epoch: it is never among the lowest."""


@dataclass(frozen=True, kw_only=True)
class EntropyMaximisation:
    """-log p of positives, -log(1 - p) of known negatives, -alpha H(p) of unknown cells, H the binary entropy in nats. Mean over all cells.

    Source: Zhou et al., ECCV 2022 (alpha 0.2 VOC, 0.1 COCO and NUS-WIDE, 0.01 CUB).
    """

    alpha: float = 0.2
    """Weight of the entropy."""

    def __post_init__(self) -> None:
        require(self.alpha >= 0, "an alpha of at least 0", self.alpha)

    def entries(self, logits: Logits, targets: Targets) -> Float[Tensor, "batch label"]:
        """Return the loss of each cell."""
        entropy = soft_cost(logits, torch.sigmoid(logits))
        return by_state(targets, present=present_cost(logits), absent=absent_cost(logits), unknown=-self.alpha * entropy)

    def __call__(self, logits: Logits, targets: Targets) -> LossSum:
        """Return the sum over all entries of logits (batch, label) and their number."""
        return sum_over_all(self.entries(logits, targets))


class EntropyMaximisationWithPseudoLabels(StatefulLoss):
    """Entropy maximisation with asymmetric pseudo labels: from the surest negatives only, and soft.

    After each epoch from ``warmup`` on, of every class the floor(share u / (T - warmup)) lowest-scored unknown cells (of u, in T epochs)
    become soft negatives for good: target t = their p then, loss beta CE(t, p) instead of -alpha H(p). Here p is what the cell scored in
    its step of that epoch; the authors make a pass of their own for it (inferred). Held-out pictures: without pseudo labels.
    Source: Zhou et al., ECCV 2022 (warm-up 5 of 10 epochs; beta 0.02 VOC, 0.9 COCO, 0.2 NUS-WIDE, 0.4 CUB; share 0.9).
    """

    remembers = True
    seen: Tensor
    pseudo: Tensor
    each: Tensor

    def __init__(self, labels: PartialLabels, *, alpha: float = 0.2, beta: float = 0.02, warmup: float = 5, share: float = 0.9) -> None:
        super().__init__()
        require(beta >= 0, "a beta of at least 0", beta)
        require(warmup >= 0 and warmup == int(warmup), "a warm-up of whole epochs", warmup)
        require(0 <= share <= 1, "a share in 0..1", share)
        self.base = EntropyMaximisation(alpha=alpha)
        self.beta, self.warmup, self.share = beta, int(warmup), share
        self.register_buffer("seen", torch.full(labels.shape, UNSEEN))
        self.register_buffer("pseudo", torch.full(labels.shape, -1.0))  # -1: none
        self.register_buffer("each", torch.from_numpy(labels.unknown.sum(0)))

    def forward(self, logits: Logits, targets: Targets) -> LossSum:
        """Return the loss without pseudo labels."""
        return self.base(logits, targets)

    def training_loss(self, logits: Logits, targets: Targets, step: Step) -> LossSum:
        """Return the loss of one batch and remember what its unknown cells scored."""
        with torch.no_grad():
            self.seen[step.places] = torch.where(targets < 0, torch.sigmoid(logits).to(self.seen.dtype), UNSEEN)
        pseudo = self.pseudo[step.places].to(logits.dtype)
        soft = self.beta * soft_cost(logits, pseudo.clamp(min=0))
        return sum_over_all(torch.where(pseudo >= 0, soft, self.base.entries(logits, targets)))

    @torch.no_grad()
    def end_epoch(self, step: Step) -> None:
        """Choose this epoch's pseudo labels from what was seen."""
        if self.warmup <= step.epoch + 1 < step.epochs:
            scores = torch.where(self.pseudo >= 0, UNSEEN, self.seen)
            most = (self.share * self.each / (step.epochs - self.warmup)).long()
            rank = scores.argsort(dim=0, stable=True).argsort(dim=0, stable=True)
            self.pseudo = torch.where((rank < most) & (scores < UNSEEN), scores, self.pseudo)
        self.seen.fill_(UNSEEN)
