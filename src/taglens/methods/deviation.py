"""How far a logit may be from its posterior mean: a Gaussian process's variance, without its training pictures.

With phi_c(x) the features of a class's kernel, C their projection on a basis that all classes share, and a(x) = [1 | name | C(x)],

    variance = |R_c a(x)|^2 + k_c(x, x) - |a(x)|^2,   R_c' R_c = (I + sum over cells of w a a')^-1,   w = 1 / (1 / W + k_c - |a|^2):

what the basis does not see of a picture keeps its prior variance, and was noise in the labels of the others. So where the basis is blind,
the variance is too large rather than too small, and far from all training pictures it is the prior's.

Source: Snelson and Ghahramani, "Sparse Gaussian processes using pseudo-inputs", NIPS 2005 (FITC), with a basis for the pseudo-inputs.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

BASIS = 96
"""Vectors of the basis: with more the deviation changed by less than 2 % (docs/log.md)."""


class LogitDeviation(nn.Module):
    """The weights of what is above, for pictures given as unit vectors; ``known`` is false until somebody wrote them.

    Args:
        labels: number of classes.
        channels: of the unit vectors.
        near: features of the RBF kernel on pooled vectors; 0 without it.
        local_near: the same on decoupled vectors.
        decoupling: whether there are decoupled vectors.
    """

    known: Tensor
    root: Tensor
    name: Tensor
    local_name: Tensor
    pooled_name: Tensor
    pooled_centre: Tensor
    pooled_scale: Tensor
    pooled: Tensor
    rbf: Tensor
    local_centre: Tensor
    local_scale: Tensor
    local: Tensor
    local_rbf: Tensor
    rbf_variance: Tensor

    def __init__(self, labels: int, channels: int, near: int, local_near: int, *, decoupling: bool) -> None:
        super().__init__()
        local = labels * decoupling
        size = BASIS + 2
        for part, value in {
            "known": torch.zeros((), dtype=torch.bool),
            # positive terms alone are added up, so that half precision costs the deviation no more than its own
            "root": torch.eye(size, dtype=torch.float16).repeat(labels, 1, 1),
            # name_c(x) = local_name (f . t) + pooled_name (p . t) + name, in units of its prior deviation
            "name": torch.zeros(labels),
            "local_name": torch.zeros(labels),
            "pooled_name": torch.zeros(labels),
            "pooled_centre": torch.zeros(channels),
            "pooled_scale": torch.zeros(()),
            "pooled": torch.zeros(channels, BASIS),
            "rbf": torch.zeros(near, BASIS),
            "local_centre": torch.zeros(local, channels),
            "local_scale": torch.zeros(local),
            "local": torch.zeros(channels * decoupling, BASIS),
            "local_rbf": torch.zeros(local_near, BASIS),
            "rbf_variance": torch.zeros(()),
        }.items():
            self.register_buffer(part, value)
        self.register_load_state_dict_pre_hook(_as_it_is)  # type: ignore[no-untyped-call]

    def forward(
        self,
        text: Float[Tensor, "label channel"],
        pooled: Float[Tensor, "batch channel"],
        pooled_rbf: Float[Tensor, "batch landmark"],
        local: Float[Tensor, "batch label channel"] | None = None,
        local_rbf: Float[Tensor, "batch label landmark"] | None = None,
    ) -> Float[Tensor, "batch label"]:
        """Return the standard deviation of each logit, from unit vectors and the kernels of these with the landmarks."""
        own = self.pooled_scale * (pooled - self.pooled_centre)
        codes = (own @ self.pooled + pooled_rbf @ self.rbf)[:, None]
        prior = (own.square().sum(-1) + self.rbf_variance)[:, None]
        name = self.pooled_name * (pooled @ text.T) + self.name
        if local is not None and local_rbf is not None:
            seen = self.local_scale[:, None] * (local - self.local_centre)
            codes = codes + seen @ self.local + local_rbf @ self.local_rbf
            prior = prior + seen.square().sum(-1)
            name = name + self.local_name * torch.einsum("bln,ln->bl", local, text)
        codes = codes.expand(*name.shape, -1)
        blind = (prior - codes.square().sum(-1)).clamp(min=0)
        ahead = torch.cat([torch.ones_like(name)[..., None], name[..., None], codes], -1)
        left = torch.einsum("lij,blj->bli", self.root.to(ahead.dtype), ahead).square().sum(-1)
        return (left + blind).sqrt()


def _as_it_is(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Let weights from before there were deviations load: they stay unknown."""
    if not any(name.startswith(prefix) for name in state):
        state |= {prefix + name: value for name, value in module.state_dict().items()}
