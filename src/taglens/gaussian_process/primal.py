"""The posterior's mode of all classes at once from explicit features (the primal form), for many cells.

    maximise over w:   sum over cells of log p(state | z) - |w|^2 / 2,   z = mean + F w

which is the dual form's mode for the kernel F F'. L-BFGS with a preconditioner from the second moments of the features; each class has its
own history and its own step. Since z is linear in w, a step's length is found by Newton's method along the direction from the cells alone:
an iteration costs one product with the features and one with their transpose, for all classes together.

Source: Nocedal and Wright, "Numerical Optimization", 2006, algorithm 7.4.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int8
from torch import Tensor

from taglens.gaussian_process.checking import require_finite, require_shape
from taglens.gaussian_process.design import Design, Preconditioner
from taglens.gaussian_process.likelihood import CellLikelihood, CheckedShares, cell_likelihood, require_possible, telling_cells
from taglens.gaussian_process.sizes import Cells, counted_cells, padded_states

_MEMORY = 8
_MOST_STEPS = 200
_TOLERANCE = 1e-6
"""A class is done when the gradient's length in the preconditioner's metric, squared, is below this: about twice the nats still missing."""
_SLOPE_LEFT = 0.1
"""A step is long enough when this share of the slope along it is left."""


@dataclass(frozen=True)
class Mode:
    """The most probable weights and the likelihood there."""

    weights: Float[Tensor, "label weight"]
    """Of the shared features, then of the class's own ones."""
    cells: Cells
    """The cells that counted."""
    latent: Float[Tensor, "label cell"]
    """Their logits; the padding's mean nothing."""
    terms: CellLikelihood
    """Likelihood, slope and curvature at the cells; 0 in the padding."""
    objective: Float[Tensor, " label"]
    """log p(states | z) - |w|^2 / 2 in nats, float64."""
    converged: Bool[Tensor, " label"]
    """Whether the gradient became small."""
    steps: int
    """Iterations of the class that took most."""


def find_mode(
    shared: Float[Tensor, "image shared"],
    states: Int8[Tensor, "image label"],
    *,
    own: Sequence[Float[Tensor, "_ own"]] | None = None,
    mean: Float[Tensor, "image label"] | None = None,
    shares: CheckedShares | None = None,
    start: Float[Tensor, "label weight"] | None = None,
) -> Mode:
    """Return the most probable weights w ~ N(0, I) of each class.

    Args:
        shared: features of all pictures, each kernel's times its weight; their type is computed in, sums over cells in float64.
        states: 1 present, 0 absent, -1 unknown.
        own: for each class further features of its cells, in the order of the pictures: of the known ones, or of all pictures if
            ``shares`` are not at random.
        mean: prior means of the logits; 0 if not given.
        shares: how the known cells were chosen; at random if not given, then unknown cells say nothing.
        start: weights to start from; 0 if not given.

    Raises:
        TagLensError: features or means are not finite or of the wrong shape; a state is none, or impossible with ``shares``.
    """
    require_possible(states, shares)
    require_shape(shared, (len(states), shared.shape[1]), "shared features (pictures x features)")
    cells = counted_cells(telling_cells(states, shares))
    design = Design(shared, own, cells)
    design.require_usable()
    offsets = shared.new_zeros(cells.rows.shape)
    if mean is not None:
        require_shape(mean, tuple(states.shape), "means")
        require_finite(mean, "means")
        offsets = torch.gather(mean.T.to(shared.dtype), 1, cells.rows)
    weights = shared.new_zeros(states.shape[1], design.width)
    if start is not None:
        require_shape(start, tuple(weights.shape), "starting weights")
        weights = start.to(shared)
    return _Ascent(design, padded_states(states, cells), shares, offsets, weights).run()


class _Ascent:
    """The climb of all classes."""

    def __init__(self, design: Design, states: Tensor, shares: CheckedShares | None, offsets: Tensor, weights: Tensor) -> None:
        self.design, self.states, self.shares = design, states, shares
        self.active = torch.arange(len(weights), device=weights.device)
        self.weights = weights.clone()
        self.latent = offsets + design.latent(weights, self.active)
        self.terms = self._likelihood(self.latent)
        self.gradient = design.back(self.terms.slope, self.active) - weights
        self.precondition = Preconditioner.of(design, self.terms.curvature)
        self.history: deque[tuple[Tensor, Tensor, Tensor]] = deque(maxlen=_MEMORY)

    def run(self) -> Mode:
        steps = 0
        while steps < _MOST_STEPS:
            total = self.terms.curvature.sum(1)
            missing = _dot(self.gradient, self.precondition(self.gradient, total))
            self.active = (missing > _TOLERANCE).nonzero()[:, 0]
            if not len(self.active):
                break
            self._step(total)
            steps += 1
        converged = torch.ones(len(self.weights), dtype=torch.bool, device=self.weights.device)
        converged[self.active] = False
        objective = self.terms.log.sum(1, dtype=torch.float64) - _dot(self.weights, self.weights) / 2
        return Mode(self.weights, self.design.cells, self.latent, self.terms, objective, converged, steps)

    def _step(self, total: Tensor) -> None:
        """Move the active classes, and remember how the gradient changed."""
        active = self.active
        direction = torch.zeros_like(self.weights)
        direction[active] = self._direction(total)[active]
        shift = torch.zeros_like(self.latent)
        shift[active] = self.design.latent(direction[active], active)
        length = self._length(direction, shift).to(self.weights.dtype)[:, None]
        moved = length * direction
        self.weights += moved
        self.latent += length * shift
        self.terms = self._likelihood(self.latent)
        gradient = self.gradient.clone()
        gradient[active] = self.design.back(self.terms.slope[active], active) - self.weights[active]
        change = self.gradient - gradient
        product = _dot(moved, change)
        self.history.append((moved, change, torch.where(product > 0, 1 / product, 0.0)))
        self.gradient = gradient

    def _direction(self, total: Tensor) -> Tensor:
        """Return about H^-1 gradient, by the two loops of L-BFGS; plainly preconditioned where that does not lead upwards."""
        rest, along = self.gradient.clone(), []
        for moved, change, inverse in reversed(self.history):
            along.append((inverse * _dot(moved, rest)).to(rest.dtype)[:, None])
            rest -= along[-1] * change
        found = self.precondition(rest, total)
        for (moved, change, inverse), share in zip(self.history, reversed(along), strict=True):
            found += (share - (inverse * _dot(change, found)).to(rest.dtype)[:, None]) * moved
        upwards = _dot(found, self.gradient) > 0
        return found if bool(upwards.all()) else torch.where(upwards[:, None], found, self.precondition(self.gradient, total))

    def _length(self, direction: Tensor, shift: Tensor) -> Tensor:
        """Return each class's step, so that little of the slope along ``direction`` is left and the objective is not lower."""
        square, along = _dot(direction, direction), _dot(direction, self.weights)
        first = _dot(self.terms.slope, shift) - along
        slope, bend = first, square + _dot(self.terms.curvature, shift.square())
        length = slope / bend.clamp(min=1e-30)
        for _ in range(6):
            terms = self._likelihood(self.latent + length.to(shift.dtype)[:, None] * shift)
            slope = _dot(terms.slope, shift) - along - length * square
            if not bool((slope.abs() > _SLOPE_LEFT * first).any()):
                break
            bend = square + _dot(terms.curvature, shift.square())
            better = (length + slope / bend.clamp(min=1e-30)).clamp(min=length / 8, max=length * 8)
            length = torch.where(slope.abs() > _SLOPE_LEFT * first, better, length)
        before = self.terms.log.sum(1, dtype=torch.float64)
        for _ in range(20):
            terms = self._likelihood(self.latent + length.to(shift.dtype)[:, None] * shift)
            gain = terms.log.sum(1, dtype=torch.float64) - before - length * along - length.square() * square / 2
            worse = gain < -1e-6 * (1 + before.abs())
            if not bool(worse.any()):
                break
            length = torch.where(worse, length / 2, length)
        return length

    def _likelihood(self, latent: Tensor) -> CellLikelihood:
        return cell_likelihood(latent, self.states, self.shares, self.design.cells.filled)


def _dot(left: Tensor, right: Tensor) -> Tensor:
    """Return the inner product of each class, (label,), summed in float64."""
    return (left * right).sum(1, dtype=torch.float64)
