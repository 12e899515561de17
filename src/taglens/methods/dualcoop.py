"""A positive and a negative learned prompt per class, compared region by region."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from taglens.backbones.text import TextEncoder
from taglens.methods.base import Candidate, Classifier, Method, Scores, Setting
from taglens.prompts.contexts import PromptContexts
from taglens.shapes import FeatureMap, Features

SIMILARITY_SCALE = 20.0
"""Factor on the cosine at each position."""
LOGIT_SCALE = 5.0
"""Factor on the weighted mean of the positions."""


@dataclass(frozen=True, kw_only=True)
class DualCoOp:
    """A pair of prompts per class; logit and aggregation as in :func:`pair_logits`.

    Its published loss is ``partial_asymmetric``. Source: Sun et al., NeurIPS 2022.
    """

    per_class: bool = True
    """Every class has its own pair of contexts, else all share one pair."""
    context_length: int = 16
    """Number of context vectors, which start at random (standard deviation 0.02)."""
    prompt_rate: float = 1.0
    """Learning rate of the contexts, relative to the configured rate."""

    tunable: ClassVar[tuple[Candidate, ...]] = (
        Candidate(),
        Candidate(rate=3),
        Candidate(rate=10),
        Candidate(rate=1 / 3),
        Candidate(rate=3, epochs=2),
        Candidate(rate=1 / 3, epochs=2),
        Candidate(rate=10, epochs=2),
        Candidate(epochs=2),
    )

    def build(self, setting: Setting, text: TextEncoder) -> "DualCoOpMethod":
        """Make the method with its starting contexts."""
        pair = [
            PromptContexts(
                text,
                setting.prompt_names,
                per_class=self.per_class,
                start=None,
                context_length=self.context_length,
                seed=2 * setting.seed + sign,
            )
            for sign in (0, 1)
        ]
        return DualCoOpMethod(pair[0], pair[1], self.prompt_rate)


class DualCoOpMethod(Method):
    """See :class:`DualCoOp`."""

    def __init__(self, positive: PromptContexts, negative: PromptContexts, prompt_rate: float) -> None:
        super().__init__()
        self.positive, self.negative, self.prompt_rate = positive, negative, prompt_rate

    def classifier(self, text: TextEncoder) -> Classifier:
        """Return the unit text vectors (label, channel) of both prompts, encoded in one pass."""
        positive, negative = self.positive(), self.negative()
        vectors = text.encode(torch.cat([positive.embeddings, negative.embeddings]), torch.cat([positive.end, negative.end]))
        first, second = functional.normalize(vectors, dim=-1).chunk(2)
        return {"positive": first, "negative": second}

    def forward(self, features: Features, classifier: Classifier) -> Scores:
        """Score the regions."""
        return pair_logits(features.map, classifier["positive"], classifier["negative"])

    def parameter_groups(self, rate: float) -> Sequence[dict[str, Any]]:
        """Give the contexts their own rate, without decay towards zero embeddings."""
        return [{"params": list(self.parameters()), "lr": self.prompt_rate * rate, "weight_decay": 0.0}]


def pair_logits(features: FeatureMap, positive: Float[Tensor, "label channel"], negative: Float[Tensor, "label channel"]) -> Scores:
    """Compare each region with two vectors per class.

    s+(p, c) = 20 cos(f_p, g+_c), s- likewise;  a(c, p) = softmax over p of s+;  z+ = 5 sum over p of a s+, z- = 5 sum over p of a s-

    The softmax over the pair (z-, z+) is the sigmoid of z+ - z-, which is returned as the logit; the positive scores weight both.
    Relative to the published code: its extra position (the mean token) is left out.
    Source: DualCoOp (Sun et al., NeurIPS 2022).
    """
    regions = functional.normalize(features, dim=-1)
    scores = SIMILARITY_SCALE * torch.einsum("bpn,sln->sblp", regions, torch.stack([positive, negative]))
    attention = scores[0].softmax(dim=-1)
    sums = LOGIT_SCALE * (attention * scores).sum(-1)
    return Scores(sums[0] - sums[1], attention)
