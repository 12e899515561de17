"""Semantic decoupling: each class attends to its own positions of the feature map."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from taglens.decoupling.kernels import score_kernel
from taglens.errors import TagLensError
from taglens.shapes import Attention, FeatureMap, Known


class Decoupled(NamedTuple):
    """One vector and one heatmap for each class of each picture."""

    features: Float[Tensor, "batch label channel"]
    attention: Attention


class SemanticDecoupling(nn.Module):
    """Give each class its own weighted mean of the feature map.

    s(c, p) = w . tanh((W1 f_p) * (W2 x_c)) [+ exp(tau) cos(f_p, t_c)]
    a(c, p) = softmax over p of s(c, p);   f_c = sum over p of a(c, p) f_p

    ``anchor`` t_c, CLIP's text vectors (label, channel), adds the bracket: training then starts at CLIP's own similarity map with w = 0,
    a zero residual. Without it (plain, the published form) w starts at random.
    Relative to the paper: W1, W2 are ``project_features`` and ``project_guide``, w is ``weight``.
    Source: SSGRL, ICCV 2019; arXiv 2412.10843 (reconstruction).
    """

    def __init__(
        self,
        channels: int,
        guide_channels: int,
        *,
        hidden: int = 512,
        anchor: Float[Tensor, "label channel"] | None = None,
        sharpness: float = 30.0,
        residual: str = "zero",
        kernel: str = "auto",
    ) -> None:
        super().__init__()
        self.project_features = nn.Linear(channels, hidden, bias=False)
        self.project_guide = nn.Linear(guide_channels, hidden, bias=False)
        self.weight = nn.Parameter(torch.zeros(hidden))
        if residual == "random":
            nn.init.normal_(self.weight, std=hidden**-0.5)
        elif residual != "zero":
            raise TagLensError(f"residual must be 'zero' or 'random', came {residual!r}")
        self.anchor: Tensor | None
        self.register_buffer("anchor", None if anchor is None else nn.functional.normalize(anchor, dim=-1))
        self.log_sharpness = None if anchor is None else nn.Parameter(torch.tensor(sharpness).log())
        self.kernel = kernel

    @classmethod
    def from_ssgrl(cls, state: Mapping[str, Tensor], *, kernel: str = "auto") -> "SemanticDecoupling":
        """Take the published form's weights: fc1.weight, fc2.weight, fc3.weight, fc3.bias, fc4.weight, fc4.bias.

        fc3 and fc4 fold into one vector, exactly; their biases drop out of the softmax.

        Raises:
            TagLensError: a weight is missing or the shapes do not fit each other.
        """
        expected = ["fc1.weight", "fc2.weight", "fc3.weight", "fc3.bias", "fc4.weight", "fc4.bias"]
        missing = [name for name in expected if name not in state]
        if missing:
            raise TagLensError(f"not SSGRL's semantic decoupling: {', '.join(missing)} missing; expected {', '.join(expected)}")
        first, second = state["fc1.weight"], state["fc2.weight"]
        hidden, channels = first.shape
        if second.shape[0] != hidden or state["fc3.weight"].shape[1] != hidden or state["fc4.weight"].shape[1] != len(state["fc3.weight"]):
            raise TagLensError(f"SSGRL weights do not fit each other: { {name: tuple(state[name].shape) for name in expected} }")
        layer = cls(channels, second.shape[1], hidden=hidden, kernel=kernel)
        with torch.no_grad():
            layer.project_features.weight.copy_(first)
            layer.project_guide.weight.copy_(second)
            layer.weight.copy_((state["fc4.weight"] @ state["fc3.weight"])[0])
        return layer

    def scores(self, features: FeatureMap, guide: Float[Tensor, "label guide_channel"], known: Known | None = None) -> Attention:
        """Return s (batch, label, position), before the softmax; see :meth:`forward`."""
        kernel = score_kernel(self.kernel, features.device)
        scores = kernel(self.project_features(features), self.project_guide(guide), self.weight, known)
        if self.anchor is None or self.log_sharpness is None:
            return scores
        # the cosine divides (batch, label, position) values, not the map, which is larger
        similarity: Tensor = torch.einsum("bpn,ln->blp", features, self.anchor) / features.norm(dim=-1).clamp(min=1e-12)[:, None]
        return scores + self.log_sharpness.exp() * similarity

    def forward(self, features: FeatureMap, guide: Float[Tensor, "label guide_channel"], known: Known | None = None) -> Decoupled:
        """Return the class features (batch, label, channel) and the attention (batch, label, position), which sums to 1.

        Where a label is not ``known`` they may be anything finite: a kernel need not compute its scores.
        """
        attention = self.scores(features, guide, known).softmax(dim=-1)
        return Decoupled(attention @ features, attention)
