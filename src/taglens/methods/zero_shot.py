"""CLIP without training: pooled picture against hand-written prompts."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from taglens.backbones.text import TextEncoder
from taglens.errors import TagLensError
from taglens.labels.states import PartialLabels
from taglens.methods.base import Classifier, Method, Scores, Setting, base_rate_logits
from taglens.methods.priors import LOGIT_DEVIATION
from taglens.prompts.templates import TEMPLATES, ensemble
from taglens.shapes import Features, Logits

FEWEST_CLASSES = 3
"""Standardised over two classes, every picture would say 1 and -1."""


@dataclass(frozen=True, kw_only=True)
class ZeroShot:
    """z_c = scale cos(f, t_c) + b_c, t_c the mean text vector over templates; nothing is learned.

    b_c only sets where 50 % lies: half-way over the training pictures, shifted by the known share of positives. It ranks nothing.

    With ``standardise`` the cosines of each picture are standardised over the classes (mean 0, deviation 1), then those of each class over
    the training pictures, whose labels are not looked at: z_c = 2 (u_c - m_c) / d_c + b_c. A picture that fits every prompt well no longer
    leads in every class. Source: the two standardisations of SPARC, CVPR 2025, without its compound prompts and its fusion; there the
    second one is over the test pictures themselves, here over the training ones, so that a picture alone scores as in a set.
    """

    templates: tuple[str, ...] = TEMPLATES
    """Sentences with {} for the class name."""
    standardise: bool = False
    """Standardise cosines over classes and training pictures."""

    untuned: ClassVar[str] = "nothing to choose"

    def build(self, setting: Setting, text: TextEncoder) -> "ZeroShotMethod":
        """Encode the templates once.

        Raises:
            TagLensError: cosines are to be standardised over fewer than three classes.
        """
        if self.standardise and len(setting.classes) < FEWEST_CLASSES:
            raise TagLensError(f"zero_shot[standardise=true] needs {FEWEST_CLASSES} classes or more, came {len(setting.classes)}")
        vectors = ensemble(text.encode_texts, setting.prompt_names, self.templates)
        return ZeroShotMethod(vectors, setting.logit_scale, standardise=self.standardise)


class ZeroShotMethod(Method):
    """See :class:`ZeroShot`."""

    gradient_free = True
    vectors: Tensor
    bias: Tensor
    scale: Tensor
    centre: Tensor
    deviation: Tensor

    def __init__(self, vectors: Tensor, scale: float, *, standardise: bool = False) -> None:
        super().__init__()
        self.standardise = standardise
        self.register_buffer("vectors", vectors)
        self.register_buffer("bias", torch.zeros(len(vectors)))
        self.register_buffer("scale", torch.tensor(scale))
        if standardise:
            self.register_buffer("centre", torch.zeros(len(vectors)))
            self.register_buffer("deviation", torch.ones(len(vectors)))

    def classifier(self, text: TextEncoder) -> Classifier:
        """Return nothing: the text vectors are fixed."""
        return {}

    def start(self, batches: Iterable[Features], labels: PartialLabels, classifier: Classifier) -> None:
        """Measure the classes over the training pictures; put 50 % at the mean similarity plus the base rate's log-odds."""
        self.bias.zero_()
        similarities = torch.cat([self._similarity(features) for features in batches])
        if self.standardise:
            self.centre.copy_(similarities.mean(0))
            self.deviation.copy_(similarities.std(0, correction=0).clamp(min=1e-6))
        self.bias.copy_(base_rate_logits(labels).to(similarities) - self._logits(similarities).mean(0))

    def forward(self, features: Features, classifier: Classifier) -> Scores:
        """Score the pooled vectors."""
        return Scores(self._logits(self._similarity(features)) + self.bias, None)

    def _similarity(self, features: Features) -> Logits:
        """Return cosines, times the scale or standardised over the classes of each picture."""
        scaled = self.scale * functional.normalize(features.pooled, dim=-1) @ self.vectors.T
        if not self.standardise:
            return scaled
        centred = scaled - scaled.mean(-1, keepdim=True)
        return centred / centred.square().mean(-1, keepdim=True).sqrt().clamp(min=1e-6)

    def _logits(self, similarity: Logits) -> Logits:
        return LOGIT_DEVIATION * (similarity - self.centre) / self.deviation if self.standardise else similarity
