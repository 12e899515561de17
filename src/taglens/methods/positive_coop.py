"""A learned positive prompt and a free negative vector per class, compared region by region."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from taglens.backbones.text import TextEncoder
from taglens.methods.base import Classifier, Method, Scores, Setting
from taglens.methods.dualcoop import DualCoOp, pair_logits
from taglens.prompts.contexts import PromptContexts
from taglens.prompts.templates import ensemble
from taglens.shapes import Features


@dataclass(frozen=True, kw_only=True)
class PositiveCoOp:
    """The positive side is a learned prompt, the negative side a vector in the joint space that no text encoder made.

    Relative to the paper: the negative vectors start at the mean text vector of all classes (plus noise that tells them apart), not at
    random, so that the pair starts balanced. Source: PositiveCoOp (Rawlekar et al., WACV 2025).
    """

    per_class: bool = True
    """Every class has its own context, else all share one."""
    context_length: int = 16
    """Number of context vectors, which start at random (standard deviation 0.02)."""
    prompt_rate: float = 0.1
    """Learning rate of the contexts, relative to the configured rate."""

    tunable = DualCoOp.tunable

    def build(self, setting: Setting, text: TextEncoder) -> "PositiveCoOpMethod":
        """Make the method with its starting contexts and negative vectors."""
        contexts = PromptContexts(
            text, setting.prompt_names, per_class=self.per_class, start=None, context_length=self.context_length, seed=setting.seed
        )
        mean = ensemble(text.encode_texts, setting.prompt_names).mean(0)
        noise = torch.randn(len(setting.classes), len(mean), generator=torch.Generator().manual_seed(setting.seed))
        return PositiveCoOpMethod(contexts, mean + 0.01 * len(mean) ** -0.5 * noise.to(mean), self.prompt_rate)


class PositiveCoOpMethod(Method):
    """See :class:`PositiveCoOp`."""

    def __init__(self, contexts: PromptContexts, negative: Tensor, prompt_rate: float) -> None:
        super().__init__()
        self.prompts, self.prompt_rate = contexts, prompt_rate
        self.negative = nn.Parameter(negative)

    def classifier(self, text: TextEncoder) -> Classifier:
        """Return the unit text vectors (label, channel) of the positive prompts."""
        return {"positive": functional.normalize(text.encode(*self.prompts()), dim=-1)}

    def forward(self, features: Features, classifier: Classifier) -> Scores:
        """Score the regions."""
        return pair_logits(features.map, classifier["positive"], functional.normalize(self.negative, dim=-1))

    def parameter_groups(self, rate: float) -> Sequence[dict[str, Any]]:
        """Give the contexts their own rate, without decay towards zero embeddings."""
        return [
            {"params": list(self.prompts.parameters()), "lr": self.prompt_rate * rate, "weight_decay": 0.0},
            {"params": [self.negative], "lr": rate, "weight_decay": 0.0},
        ]
