"""What the posterior says of a cell without that cell's own state, with no further fit.

The Laplace posterior is that of a Gaussian observation of z = latent + slope / W with variance 1 / W at each cell; taking one
of them away again is exact algebra for Gaussians, and approximate in that W and the mode of the rest stay as they were.
With v the posterior variance of a cell and g the slope at the mode:

    cavity variance = v / (1 - W v),   cavity mean = latent - (cavity variance) g
    1 - W v = diag(B^-1)   in the dual form

and with A = (K + W^-1)^-1 = W^1/2 B^-1 W^1/2, the coefficients without cell j are a - A[:, j] a_j / A[j, j].

Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, equations 3.56 and 5.12; Vehtari et al., "Bayesian
leave-one-out cross-validation approximations for Gaussian latent variable models", JMLR 2016, section 3.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from taglens.gaussian_process.posterior import Posterior

_LEAST_SHARE = 1e-9
"""1 - W v is at least this: where a cell alone decides its own logit."""


class Cavity(NamedTuple):
    """Mean and variance of each cell's logit without its own state."""

    mean: Tensor
    variance: Tensor


def cavity(latent: Tensor, variance: Tensor, slope: Tensor, curvature: Tensor) -> Cavity:
    """Return the cavity of cells with this posterior mean and variance and these likelihood terms; all of one shape."""
    without = variance / (1 - curvature * variance).clamp(min=_LEAST_SHARE)
    return Cavity(latent - without * slope, without)


def leave_one_out(posterior: Posterior) -> Cavity:
    """Return the cavities (label, cell) of all cells with a state that counts; the others have mean ``latent`` and variance NaN.

    Time: that of two Cholesky factorisations.
    """
    share = _inverse(posterior).diagonal(dim1=-2, dim2=-1).clamp(min=_LEAST_SHARE, max=1)
    weight = posterior.curvature
    without = torch.where(weight > 0, (1 - share) / (weight * share), torch.nan)
    mean = torch.where(weight > 0, posterior.latent - without * posterior.coefficients, posterior.latent)
    return Cavity(mean, without)


def leave_each_out(posterior: Posterior) -> Float[Tensor, "label cell cell"]:
    """Return the coefficients without each single cell: column j holds a - A[:, j] a_j / A[j, j], which is 0 at j.

    Time and memory: those of the inverse.
    """
    root = posterior.curvature.sqrt().to(posterior.factor.dtype)
    covariance = _inverse(posterior).to(root.dtype)
    covariance = covariance.mul_(root[:, :, None]).mul_(root[:, None, :])
    diagonal = covariance.diagonal(dim1=-2, dim2=-1)
    coefficients = posterior.coefficients.to(root.dtype)
    pull = torch.where(diagonal > 0, coefficients / diagonal, 0.0)
    return covariance.mul_(-pull[:, None, :]).add_(coefficients[:, :, None])


def _inverse(posterior: Posterior) -> Tensor:
    """Return B^-1."""
    if not posterior.factor.numel():
        return torch.zeros_like(posterior.factor)
    return torch.cholesky_inverse(posterior.factor).to(posterior.coefficients.dtype)
