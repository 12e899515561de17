"""The Laplace posterior in its dual form, and what it says of further pictures.

Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, section 3.4.2 and algorithm 3.2.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Posterior:
    """A Gaussian over the logits of each class, in float64; a padded or silent cell has coefficient and curvature 0."""

    coefficients: Float[Tensor, "label cell"]
    """a = K^-1 (latent - mean): the posterior mean of any picture is its prior mean plus its covariances with the cells times a."""
    latent: Float[Tensor, "label cell"]
    """Logits at the posterior's mode."""
    curvature: Float[Tensor, "label cell"]
    """W of the likelihood there."""
    factor: Float[Tensor, "label cell cell"]
    """Lower Cholesky factor of B = I + W^1/2 K W^1/2; float32 if inferred so."""
    evidence: Float[Tensor, " label"]
    """log p(states) in nats, in Laplace's approximation."""
    jitter: Float[Tensor, " label"]
    """What was added to the kernel's diagonal because it was not positive definite; 0 otherwise."""
    converged: Bool[Tensor, " label"]
    """Whether Newton's method ended by itself."""
    steps: int
    """Newton steps of the class that took most."""

    def predict(
        self, cross: Float[Tensor, "label point cell"], mean: Float[Tensor, "label point"] | None = None
    ) -> Float[Tensor, "label point"]:
        """Return the posterior mean of the logits: mean + K(point, cells) a, the prior ``mean`` 0 if not given."""
        found = (cross.to(self.coefficients.dtype) @ self.coefficients[..., None])[..., 0]
        return found if mean is None else found + mean

    def variance(self, cross: Float[Tensor, "label point cell"], prior: Float[Tensor, "label point"]) -> Float[Tensor, "label point"]:
        """Return the posterior variance k(x, x) - |L^-1 W^1/2 k(cells, x)|^2, ``prior`` being k(x, x); never below 0."""
        weighted = (cross * self.curvature.sqrt()[:, None, :]).mT.to(self.factor.dtype)
        explained: Tensor = torch.linalg.solve_triangular(self.factor, weighted, upper=False).square().sum(1)
        return (prior - explained).clamp(min=0)
