"""Learned prompt contexts against the pooled picture."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from taglens.backbones.text import TextEncoder
from taglens.labels.states import PartialLabels
from taglens.methods.base import Candidate, Classifier, Method, Scores, Setting, base_rate_logits
from taglens.prompts.contexts import PromptContexts
from taglens.shapes import Features


@dataclass(frozen=True, kw_only=True)
class CoOp:
    """z_c = exp(t) cos(f, g_c) + b_c, g_c the text vector of a prompt with learned context; sigmoid instead of CoOp's softmax.

    Source: Zhou et al., IJCV 2022.
    """

    per_class: bool = False
    """Every class has its own context, else all share one."""
    context_start: str = "a photo of a"
    """Words whose embeddings the contexts start from; empty: random."""
    context_length: int | None = None
    """Number of context vectors; default: as many as the start has tokens, 16 for a random start."""
    prompt_rate: float = 1.0
    """Learning rate of the contexts, relative to the configured rate."""

    tunable: ClassVar[tuple[Candidate, ...]] = (
        Candidate(),
        Candidate(rate=10),
        Candidate(rate=3),
        Candidate(rate=30),
        Candidate(rate=10, epochs=2),
        Candidate(rate=1 / 3),
        Candidate(rate=3, epochs=2),
        Candidate(epochs=2),
    )

    def build(self, setting: Setting, text: TextEncoder) -> "CoOpMethod":
        """Make the method with its starting contexts."""
        start = self.context_start or None
        contexts = PromptContexts(
            text, setting.prompt_names, per_class=self.per_class, start=start, context_length=self.context_length, seed=setting.seed
        )
        return CoOpMethod(contexts, len(setting.classes), setting.logit_scale, self.prompt_rate)


class CoOpMethod(Method):
    """See :class:`CoOp`."""

    def __init__(self, contexts: PromptContexts, labels: int, scale: float, prompt_rate: float) -> None:
        super().__init__()
        self.prompts = contexts
        self.prompt_rate = prompt_rate
        self.log_scale = nn.Parameter(torch.tensor(scale).log())
        self.bias = nn.Parameter(torch.zeros(labels))

    def classifier(self, text: TextEncoder) -> Classifier:
        """Return the unit text vectors (label, channel)."""
        return {"vectors": functional.normalize(text.encode(*self.prompts()), dim=-1)}

    def start(self, batches: Iterable[Features], labels: PartialLabels, classifier: Classifier) -> None:
        """Put the mean logit of each class at its base rate."""
        with torch.no_grad():
            self.bias.zero_()
            logits = torch.cat([self(features, classifier).logits for features in batches])
            self.bias.copy_(base_rate_logits(labels).to(logits) - logits.mean(0))

    def forward(self, features: Features, classifier: Classifier) -> Scores:
        """Score the pooled vectors."""
        cosine: Tensor = functional.normalize(features.pooled, dim=-1) @ classifier["vectors"].T
        return Scores(self.log_scale.exp() * cosine + self.bias, None)

    def parameter_groups(self, rate: float) -> Sequence[dict[str, Any]]:
        """Give the contexts their own rate, the scalars ten times the rate and no decay."""
        return [
            {"params": list(self.prompts.parameters()), "lr": self.prompt_rate * rate, "weight_decay": 0.0},
            {"params": [self.log_scale, self.bias], "lr": 10 * rate, "weight_decay": 0.0},
        ]
