"""Choosing what all classes share from the known labels alone: the kernels' weights, and how far attention follows the evidence."""

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor

from taglens.training.exact.problem import Fit, KernelWeights, PositionEvidence, Problem

GRID: dict[str, tuple[float, ...]] = {
    "local": (0.0, 0.25, 0.5, 1.0, 2.0, 4.0),
    "name": (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0),
    "pooled": (0.0, 0.25, 0.5, 1.0, 2.0, 4.0),
    "rbf": (0.0, 0.5, 1.0, 2.0, 4.0, 8.0),
    "local_rbf": (0.0, 0.5, 1.0, 2.0, 4.0, 8.0),
}
"""Values of each weight; the search starts at :class:`KernelWeights`' defaults."""
FOLLOWING = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Values of lambda, the factor on a position's evidence in the attention; 1 is where the search starts."""
LEAST_GAIN = 3.0
"""Nats that a choice must gain beyond its noise: where few labels speak, the start is better than what they prefer (docs/log.md)."""
_SWEEPS = 2


def choose_weights(problem: Problem, fixed: frozenset[str], fit: Fit) -> Fit:
    """Return the fit with the weights that a climb over :data:`GRID` finds best by the evidence; weights in ``fixed`` stay.

    A weight moves to its neighbour only if the evidence gains more than its own noise over the classes.
    """
    parts = _Parts(problem, fit)
    for _ in range(_SWEEPS):
        before = fit.weights
        for name in GRID:
            if name not in fixed:
                fit = _climb(parts, name, fit)
        if fit.weights == before:
            break
    return fit


class _Parts:
    """The kernels one by one, so that another weight costs a sum."""

    def __init__(self, problem: Problem, fit: Fit) -> None:
        none = KernelWeights(*[0.0] * len(KernelWeights._fields))
        self.problem, self.views = problem, fit.views
        self.fixed = problem.kernel(none, fit.views)
        self.kernels = {name: problem.kernel(none._replace(**{name: 1.0}), fit.views) - self.fixed for name in GRID if name != "name"}

    def infer(self, weights: KernelWeights, start: Tensor) -> Fit:
        kernel = self.fixed.clone()
        for name, part in self.kernels.items():
            kernel.add_(part, alpha=getattr(weights, name) ** 2)
        return self.problem.infer(weights, self.views, kernel, start)


def _climb(parts: _Parts, name: str, fit: Fit) -> Fit:
    for direction in (1, -1):
        start = fit
        for value in _neighbours(name, getattr(fit.weights, name), direction):
            trial = parts.infer(fit.weights._replace(**{name: value}), fit.posterior.coefficients)
            if not better(trial.posterior.evidence, fit.posterior.evidence):
                break
            fit = trial
        if fit is not start:
            break
    return fit


def _neighbours(name: str, value: float, direction: int) -> Iterator[float]:
    values = GRID[name][::direction]
    yield from values[values.index(value) + 1 :]


def choose_following(problem: Problem, fit: Fit, base: Float[Tensor, "label channel"]) -> tuple[float, Fit, dict[float, float]]:
    """Return lambda with the lowest leave-one-out loss, the fit with it, and the losses of all; a change must exceed its noise."""
    shared = problem.shared_kernel(fit.weights)
    evidence = fit.evidence_for_positions()
    chosen, best = 1.0, attended(problem, fit, base, evidence, 1.0, shared)
    gains = {chosen: -best.losses()}
    for following in FOLLOWING:  # one by one: a fit is as large as its kernels
        if following not in gains:
            found = attended(problem, fit, base, evidence, following, shared) if following else fit
            gains[following] = -found.losses()
            if better(gains[following], gains[chosen]):
                chosen, best = following, found
    return chosen, best, {following: -float(gains[following].sum()) for following in FOLLOWING}


def attended(
    problem: Problem, fit: Fit, base: Float[Tensor, "label channel"], evidence: PositionEvidence, following: float, shared: Tensor
) -> Fit:
    """Return the fit in which every picture is attended by softmax over p of u_p . (base + following w), w without its own label."""
    queries = base[:, None] + following * evidence.without
    return problem.fit(fit.weights, queries, fit.posterior.coefficients, shared)


def better(new: Float[Tensor, " label"], old: Float[Tensor, " label"]) -> bool:
    """Whether a gain in nats, summed over the classes, exceeds its standard error by enough to be believed."""
    gain = new - old
    noise = float(gain.std()) * len(gain) ** 0.5 if len(gain) > 1 else 0.0
    return float(gain.sum()) > noise + LEAST_GAIN
