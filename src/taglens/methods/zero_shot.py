"""CLIP without training: pooled picture against hand-written prompts."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from taglens.backbones.text import TextEncoder
from taglens.labels.states import PartialLabels
from taglens.methods.base import Classifier, Method, Scores, Setting, base_rate_logits
from taglens.prompts.templates import TEMPLATES, ensemble
from taglens.shapes import Features


@dataclass(frozen=True, kw_only=True)
class ZeroShot:
    """z_c = scale cos(f, t_c) + b_c, t_c the mean text vector over templates; nothing is learned.

    b_c only sets where 50 % lies: half-way over the training pictures, shifted by the known share of positives. It ranks nothing.
    """

    templates: tuple[str, ...] = TEMPLATES
    """Sentences with {} for the class name."""

    untuned: ClassVar[str] = "nothing to choose"

    def build(self, setting: Setting, text: TextEncoder) -> "ZeroShotMethod":
        """Encode the templates once."""
        return ZeroShotMethod(ensemble(text.encode_texts, setting.prompt_names, self.templates), setting.logit_scale)


class ZeroShotMethod(Method):
    """See :class:`ZeroShot`."""

    gradient_free = True
    vectors: Tensor
    bias: Tensor
    scale: Tensor

    def __init__(self, vectors: Tensor, scale: float) -> None:
        super().__init__()
        self.register_buffer("vectors", vectors)
        self.register_buffer("bias", torch.zeros(len(vectors)))
        self.register_buffer("scale", torch.tensor(scale))

    def classifier(self, text: TextEncoder) -> Classifier:
        """Return nothing: the text vectors are fixed."""
        return {}

    def start(self, batches: Iterable[Features], labels: PartialLabels, classifier: Classifier) -> None:
        """Put 50 % at the mean similarity plus the base rate's log-odds."""
        self.bias.zero_()
        logits = torch.cat([self(features, classifier).logits for features in batches])
        self.bias.copy_(base_rate_logits(labels).to(logits) - logits.mean(0))

    def forward(self, features: Features, classifier: Classifier) -> Scores:
        """Score the pooled vectors."""
        return Scores(self.scale * functional.normalize(features.pooled, dim=-1) @ self.vectors.T + self.bias, None)
