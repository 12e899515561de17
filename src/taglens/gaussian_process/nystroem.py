"""Explicit features of an RBF kernel from a few landmarks, chosen greedily.

With landmarks Z and L L' = K(Z, Z), the features phi(x) = L^-1 K(Z, x) have phi(x) . phi(y) = K(x, Z) K(Z, Z)^-1 K(Z, y), which is K(x, y)
where x or y is a landmark. A landmark is the picture of a sample that the earlier ones explain least (pivoted Cholesky factorisation): no
chance in it, and identical pictures are never taken twice.

Source: Williams and Seeger, NIPS 2000; Fine and Scheinberg, "Efficient SVM training using low-rank kernel representations", JMLR 2001.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from taglens.errors import TagLensError
from taglens.gaussian_process.checking import require_finite
from taglens.gaussian_process.kernels import rbf_kernel

_EXPLAINED = 1e-4
"""A picture whose remaining variance (of 1) is at most this brings nothing but the round-off of float32."""
_JITTER = 1e-9


@dataclass(frozen=True)
class Landmarks:
    """What maps any picture's vector to features of the RBF kernel."""

    points: Float[Tensor, "landmark feature"]
    """The landmarks' vectors."""
    whitening: Float[Tensor, "landmark landmark"]
    """L^-T, so that K(x, Z) L^-T = phi(x)'."""
    length: float
    """The kernel's length, in the unit of the vectors."""

    def features(self, vectors: Float[Tensor, "point feature"]) -> Float[Tensor, "point landmark"]:
        """Return phi of ``vectors``; each has a length of at most 1, which is reached at landmarks."""
        return rbf_kernel(vectors, self.points, self.length) @ self.whitening


def choose_landmarks(sample: Float[Tensor, "point feature"], count: int, length: float) -> Landmarks:
    """Choose at most ``count`` landmarks from ``sample``; fewer where the sample is explained before. Time: point x count^2.

    Raises:
        TagLensError: the sample is empty or not finite, ``count`` is below 1, or ``length`` not above 0.
    """
    if not len(sample) or count < 1:
        raise TagLensError(f"expected at least one picture and one landmark, came {len(sample)} and {count}")
    require_finite(sample, "features")
    # of equals the first is taken, as a GPU would not; and step by step a processor is quicker
    chosen = _pivots(rbf_kernel(sample, sample, length).cpu(), min(count, len(sample))).to(sample.device)
    points = sample[chosen].double()
    gram = rbf_kernel(points, points, length)
    gram.diagonal().fill_(1 + _JITTER)
    factor = torch.linalg.cholesky(gram)
    whitening = torch.linalg.solve_triangular(factor, torch.eye(len(chosen), dtype=gram.dtype, device=gram.device), upper=False).mT
    return Landmarks(sample[chosen], whitening.to(sample.dtype).contiguous(), length)


def _pivots(kernel: Tensor, count: int) -> Int64[Tensor, " landmark"]:
    """Return the rows in the order of the pivoted Cholesky factorisation of their kernel."""
    left = kernel.diagonal().clone()
    columns = kernel.new_zeros(count, len(kernel))
    chosen: list[int] = []
    for number in range(count):
        pivot = int(left.argmax())
        if float(left[pivot]) <= _EXPLAINED:
            break
        column = kernel[pivot] - columns[:number, pivot] @ columns[:number]
        columns[number] = column / left[pivot].sqrt()
        left = (left - columns[number].square()).clamp_(min=0)
        left[pivot] = 0
        chosen.append(pivot)
    return torch.tensor(chosen)
