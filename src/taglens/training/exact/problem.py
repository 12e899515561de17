"""Some classes' cells, their kernels, and the posterior for given weights of the kernels."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int8
from torch import Tensor
from torch.nn import functional

from taglens.gaussian_process import (
    Cells,
    CheckedShares,
    Landmarks,
    Posterior,
    counted_cells,
    infer,
    leave_each_out,
    leave_one_out,
    padded_states,
)
from taglens.gaussian_process.likelihood import cell_likelihood
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN
from taglens.training.exact.pictures import TrainingPictures
from taglens.training.exact.views import LocalViews, local_views

NAME_DEVIATION = 0.5
"""Prior standard deviation of a class's own scale of its name's similarity, around the scale common to all classes."""
FEWEST_SEEN = 128
"""A class looks at so many pictures at least, if need be unlabelled ones: its name's similarity is standardised over them."""


class KernelWeights(NamedTuple):
    """Standard deviations of the logits that each part explains before any label; common to all classes.

    K = 1 + s s' / 4 + local^2 K_local + pooled^2 K_pooled + rbf^2 K_rbf + local_rbf^2 K_local_rbf;   mean = b + name s

    s is the standardised similarity to the class's name, b the base rate's log-odds.
    """

    local: float = 1.0
    name: float = 1.0
    pooled: float = 1.0
    rbf: float = 2.0
    local_rbf: float = 1.0


class PositionEvidence(NamedTuple):
    """The vectors w whose product with a position's unit vector is that position's evidence for the class, in logits."""

    without: Float[Tensor, "label cell channel"]
    """Without each cell's own label."""
    whole: Float[Tensor, "label channel"]
    """With all labels: for every other picture."""


class Telling(NamedTuple):
    """Unknown cells that count beside the known ones, since being unknown says something of them (``training.exact.checked``)."""

    kept: Bool[Tensor, "image label"]
    """Which."""
    shares: tuple[CheckedShares, ...]
    """Of each class, among the cells that count."""
    shift: Float[Tensor, " label"]
    """How much higher the logits are among the cells that count."""


class Problem:
    """The cells of some classes among ``pictures``.

    Args:
        pictures: as many as ``states`` has rows.
        states: of the classes: 1 positive, 0 negative, -1 unknown.
        text: their unit text vectors.
        base_rates: their log-odds before anything is seen.
        landmarks: of the RBF kernel on decoupled vectors; None: without it.
        telling: unknown cells that count; None: only known ones do.
        shift: how much higher the logits are among the cells that count than among all; 0 if not given.
    """

    def __init__(
        self,
        pictures: TrainingPictures,
        states: Int8[Tensor, "image label"],
        text: Float[Tensor, "label channel"],
        base_rates: Float[Tensor, " label"],
        landmarks: Landmarks | None,
        telling: Telling | None = None,
        shift: Float[Tensor, " label"] | None = None,
    ) -> None:
        self.pictures, self.text, self.base_rates, self.landmarks, self.telling = pictures, text, base_rates, landmarks, telling
        none = torch.zeros_like(base_rates) if shift is None else shift
        self.shift: Float[Tensor, " label"] = none if telling is None else telling.shift
        self.cells: Cells = counted_cells((states != UNKNOWN) | (_company(states) if telling is None else telling.kept))
        self.states = padded_states(states, self.cells)
        present = self.states == POSITIVE
        others = self.states == NEGATIVE if telling is None else self.cells.filled & ~present
        counts = torch.stack([present.sum(1), others.sum(1)])
        self.divisible = counts.amin(0) > 1
        """Classes that keep both labels whichever cell is left out: only these can learn where to look."""

    @property
    def known(self) -> Bool[Tensor, "label cell"]:
        """Where a cell's label is known."""
        return self.states != UNKNOWN

    def fit(
        self,
        weights: KernelWeights,
        queries: Tensor,
        start: Float[Tensor, "label cell"] | None = None,
        shared: Float[Tensor, "label cell cell"] | None = None,
    ) -> "Fit":
        """Return the posterior with these attention queries, (label, channel) or (label, cell, channel).

        ``start`` as in :meth:`infer`, ``shared`` as in :meth:`kernel`.
        """
        views = self.look(queries)
        return self.infer(weights, views, self.kernel(weights, views, shared), start)

    def look(self, queries: Tensor) -> LocalViews:
        """Return the classes' views with these attention queries, (label, channel) or (label, cell, channel)."""
        of_cells = queries if queries.dim() == 3 else queries[:, None].expand(*self.cells.rows.shape, -1)
        return local_views(self.pictures, self.cells, of_cells, self.text, self.landmarks)

    def shared_kernel(self, weights: KernelWeights) -> Float[Tensor, "label cell cell"]:
        """Return the part of the kernels that does not depend on where the classes look."""
        size = self.cells.rows.shape[1]
        found = self.text.new_ones(len(self.cells.rows), size, size)
        for features, weight in ((self.pictures.pooled, weights.pooled), (self.pictures.rbf, weights.rbf)):
            if weight:
                self._add_gram(found, features, weight**2)
        return found

    def _add_gram(self, kernel: Tensor, features: Float[Tensor, "image feature"], factor: float) -> None:
        whole = features @ features.T if len(features) ** 2 <= kernel.numel() else None
        for label, rows in enumerate(self.cells.rows):
            own = features[rows]
            kernel[label].add_(own @ own.T if whole is None else whole[rows][:, rows], alpha=factor)

    def kernel(self, weights: KernelWeights, views: LocalViews, shared: Tensor | None = None) -> Float[Tensor, "label cell cell"]:
        """Return K of every class, 0 in the padding; ``shared`` is :meth:`shared_kernel` where it is at hand."""
        kernel = self.shared_kernel(weights) if shared is None else shared.clone()
        name = views.similarity[..., None]
        for part, weight in ((views.vectors, weights.local), (views.rbf, weights.local_rbf), (name, NAME_DEVIATION)):
            if weight:
                kernel.baddbmm_(part, part.mT, alpha=weight**2)
        if not bool(self.cells.filled.all()):
            filled = self.cells.filled.to(kernel.dtype)
            kernel.mul_(filled[:, :, None]).mul_(filled[:, None, :])
        return kernel

    def infer(
        self,
        weights: KernelWeights,
        views: LocalViews,
        kernel: Float[Tensor, "label cell cell"],
        start: Float[Tensor, "label cell"] | None = None,
    ) -> "Fit":
        """Return the posterior with the kernels :meth:`kernel`; ``start`` are coefficients to start from."""
        mean = ((self.base_rates + self.shift)[:, None] + weights.name * views.similarity) * self.cells.filled
        if self.telling is None:
            posterior = infer(kernel, mean, self.states, counted=self.cells.filled, start=start, check_kernel=False, exact=False)
        else:
            posterior = _one_by_one(kernel, mean, self.states, self.cells.filled, self.telling.shares, start)
        return Fit(self, weights, views, posterior)

    def seen_as(self, base_rates: Float[Tensor, " label"], telling: Telling) -> "Problem":
        """Return the same cells with other base rates and shares."""
        found = copy(self)
        found.base_rates, found.telling, found.shift = base_rates, telling, telling.shift
        return found


def _one_by_one(
    kernel: Tensor, mean: Tensor, states: Tensor, filled: Tensor, shares: Sequence[CheckedShares], start: Tensor | None
) -> Posterior:
    """Return the posterior of classes with different shares; padding as ``infer`` has it."""
    size = mean.shape[1]
    found = []
    for label, share in enumerate(shares):
        own = slice(label, label + 1), slice(int(filled[label].sum()))
        begin = None if start is None else start[own]
        square = kernel[label, own[1], own[1]][None]
        found.append(infer(square, mean[own], states[own], shares=share, start=begin, check_kernel=False, exact=False))
    factor = torch.eye(size, dtype=found[0].factor.dtype, device=mean.device).repeat(len(found), 1, 1)
    for label, part in enumerate(found):
        count = part.factor.shape[1]
        factor[label, :count, :count] = part.factor[0]

    def padded(name: str) -> Tensor:
        return torch.cat([functional.pad(getattr(part, name), (0, size - getattr(part, name).shape[1])) for part in found])

    return Posterior(
        coefficients=padded("coefficients"),
        latent=padded("latent"),
        curvature=padded("curvature"),
        factor=factor,
        evidence=torch.cat([part.evidence for part in found]),
        jitter=torch.cat([part.jitter for part in found]),
        converged=torch.cat([part.converged for part in found]),
        steps=max(part.steps for part in found),
    )


def _company(states: Int8[Tensor, "image label"]) -> Bool[Tensor, "image label"]:
    """Return unlabelled pictures, evenly spread, that make up for what a class lacks of :data:`FEWEST_SEEN`."""
    unknown = states == UNKNOWN
    lacking = (FEWEST_SEEN - (~unknown).sum(0)).clamp(min=0)
    rank = unknown.cumsum(0) - 1
    step = (unknown.sum(0) // lacking.clamp(min=1)).clamp(min=1)
    return unknown & (rank % step == 0) & (rank // step < lacking)


@dataclass(frozen=True, eq=False)
class Fit:
    """A posterior with what it was made of."""

    problem: Problem
    weights: KernelWeights
    views: LocalViews
    posterior: Posterior

    def leave_one_out(self) -> Float[Tensor, "label cell"]:
        """Return each cell's logit without its own label, as it is among the cells that count (:attr:`Problem.shift`)."""
        return leave_one_out(self.posterior).mean

    def losses(self) -> Float[Tensor, " label"]:
        """Return each class's leave-one-out log loss in nats, summed over its known cells, or all that count where unknown ones tell."""
        logits = self.leave_one_out()
        if self.problem.telling is not None:
            each = zip(logits, self.problem.states, self.problem.telling.shares, self.problem.cells.filled, strict=True)
            return -torch.stack([cell_likelihood(*cells).log.sum() for cells in each])
        entries = functional.softplus(logits) - (self.problem.states == POSITIVE) * logits
        return torch.where(self.problem.known, entries, 0.0).sum(1)

    def evidence_for_positions(self) -> PositionEvidence:
        """Return what a position's vector u_p says of the class in logits, e(p) = w . u_p.

        A class with fewer than two labels of one kind gets 0: it looks where its name says.
        """
        scale = (self.weights.local**2 / self.views.spread * self.problem.divisible)[:, None]
        without = torch.bmm(leave_each_out(self.posterior).mT, self.views.vectors)
        coefficients = self.posterior.coefficients.to(without.dtype)
        return PositionEvidence(scale[..., None] * without, scale * torch.einsum("lc,lcn->ln", coefficients, self.views.vectors))
