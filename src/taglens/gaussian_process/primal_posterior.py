"""Variances, leave-one-out and evidence of a class in the primal form, from its Hessian H = I + F' W F.

With f the features of a picture (of a cell), W and g curvature and slope at the mode:

    posterior variance f' H^-1 f,   log evidence = log p(states | z) - |w|^2 / 2 - log|H| / 2,

equal to the dual form's since log|I + F' W F| = log|I + W^1/2 F F' W^1/2|; the cavity is :func:`taglens.gaussian_process.leave_out.cavity`.

Source: Rad and Maleki, "A scalable estimate of the out-of-sample prediction error via approximate leave-one-out cross-validation", JRSS B
2020; Rasmussen and Williams 2006, section 3.4.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from taglens.gaussian_process.design import Design
from taglens.gaussian_process.leave_out import Cavity, cavity
from taglens.gaussian_process.primal import Mode

_ROWS = 8_192
"""Cells whose features are gathered at a time."""


@dataclass(frozen=True)
class PrimalPosterior:
    """The Gaussian over one class's weights, at the mode."""

    label: int
    mode: Mode
    design: Design
    factor: Float[Tensor, "weight weight"]
    """Lower Cholesky factor of H, float64."""

    @property
    def evidence(self) -> float:
        """log p(states) in nats, in Laplace's approximation."""
        return float(self.mode.objective[self.label] - self.factor.diagonal().log().sum())

    def variance(self, features: Float[Tensor, "point weight"]) -> Float[Tensor, " point"]:
        """Return the posterior variance of the logits of pictures with these features (shared, then own)."""
        rotated: Tensor = torch.linalg.solve_triangular(self.factor, features.T.double(), upper=False)
        return rotated.square().sum(0)

    def leave_one_out(self) -> Cavity:
        """Return mean and variance of the logit of each of the class's cells, (cell,) without padding, without its own state."""
        blocks = _blocks(self.design, self.label)
        variance = torch.cat([self.variance(features) for _, features in blocks] or [self.factor.new_zeros(0)])
        size = len(variance)
        latent, slope, curvature = (
            values[self.label, :size].double() for values in (self.mode.latent, self.mode.terms.slope, self.mode.terms.curvature)
        )
        return cavity(latent, variance, slope, curvature)


def curvature_at(
    mode: Mode, label: int, shared: Float[Tensor, "image shared"], own: Sequence[Float[Tensor, "_ own"]] | None = None
) -> PrimalPosterior:
    """Return the posterior of class ``label`` around ``mode``, made from the features that the mode was found with.

    Time: cells x weights^2 for H (float32 if the features are, summed in float64), weights^3 for its factor.
    """
    design = Design(shared, own, mode.cells)
    hessian = torch.eye(design.width, dtype=torch.float64, device=shared.device)
    for place, features in _blocks(design, label):
        hessian += _gram(features, mode.terms.curvature[label, place])
    return PrimalPosterior(label, mode, design, torch.linalg.cholesky(hessian))


def _gram(features: Tensor, curvature: Tensor) -> Tensor:
    weighted = features * curvature.sqrt()[:, None]
    return (weighted.T @ weighted).double()


def _blocks(design: Design, label: int) -> Iterator[tuple[slice, Tensor]]:
    """Yield the places of some of the class's cells, and their features."""
    size = int(design.cells.filled[label].sum())
    for start in range(0, size, _ROWS):
        stop = min(start + _ROWS, size)
        yield slice(start, stop), design.of_label(label, start, stop)
