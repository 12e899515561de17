"""DualCoOp's pairs of prompts with a graph of similar class names behind the text encoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from taglens.backbones.text import TextEncoder
from taglens.errors import TagLensError
from taglens.methods.base import Candidate, Classifier, Method, Scores, Setting
from taglens.methods.dualcoop import DualCoOp, DualCoOpMethod
from taglens.prompts.templates import ensemble
from taglens.shapes import Features

NEIGHBOURS, SELF = 0.2, 0.8
"""What a class takes of its neighbours together, and of itself."""
SLOPE = 0.2
"""Of the leaky ReLU."""


@dataclass(frozen=True, kw_only=True)
class SCPNet:
    """t' = t + G3(lrelu(G2(lrelu(G1 t)))), G(x) = A x W, of both vectors t of each class; logits by DualCoOp's :func:`pair_logits`.

    A: cosines of CLIP's text vectors of the class names, the ``neighbours`` largest of each row without the class itself, scaled to the
    sum 0.2, and 0.8 on the diagonal. W: channels -> 2 channels -> 2 channels -> channels, without bias.

    *Reconstruction.* The form for partial labels is published in numbers only; this one has exactly its 3.4 M parameters (inferred): one
    graph for both vectors. W of G3 starts at zero, so that training starts from DualCoOp. The consistency of weak and strong views and
    the pseudo labels of the released single-positive form are left out, and the image encoder is frozen. That A's cosines are CLIP's text
    vectors is inferred from the published file. Source: Ding et al., CVPR 2023; its partial rows as DualCoOp's successors print them.
    """

    neighbours: int = 20
    """k; published: 62 COCO, 20 VOC, 50 NUS-WIDE."""
    context_length: int = 16
    """Number of context vectors of each prompt."""
    graph_rate: float = 0.1
    """Learning rate of the graph, relative to the configured rate; the contexts have that rate itself."""

    tunable: ClassVar[tuple[Candidate, ...]] = (
        Candidate(),
        Candidate(rate=3),
        Candidate(rate=10),
        Candidate(options={"graph_rate": 0.03}),
        Candidate(rate=3, epochs=2),
        Candidate(rate=1 / 3),
        Candidate(options={"graph_rate": 0.3}),
        Candidate(epochs=2),
    )

    def __post_init__(self) -> None:
        if self.neighbours < 1 or self.graph_rate < 0:
            raise TagLensError(f"scpnet needs at least 1 neighbour and a graph_rate of at least 0, came {self}")

    def build(self, setting: Setting, text: TextEncoder) -> "SCPNetMethod":
        """Make the prompts and the graph of the class names."""
        pair = DualCoOp(context_length=self.context_length).build(setting, text)
        adjacency = name_graph(ensemble(text.encode_texts, setting.prompt_names), self.neighbours)
        generator = torch.Generator().manual_seed(setting.seed)
        return SCPNetMethod(pair, adjacency, setting.channels, self.graph_rate, generator)


def name_graph(vectors: Float[Tensor, "label channel"], neighbours: int) -> Float[Tensor, "label label"]:
    """Return the matrix A of unit text vectors; a class alone is its own whole neighbourhood."""
    if len(vectors) == 1:
        return vectors.new_ones(1, 1)
    cosine = vectors @ vectors.T
    cosine.fill_diagonal_(-torch.inf)
    kept = cosine.topk(min(neighbours, len(vectors) - 1), dim=1)
    others = torch.zeros_like(cosine).scatter_(1, kept.indices, kept.values.clamp(min=1e-6))
    return NEIGHBOURS * others / others.sum(1, keepdim=True) + SELF * torch.eye(len(vectors), device=vectors.device)


class SCPNetMethod(Method):
    """See :class:`SCPNet`."""

    couples_classes = True
    adjacency: Tensor

    def __init__(self, pair: DualCoOpMethod, adjacency: Tensor, channels: int, graph_rate: float, generator: torch.Generator) -> None:
        super().__init__()
        self.pair, self.graph_rate = pair, graph_rate
        self.register_buffer("adjacency", adjacency, persistent=False)  # by the names, which a saved run has
        widths = (channels, 2 * channels, 2 * channels, channels)
        drawn = [torch.rand(one, other, generator=generator) for one, other in pairwise(widths[:3])]
        weights = [(2 * weight - 1) / weight.shape[1] ** 0.5 for weight in drawn]
        self.graph = nn.ParameterList([*weights, torch.zeros(widths[2], channels)])

    def classifier(self, text: TextEncoder) -> Classifier:
        """Return both unit text vectors of each class (label, channel), after the graph."""
        return {name: functional.normalize(self._related(vectors), dim=-1) for name, vectors in self.pair.classifier(text).items()}

    def _related(self, vectors: Float[Tensor, "label channel"]) -> Float[Tensor, "label channel"]:
        found = vectors
        for place, weight in enumerate(self.graph):
            found = self.adjacency @ (functional.leaky_relu(found, SLOPE) if place else found) @ weight
        return vectors + found

    def forward(self, features: Features, classifier: Classifier) -> Scores:
        """Score the regions."""
        scores: Scores = self.pair(features, classifier)
        return scores

    def parameter_groups(self, rate: float) -> Sequence[dict[str, Any]]:
        """Give the graph its own rate."""
        return [*self.pair.parameter_groups(rate), {"params": list(self.graph), "lr": self.graph_rate * rate}]
