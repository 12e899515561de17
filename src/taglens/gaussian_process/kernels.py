"""Prior covariances of logits between pictures, and what to do with one that is none.

    linear   K(x, y) = x . y
    RBF      K(x, y) = exp(-|x - y|^2 / (2 l^2))

Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, chapter 4.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from taglens.errors import TagLensError
from taglens.gaussian_process.checking import require_finite, require_shape


def linear_kernel(left: Float[Tensor, "*label point feature"], right: Float[Tensor, "*label other feature"]) -> Tensor:
    """Return the inner products (label, point, other)."""
    return left @ right.mT


def rbf_kernel(left: Float[Tensor, "*label point feature"], right: Float[Tensor, "*label other feature"], length: float) -> Tensor:
    """Return exp(-|x - y|^2 / (2 length^2)), (label, point, other); ``length`` in the unit of the features.

    The squared distance is |x|^2 + |y|^2 - 2 x . y, good to the type's precision times |x|^2: keep the features' length near 1.

    Raises:
        TagLensError: ``length`` is not above 0.
    """
    if not length > 0:
        raise TagLensError(f"expected a length above 0, came {length}")
    distance = (left @ right.mT).mul_(-2)
    distance += left.square().sum(-1)[..., :, None]
    distance += right.square().sum(-1)[..., None, :]
    return distance.clamp_(min=0).mul_(-0.5 / length**2).exp_()


def repaired(kernel: Float[Tensor, "label cell cell"]) -> tuple[Float[Tensor, "label cell cell"], Float[Tensor, " label"]]:
    """Return the kernels, made positive semi-definite where they are not, and what was added to each one's diagonal.

    Eigenvalues below zero by no more than round-off of the given type are harmless to inference and left alone: nothing is added. Else it
    is the smallest of the powers of ten times that round-off that makes the Cholesky factorisation succeed.

    Raises:
        TagLensError: a kernel is not finite, not square, or not symmetric.
    """
    count, size = kernel.shape[0], kernel.shape[-1]
    require_shape(kernel, (count, size, size), "kernels")
    require_finite(kernel, "kernels")
    added = kernel.new_zeros(count, dtype=torch.float64)
    for label in range(count if size else 0):
        own = kernel[label]
        scale = float(own.diagonal().abs().mean())
        probe = torch.linspace(-1, 1, size, dtype=own.dtype, device=own.device)
        if bool((own @ probe - own.T @ probe).abs().max() > 1e-3 * size * scale):  # a symmetric one has the same products both ways
            raise TagLensError(f"expected symmetric kernels; number {label} is not, so it is no covariance")
        roundoff = 10 * size * torch.finfo(own.dtype).eps * (scale or 1.0)
        added[label] = _needed(own.double(), roundoff)
    if bool((added > 0).any()):
        kernel = kernel.double() + torch.diag_embed(added[:, None].expand(count, size))
    return kernel, added


def _needed(kernel: Tensor, roundoff: float) -> float:
    """Return 0 if adding ``roundoff`` to the diagonal makes it positive definite, else the first power of ten times it that does."""
    jitter = roundoff
    while True:
        trial = kernel.clone()
        trial.diagonal().add_(jitter)
        if int(torch.linalg.cholesky_ex(trial).info) == 0:
            return 0.0 if jitter == roundoff else jitter
        jitter *= 10
