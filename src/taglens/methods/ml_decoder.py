"""A decoder in which fixed queries look at the map: the head that engineers put on a backbone."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from taglens.backbones.text import TextEncoder
from taglens.errors import TagLensError
from taglens.labels.states import PartialLabels
from taglens.methods.base import Candidate, Classifier, Method, Scores, Setting, base_rate_logits
from taglens.shapes import Features

RATE = 1 / 30
"""Of the configured rate: 1e-4 where that is 3e-3, as published."""


@dataclass(frozen=True, kw_only=True)
class MLDecoder:
    """e_p = relu(W f_p); q fixed random; q <- LN(q); q <- LN(q + MHA(q, e, e)); q <- LN(q + FFN(q)); z_c = w_c . q_g(c) + b_c.

    There are min(C, groups) queries, each for a group of neighbouring classes, which have a weight vector w_c each; no self-attention, no
    words. Relative to the published head: f_p is brought to length sqrt(channels), since CLIP's maps are not of one scale, and b_c starts
    at the base rates. The schedule is this project's (theirs: Adam 1e-4, one cycle). Its published loss is the asymmetric one.
    Source: Ridnik et al., WACV 2023.
    """

    width: int = 768
    """Channels of the decoder."""
    heads: int = 8
    """Heads of the attention; they divide the width."""
    hidden: int = 2048
    """Channels inside the feed-forward part."""
    groups: int = 100
    """Most queries."""
    dropout: float = 0.1
    """Share of the values that a training step drops."""

    tunable: ClassVar[tuple[Candidate, ...]] = (
        Candidate(),
        Candidate(rate=3),
        Candidate(rate=1 / 3),
        Candidate(epochs=2),
        Candidate(rate=3, epochs=2),
        Candidate(options={"dropout": 0.3}),
        Candidate(rate=10),
        Candidate(options={"dropout": 0.3}, rate=3, epochs=2),
    )

    def __post_init__(self) -> None:
        if min(self.width, self.heads, self.hidden, self.groups) < 1 or self.width % self.heads or not 0 <= self.dropout < 1:
            raise TagLensError(f"ml_decoder needs sizes of at least 1, heads that divide the width and a dropout in 0..1, came {self}")

    def build(self, setting: Setting, text: TextEncoder) -> "MLDecoderMethod":
        """Make the decoder with seeded random weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setting.seed)
            return MLDecoderMethod(setting.channels, len(setting.classes), self)


class MLDecoderMethod(Method):
    """See :class:`MLDecoder`."""

    queries: Tensor

    def __init__(self, channels: int, labels: int, config: MLDecoder) -> None:
        super().__init__()
        width, groups = config.width, min(labels, config.groups)
        self.each = math.ceil(labels / groups)
        self.embed = nn.Linear(channels, width)
        self.register_buffer("queries", torch.randn(groups, width))
        self.attend = nn.MultiheadAttention(width, config.heads, dropout=config.dropout, batch_first=True)
        self.expand, self.contract = nn.Linear(width, config.hidden), nn.Linear(config.hidden, width)
        self.first, self.second, self.third = (nn.LayerNorm(width) for _ in range(3))
        self.drop = nn.Dropout(config.dropout)
        self.weight = nn.Parameter(torch.randn(labels, width) / math.sqrt(width))
        self.bias = nn.Parameter(torch.zeros(labels))

    def classifier(self, text: TextEncoder) -> Classifier:
        """Return nothing: no words are used."""
        return {}

    def start(self, batches: Iterable[Features], labels: PartialLabels, classifier: Classifier) -> None:
        """Start at the base rates."""
        with torch.no_grad():
            self.bias.copy_(base_rate_logits(labels))

    def forward(self, features: Features, classifier: Classifier) -> Scores:
        """Let the queries look at the map."""
        length = math.sqrt(features.map.shape[-1])
        regions = functional.relu(self.embed(length * functional.normalize(features.map, dim=-1)))
        asked = self.first(self.drop(self.queries)).expand(len(regions), -1, -1)
        seen, attention = self.attend(asked, regions, regions, average_attn_weights=True)
        found = self.second(asked + self.drop(seen))
        found = self.third(found + self.drop(self.contract(self.drop(functional.relu(self.expand(found))))))
        group = torch.arange(len(self.bias), device=found.device) // self.each
        return Scores((found[:, group] * self.weight).sum(-1) + self.bias, attention[:, group])

    def parameter_groups(self, rate: float) -> Sequence[dict[str, Any]]:
        """Give all weights the published rate."""
        return [{"params": list(self.parameters()), "lr": RATE * rate}]
