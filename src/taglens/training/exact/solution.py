"""What a posterior says of pictures in general: weights of the standardised features, from either form of inference."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from taglens.gaussian_process import curvature_at, find_mode
from taglens.labels.states import UNKNOWN
from taglens.training.exact.problem import NAME_DEVIATION, Fit, KernelWeights, Problem
from taglens.training.exact.views import LocalViews


class Solution(NamedTuple):
    """z = constant + name s + local . x + local_rbf . phi(x) + pooled . y + rbf . phi(y), features as in the views and the pictures."""

    constant: Float[Tensor, " label"]
    name: Float[Tensor, " label"]
    local: Float[Tensor, "label channel"]
    local_rbf: Float[Tensor, "label landmark"]
    pooled: Float[Tensor, "label channel"]
    rbf: Float[Tensor, "label landmark"]


class Solved(NamedTuple):
    """A solution with what it was made from."""

    problem: Problem
    views: LocalViews
    solution: Solution
    left_out: Float[Tensor, "label cell"]
    """Leave-one-out logits of the cells."""
    curvature: Float[Tensor, "label cell"]
    """W of the likelihood at the mode; 0 where a cell says nothing."""


def solved(fit: Fit) -> Solved:
    """Return the solution of the dual form: features weighed by the posterior's coefficients."""
    problem, views, weights = fit.problem, fit.views, fit.weights
    a = fit.posterior.coefficients.to(views.vectors.dtype)
    of_pictures = a.new_zeros(len(a), len(problem.pictures)).scatter_add_(1, problem.cells.rows, a)
    solution = Solution(
        constant=problem.base_rates + a.sum(1),
        name=weights.name + NAME_DEVIATION**2 * (a * views.similarity).sum(1),
        local=weights.local**2 * torch.einsum("lc,lcn->ln", a, views.vectors),
        local_rbf=weights.local_rbf**2 * torch.einsum("lc,lcm->lm", a, views.rbf),
        pooled=weights.pooled**2 * of_pictures @ problem.pictures.pooled,
        rbf=weights.rbf**2 * of_pictures @ problem.pictures.rbf,
    )
    return Solved(problem, views, solution, (fit.leave_one_out() - problem.shift[:, None]).float(), fit.posterior.curvature)


def solve_large(problem: Problem, weights: KernelWeights, queries: Tensor) -> Solved:
    """Return the same posterior's solution from explicit features: for classes with more known cells than kernels between them allow."""
    pictures, known, views = problem.pictures, problem.known, problem.look(queries)
    ones = pictures.pooled.new_ones(len(pictures), 1)
    shared = torch.cat([ones, weights.pooled * pictures.pooled, weights.rbf * pictures.rbf], 1)
    own = [_own(views, weights, label, cells) for label, cells in enumerate(known)]
    mean = ones.new_zeros(len(pictures), len(known))
    states = torch.full(mean.shape, UNKNOWN, dtype=torch.int8, device=mean.device)
    for label, cells in enumerate(known):
        rows = problem.cells.rows[label][cells]
        mean[rows, label] = problem.base_rates[label] + problem.shift[label] + weights.name * views.similarity[label][cells]
        states[rows, label] = problem.states[label][cells]
    mode = find_mode(shared, states, own=own, mean=mean)
    left_out, curvature = ones.new_zeros(known.shape), ones.new_zeros(known.shape)
    for label, cells in enumerate(known):
        left_out[label, cells] = curvature_at(mode, label, shared, own).leave_one_out().mean.float() - problem.shift[label]
        curvature[label, cells] = mode.terms.curvature[label, : int(cells.sum())]
    return Solved(problem, views, _of_weights(mode.weights, weights, problem, views), left_out, curvature)


def _own(views: LocalViews, weights: KernelWeights, label: int, cells: Tensor) -> Tensor:
    """Return a class's own features of its known cells, each kernel's times its weight."""
    name = NAME_DEVIATION * views.similarity[label][cells, None]
    return torch.cat([weights.local * views.vectors[label][cells], weights.local_rbf * views.rbf[label][cells], name], 1)


def _of_weights(found: Tensor, weights: KernelWeights, problem: Problem, views: LocalViews) -> Solution:
    pictures = problem.pictures
    sizes = [1, pictures.pooled.shape[1], pictures.rbf.shape[1], views.vectors.shape[2], views.rbf.shape[2], 1]
    constant, pooled, rbf, local, local_rbf, name = torch.split(found, sizes, 1)
    return Solution(
        constant=problem.base_rates + constant[:, 0],
        name=weights.name + NAME_DEVIATION * name[:, 0],
        local=weights.local * local,
        local_rbf=weights.local_rbf * local_rbf,
        pooled=weights.pooled * pooled,
        rbf=weights.rbf * rbf,
    )
