"""Products with the features of all classes' cells: what the primal form is made of.

A class's features are those shared by all classes, one row a picture, and, if given, its own ones, one row a cell. Logits are
z = mean + [shared | own] w, with w ~ N(0, I): features are given times the weight of their kernel.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from taglens.gaussian_process.checking import require_finite, require_shape
from taglens.gaussian_process.sizes import Cells

_SAMPLE = 16_384
"""Pictures from which the preconditioner's second moments are taken, evenly spread."""
_OWN_SAMPLE = 2_048
"""The same for a class's own features."""


@dataclass(frozen=True)
class Design:
    """The features of all classes' cells."""

    shared: Float[Tensor, "image shared"]
    own: Sequence[Float[Tensor, "_ own"]] | None
    """For each class, a row for each of its cells, in their order."""
    cells: Cells

    @property
    def width(self) -> int:
        """Number of weights of a class."""
        return self.shared.shape[1] + (self.own[0].shape[1] if self.own else 0)

    def require_usable(self) -> None:
        """Refuse features of the wrong shape or not finite.

        Raises:
            TagLensError: with the place of the first one.
        """
        require_finite(self.shared, "shared features")
        if self.own is None:
            return
        require_shape(torch.empty(len(self.own)), (len(self.cells.rows),), "own features, one array a class,")
        for label, (own, size) in enumerate(zip(self.own, self.cells.filled.sum(1).tolist(), strict=True)):
            require_shape(own, (size, self.own[0].shape[1]), f"own features of class {label} (its cells x features)")
            require_finite(own, f"own features of class {label}")

    def latent(self, weights: Float[Tensor, "label weight"], labels: Int64[Tensor, " label"]) -> Float[Tensor, "label cell"]:
        """Return [shared | own] w for the cells of the classes ``labels``; the padding's values mean nothing."""
        split = self.shared.shape[1]
        found = torch.gather(weights[:, :split] @ self.shared.T, 1, self.cells.rows[labels])
        if self.own is not None:
            for place, label in enumerate(labels.tolist()):
                own = self.own[label]
                found[place, : len(own)] += own @ weights[place, split:]
        return found

    def back(self, values: Float[Tensor, "label cell"], labels: Int64[Tensor, " label"]) -> Float[Tensor, "label weight"]:
        """Return [shared | own]' v of the classes ``labels``; ``values`` are 0 in the padding."""
        dense = values.new_zeros(len(labels), len(self.shared)).scatter_add_(1, self.cells.rows[labels], values)
        found = [dense @ self.shared]
        if self.own is not None:
            parts = [values[place, : len(self.own[label])] @ self.own[label] for place, label in enumerate(labels.tolist())]
            found.append(torch.stack(parts) if parts else values.new_zeros(0, self.width - self.shared.shape[1]))
        return torch.cat(found, 1)

    def of_label(self, label: int, start: int, stop: int) -> Float[Tensor, "cell weight"]:
        """Return the features of the cells ``start`` to ``stop`` of a class."""
        rows = self.shared[self.cells.rows[label, start:stop]]
        return rows if self.own is None else torch.cat([rows, self.own[label][start:stop]], 1)


@dataclass(frozen=True)
class Preconditioner:
    """About the inverse of each class's Hessian I + F' W F, from second moments.

    For the shared features F' W F is taken as (sum of W) times the mean second moment of all pictures, whose eigenvectors are the same for
    all classes; for own ones likewise with those of the class, the curvature being that at the start.
    """

    eigenvectors: Float[Tensor, "shared shared"]
    eigenvalues: Float[Tensor, " shared"]
    own: Float[Tensor, "label own own"] | None
    """Lower Cholesky factors."""

    @classmethod
    def of(cls, design: Design, curvature: Float[Tensor, "label cell"]) -> "Preconditioner":
        """Make it for ``design`` with the curvature of the likelihood at the start."""
        values, vectors = torch.linalg.eigh(_second_moment(design.shared, _SAMPLE))
        own = None
        if design.own is not None:
            totals = curvature.sum(1)
            eye = torch.eye(design.width - design.shared.shape[1], dtype=totals.dtype, device=totals.device)
            moments = (_second_moment(part, _OWN_SAMPLE) for part in design.own)
            own = torch.stack([torch.linalg.cholesky(eye + total * moment) for total, moment in zip(totals, moments, strict=True)])
        return cls(vectors, values.clamp(min=0), own)

    def __call__(self, gradient: Float[Tensor, "label weight"], curvature: Float[Tensor, " label"]) -> Float[Tensor, "label weight"]:
        """Return about H^-1 times ``gradient``, ``curvature`` being the sum of W of each class."""
        split = len(self.eigenvalues)
        rotated = gradient[:, :split] @ self.eigenvectors
        rotated /= 1 + curvature.to(rotated.dtype)[:, None] * self.eigenvalues
        found = [rotated @ self.eigenvectors.T]
        if self.own is not None:
            found.append(torch.cholesky_solve(gradient[:, split:, None], self.own)[..., 0])
        return torch.cat(found, 1)


def _second_moment(features: Tensor, most: int) -> Tensor:
    """Return the mean of f f' over at most about ``most`` rows."""
    rows = features[:: max(1, -(-len(features) // most))]
    return rows.T @ rows / max(len(rows), 1)
