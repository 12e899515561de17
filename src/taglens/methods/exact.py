"""The exact head: what ``training.exact`` infers, as weights that need no training picture."""

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from taglens.backbones.text import TextEncoder
from taglens.gaussian_process import rbf_kernel
from taglens.methods.base import Classifier, Method, Scores
from taglens.methods.deviation import LogitDeviation
from taglens.shapes import Attention, Features, Logits

LANDMARKS = 512
"""Landmarks of each RBF kernel, shared by all classes."""


class ExactHead(Method):
    """z_c = v_c . f_c / |f_c| + u_c . p + sum_k r_ck K(p, l_k) + sum_k s_ck K(f_c / |f_c|, m_k) + b_c

    p is the unit pooled vector, K an RBF kernel, and f_c = sum over positions of a_c(p) f_p with a_c = softmax of q_c . f_p / |f_p|: the
    query q_c is the class's text vector times ``sharpness``, plus what labels taught. Everything is a buffer: nothing has a gradient.

    Args:
        text_vectors: unit text vectors of the classes.
        sharpness: factor on the cosine in the attention.
        decoupling: whether classes look at their own positions; else at the pooled vector only.
        reattention: whether labels may teach where to look.
        rbf: whether there are RBF kernels beside the linear ones.
    """

    gradient_free = True
    text_vectors: Tensor
    queries: Tensor
    local: Tensor
    pooled: Tensor
    bias: Tensor
    landmarks: Tensor
    length: Tensor
    rbf: Tensor
    local_landmarks: Tensor
    local_length: Tensor
    local_rbf: Tensor

    def __init__(
        self, text_vectors: Float[Tensor, "label channel"], *, sharpness: float, decoupling: bool, reattention: bool, rbf: bool
    ) -> None:
        super().__init__()
        labels, channels = text_vectors.shape
        self.sharpness, self.decoupling, self.reattention, self.use_rbf = sharpness, decoupling, reattention, rbf
        near, local_near = LANDMARKS * rbf, LANDMARKS * (rbf and decoupling)
        for name, value in {
            "text_vectors": text_vectors,
            "queries": sharpness * text_vectors,
            "local": torch.zeros(labels, channels),
            "pooled": torch.zeros(labels, channels),
            "bias": torch.zeros(labels),
            "landmarks": torch.zeros(near, channels),
            "length": torch.ones(()),
            "rbf": torch.zeros(labels, near),
            "local_landmarks": torch.zeros(local_near, channels),
            "local_length": torch.ones(()),
            "local_rbf": torch.zeros(labels, local_near),
        }.items():
            self.register_buffer(name, value)
        self.deviation = LogitDeviation(labels, channels, near, local_near, decoupling=decoupling)

    def classifier(self, text: TextEncoder) -> Classifier:
        """Return nothing: the text vectors are among the weights."""
        return {}

    def forward(self, features: Features, classifier: Classifier) -> Scores:
        """Score a batch; the attention is None without decoupling."""
        pooled = functional.normalize(features.pooled, dim=-1)
        logits = pooled @ self.pooled.T + self.bias
        if self.use_rbf:
            logits = logits + _rbf(pooled, self.landmarks, self.length) @ self.rbf.T
        if not self.decoupling:
            return Scores(logits, None)
        attention = self.attention(features)
        local = functional.normalize(attention @ features.map, dim=-1)
        logits = logits + torch.einsum("bln,ln->bl", local, self.local)
        if self.use_rbf:
            logits = logits + torch.einsum("blm,lm->bl", _rbf(local, self.local_landmarks, self.local_length), self.local_rbf)
        return Scores(logits, attention)

    @property
    def has_deviations(self) -> bool:
        """Whether the weights say them: not those from before there were any."""
        return bool(self.deviation.known)

    def deviations(self, features: Features, classifier: Classifier) -> Logits:
        """Return the posterior standard deviation of each logit; see :mod:`taglens.methods.deviation`."""
        pooled = functional.normalize(features.pooled, dim=-1)
        near = _rbf(pooled, self.landmarks, self.length)
        if not self.decoupling:
            return cast(Logits, self.deviation(self.text_vectors, pooled, near))
        local = functional.normalize(self.attention(features) @ features.map, dim=-1)
        local_near = _rbf(local, self.local_landmarks, self.local_length)
        return cast(Logits, self.deviation(self.text_vectors, pooled, near, local, local_near))

    def attention(self, features: Features) -> Attention:
        """Return a_c, (batch, label, position), sum 1."""
        length = features.map.norm(dim=-1).clamp(min=1e-12)
        scores: Tensor = torch.einsum("bpn,ln->blp", features.map, self.queries) / length[:, None]
        return scores.softmax(-1)


def _rbf(vectors: Tensor, landmarks: Tensor, length: Tensor) -> Tensor:
    """Return the RBF kernel with a length that is a weight: divided out, so that a graph can hold it."""
    return rbf_kernel(vectors / length, landmarks / length, 1.0)
