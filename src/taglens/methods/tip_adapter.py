"""CLIP's words and a memory of the training pictures: nothing is trained, and unknown cells say nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from taglens.backbones.text import TextEncoder
from taglens.errors import TagLensError
from taglens.labels.states import PartialLabels
from taglens.methods.base import Classifier, Method, Scores, Setting, base_rate_logits
from taglens.prompts.templates import ensemble
from taglens.shapes import Features, Logits

STRENGTHS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
SHARPNESSES = (1.0, 3.0, 5.5, 10.0, 20.0, 40.0)
TEMPERATURES = (0.05, 0.1, 0.2, 0.4, 0.8)
"""What is tried where an option is not given; strength 0 is zero_shot."""
MOST_JUDGED = 2048
"""Pictures by which the three are chosen; all others are remembered just the same."""


@dataclass(frozen=True, kw_only=True)
class TipAdapter:
    """z_c = t (scale cos(x, t_c) + a scale [mean over P_c of k(x, x_i) - mean over N_c of k(x, x_i)]) + b_c, k = exp(-s (1 - x . x_i)).

    P_c and N_c are the training pictures that are known to show class c and known not to; a mean over none is 0. Strength a, sharpness s
    and temperature t are chosen by the loss of each known cell, its own picture left out of the memory; b_c is as in zero_shot.
    Source: Tip-Adapter, ECCV 2022, whose memory holds one class for each picture. The form with three states, means instead of sums, so
    that rare and common states weigh alike, and the way to choose are this project's. At most 16,384 pictures are remembered.
    """

    strength: float | None = None
    """a; none: chosen."""
    sharpness: float | None = None
    """s; none: chosen."""

    untuned: ClassVar[str] = "it chooses within its one fit"

    def __post_init__(self) -> None:
        for name, value in (("strength", self.strength), ("sharpness", self.sharpness)):
            if value is not None and value < 0:
                raise TagLensError(f"the {name} of tip_adapter is at least 0, came {value:g}")

    def build(self, setting: Setting, text: TextEncoder) -> "TipAdapterMethod":
        """Encode the words once; the memory is empty."""
        return TipAdapterMethod(ensemble(text.encode_texts, setting.prompt_names), setting.logit_scale, self)


class _Tried(NamedTuple):
    strength: float
    sharpness: float
    temperature: float


class TipAdapterMethod(Method):
    """See :class:`TipAdapter`."""

    gradient_free = True
    vectors: Tensor
    scale: Tensor
    bias: Tensor
    pictures: Tensor
    states: Tensor
    chosen: Tensor

    def __init__(self, vectors: Tensor, scale: float, config: TipAdapter) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("vectors", vectors)
        self.register_buffer("scale", torch.tensor(scale))
        self.register_buffer("bias", torch.zeros(len(vectors)))
        self.register_buffer("pictures", vectors.new_zeros(0, vectors.shape[1]))  # (picture, channel), unit vectors
        self.register_buffer("states", torch.zeros(len(vectors), 0, dtype=torch.int8))  # (label, picture): 1, 0, -1 unknown
        self.register_buffer("chosen", torch.tensor([0.0, SHARPNESSES[0], 1.0]))

    def classifier(self, text: TextEncoder) -> Classifier:
        """Return nothing: the text vectors are fixed."""
        return {}

    def forward(self, features: Features, classifier: Classifier) -> Scores:
        """Score the pooled vectors."""
        strength, sharpness, temperature = self.chosen
        unit = functional.normalize(features.pooled, dim=-1)
        found = unit @ self.vectors.T + strength * self._memory(unit @ self.pictures.T, sharpness)
        return Scores(temperature * self.scale * found + self.bias, None)

    def _memory(self, cosine: Float[Tensor, "batch picture"], sharpness: Tensor | float, own: Tensor | None = None) -> Logits:
        """Return the difference of the two means; ``own`` are the places in the memory of the pictures themselves, to be left out."""
        likeness = torch.exp(-sharpness * (1 - cosine))
        if own is not None:
            likeness[torch.arange(len(own)), own] = 0
        means = []
        for state in (1, 0):
            member = (self.states == state).to(likeness.dtype)
            count = member.sum(1) if own is None else member.sum(1) - member[:, own].T
            means.append(likeness @ member.T / count.clamp(min=1))
        return means[0] - means[1]

    def start(self, batches: Iterable[Features], labels: PartialLabels, classifier: Classifier) -> None:
        """Remember the pictures with a known cell and choose strength, sharpness and temperature."""
        unit = torch.cat([functional.normalize(features.pooled, dim=-1) for features in batches])
        states = torch.tensor(labels.values, device=unit.device)
        told = (states >= 0).any(1)
        self.pictures, self.states = unit[told], states[told].T.contiguous()
        base = base_rate_logits(labels).to(unit)
        tried = list(self._losses(base))
        self.chosen = self.chosen.new_tensor(min(tried, key=lambda one: one[1])[0])
        self.bias.zero_()
        self.bias.copy_(base - self(Features(unit[:, None], unit), classifier).logits.mean(0))

    def _losses(self, base: Float[Tensor, " label"]) -> Iterator[tuple[_Tried, float]]:
        """Yield the mean loss of known cells of some pictures, each judged by the memory of the others."""
        step = max(1, len(self.pictures) // MOST_JUDGED)
        own = torch.arange(0, len(self.pictures), step, device=self.pictures.device)
        unit, targets = self.pictures[own], self.states[:, own].T
        known, words, cosine = targets >= 0, unit @ self.vectors.T, unit @ self.pictures.T
        strengths = STRENGTHS if self.config.strength is None else (self.config.strength,)
        for sharpness in SHARPNESSES if self.config.sharpness is None else (self.config.sharpness,):
            memory = self._memory(cosine, sharpness, own)
            for strength, temperature in product(strengths, TEMPERATURES):
                logits = temperature * self.scale * (words + strength * memory)
                logits = logits - logits.mean(0) + base
                loss = functional.binary_cross_entropy_with_logits(logits[known], targets[known].to(logits.dtype))
                yield _Tried(strength, sharpness, temperature), float(loss)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *given: Any) -> None:
        """Make room for as many pictures as the saved memory holds."""
        for name in ("pictures", "states"):
            saved, present = state_dict.get(prefix + name), getattr(self, name)
            if saved is not None and saved.ndim == 2:
                setattr(self, name, present.new_zeros(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *given)
