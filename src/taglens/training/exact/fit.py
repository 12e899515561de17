"""From features and known labels to the exact head: choose on a sample of the cells, learn where to look, infer on all of them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from taglens.gaussian_process import MOST_DUAL, Landmarks, batches
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN, PartialLabels
from taglens.methods.exact import ExactHead
from taglens.training.config import Checked
from taglens.training.costs import CELLS_TELLING, KERNEL_BYTES
from taglens.training.data import FeatureRows, batches_of
from taglens.training.exact.checked import Checking, Counts, Finding, find_checking, rates_among_known, taken_over
from taglens.training.exact.choice import attended, choose_following, choose_weights
from taglens.training.exact.collapse import write_classes, write_shared
from taglens.training.exact.deviation import SAMPLE, Basis, choose_basis, write_basis, write_deviations
from taglens.training.exact.pictures import TrainingPictures
from taglens.training.exact.problem import Fit, KernelWeights, Problem
from taglens.training.exact.solution import solve_large, solved
from taglens.training.exact.views import local_landmarks

CELLS_FOR_CHOICE = 300
"""Known cells of a class, on average, from which the weights and lambda are chosen."""
CELLS_FOR_ATTENTION = 600
"""The same for learning where to look: more changed nothing that could be seen (docs/log.md)."""
FEWEST_OF_EACH = 5
"""Labels of each kind in that sample that a class needs to take part in the choice."""
CLASSES_FOR_CHOICE = 64
"""Classes, evenly spread, that choose for all."""
CELLS_FOR_CHECKING, CLASSES_FOR_CHECKING = 400, 24
"""Cells of a class, known or not, and classes that say what shares of the present and absent cells were checked."""
ROUNDS = 2
"""Times the attention is made from the evidence of a fit."""


class ExactFit(NamedTuple):
    """What inference found beside the head's weights."""

    probabilities: Float[np.ndarray, "image label"]
    """Of all training pictures; those of known cells are leave-one-out."""
    choices: dict[str, Any]
    """What was chosen, and by how much."""


class _Chosen(NamedTuple):
    weights: KernelWeights
    following: float
    facts: dict[str, Any]


class _Looking(NamedTuple):
    """Where the classes look, and what to start the last fit from."""

    queries: Float[Tensor, "label channel"]
    """For other pictures."""
    of_cells: Tensor
    """For the cells, (label, cell, channel), or (label, channel) where these are looked at as other pictures are."""
    start: Float[Tensor, "label cell"] | None


@torch.no_grad()
def fit_exact(
    method: ExactHead,
    features: FeatureRows,
    labels: PartialLabels,
    *,
    seed: int = 0,
    checked: Checked = "auto",
    choices: Mapping[str, Any] | None = None,
    implied: Bool[np.ndarray, "image label"] | None = None,
) -> ExactFit:
    """Infer the weights of ``method`` from the known labels, nothing held out; ``seed`` draws the sample that choices are made on.

    ``choices`` are those of an earlier fit on nearly the same labels (:attr:`ExactFit.choices`), which are taken over: most of the time
    of a fit goes into choosing. How tags alone came about is found anew, since a single absent cell changes it.
    ``implied`` are known cells that follow from others: they are no sample, so a class's base rate is that of its other known cells.

    Raises:
        TrainingError: features that are not finite; ``checked`` cannot be with these labels.
    """
    return _Inference(method, features, labels, seed, checked, choices, implied).run()


class _Inference:
    """One training: the pictures, the order in which samples take them, and the landmarks of both RBF kernels."""

    def __init__(
        self,
        method: ExactHead,
        features: FeatureRows,
        labels: PartialLabels,
        seed: int,
        checked: Checked,
        choices: Mapping[str, Any] | None,
        implied: Bool[np.ndarray, "image label"] | None,
    ) -> None:
        self.method, self.features, self.choices = method, features, choices
        self.states = torch.tensor(labels.values, device=method.bias.device)
        # what nobody looked at says nothing of how people look
        hidden = None if implied is None else torch.tensor(implied, device=self.states.device)
        self.looked_at = self.states if hidden is None else self.states.masked_fill(hidden, UNKNOWN)
        self.known = (self.states != UNKNOWN).sum(0)
        self.text = method.text_vectors
        self.base = method.sharpness * self.text
        self.order = torch.randperm(len(self.states), generator=torch.Generator().manual_seed(seed)).to(self.states.device)
        self.pictures = TrainingPictures(features, np.arange(len(self.states)), decoupling=method.decoupling, device=self.states.device)
        self.landmarks: Landmarks | None = local_landmarks(self.pictures, self.base) if method.decoupling and method.use_rbf else None
        self.counts = Counts.of(self.looked_at)
        self.rank = self.order.argsort().float()
        self.found = (None if choices is None else taken_over(choices["checked"], self.counts)) or self._find_checking(checked)
        self.checking = self.found.checking
        self.known_rates = rates_among_known(self.checking, self.counts, Counts.of(self.states))

    def run(self) -> ExactFit:
        chosen = self._choose()
        basis = self._basis(chosen.weights)
        logits = torch.full(self.states.shape, torch.nan, device=self.states.device)
        for told in (False, True):
            labels = (self._told_by_unknown() == told).nonzero()[:, 0]
            cells = self.known[labels]
            if told:
                cells = cells.clamp(min=min(CELLS_TELLING, len(self.states)))
            for batch in batches(cells.tolist(), KERNEL_BYTES):
                self._infer(labels[batch], chosen, basis, logits)
        write_shared(self.method, self.pictures, self.landmarks)
        write_basis(self.method.deviation, basis, self.landmarks)
        return ExactFit(_probabilities(self.method, self.features, logits), chosen.facts | {"checked": self.found.facts(self.counts)})

    def _find_checking(self, asked: Checked) -> Finding:
        """Find the shares of checked cells with the fixed attention and the default weights, on a sample."""
        labels = self.counts.telling().nonzero()[:, 0]
        labels = labels if len(labels) else self.known.nonzero()[:, 0]
        labels = labels[torch.linspace(0, len(labels) - 1, min(len(labels), CLASSES_FOR_CHECKING)).long()]
        made: list[tuple[Fit, Tensor, Tensor]] = []

        def support(checking: Checking) -> Tensor:
            base_rates = checking.base_rates[labels]
            if made:
                fit, kernel, rows = made[-1]
                telling = checking.cells(self.looked_at[rows][:, labels], labels, self.rank[rows], CELLS_FOR_CHECKING)
                seen = fit.problem.seen_as(base_rates, telling)
                return -seen.infer(fit.weights, fit.views, kernel, fit.posterior.coefficients).losses()
            pictures, rows = self._sample(labels, CELLS_FOR_CHECKING // 2)
            states = self.looked_at[rows][:, labels]
            telling = checking.cells(states, labels, self.rank[rows], CELLS_FOR_CHECKING)
            problem = Problem(pictures, states, self.text[labels], base_rates, self.landmarks, telling)
            views = problem.look(self.base[labels])
            weights = self._weights()
            kernel = problem.kernel(weights, views)
            made.append((problem.infer(weights, views, kernel), kernel, rows))
            return -made[-1][0].losses()

        return find_checking(self.counts, support, asked)

    def _weights(self) -> KernelWeights:
        """Return the default weights of the kernels that there are."""
        return KernelWeights()._replace(**dict.fromkeys(self._absent_kernels(), 0.0))

    def _choose(self) -> _Chosen:
        if self.choices is not None:
            facts = {name: self.choices[name] for name in ("weights", "following", "losses")}
            return _Chosen(KernelWeights(**facts["weights"]), float(facts["following"]), facts)
        labels, pictures, rows = self._choosing()
        if not len(labels):
            return _Chosen(self._weights(), 0.0, {"weights": self._weights()._asdict(), "following": 0.0, "losses": {}})
        problem = self._problem(labels, pictures, rows, CELLS_FOR_CHOICE)
        fixed = self._absent_kernels()
        fit = choose_weights(problem, fixed, problem.fit(self._weights(), self.base[labels]))
        following, losses = 0.0, {0.0: float(fit.losses().sum())}
        if self.method.reattention and self.method.decoupling:
            following, fit, losses = choose_following(problem, fit, self.base[labels])
        return _Chosen(fit.weights, following, {"weights": fit.weights._asdict(), "following": following, "losses": losses})

    def _choosing(self) -> tuple[Tensor, TrainingPictures, Tensor]:
        """Return the classes that choose for all, and the sample on which they do.

        A class with hardly a label of one kind says nothing of how labels vary with the pictures, and would be best off without any kernel.
        """
        usable = self.known.nonzero()[:, 0]
        pictures, rows = self._sample(usable, CELLS_FOR_CHOICE)
        states = self.states[rows]
        present, absent = ((states == kind).sum(0) for kind in (POSITIVE, NEGATIVE))
        # with tags alone the unknown cells stand for the absent ones
        both = torch.minimum(present, len(states) - present if self.checking.kind == "tags-alone" else absent)
        labels = (both >= FEWEST_OF_EACH).nonzero()[:, 0]
        return labels[torch.linspace(0, len(labels) - 1, min(len(labels), CLASSES_FOR_CHOICE)).long()], pictures, rows

    def _absent_kernels(self) -> frozenset[str]:
        local = () if self.method.decoupling else ("local", "local_rbf")
        return frozenset(local if self.method.use_rbf else (*local, "rbf", "local_rbf"))

    def _sample(self, labels: Tensor, cells: int) -> tuple[TrainingPictures, Tensor]:
        """Return pictures in which the classes ``labels`` have about ``cells`` known cells, and their rows; more cells contain fewer."""
        share = cells / max(float(self.known[labels].float().mean()), 1.0)
        if share >= 1:
            return self.pictures, torch.arange(len(self.states), device=self.states.device)
        rows = self.order[: max(1, round(share * len(self.states)))].sort().values
        return TrainingPictures(self.features, rows.cpu().numpy(), scaled_by=self.pictures), rows

    def _problem(self, labels: Tensor, pictures: TrainingPictures, rows: Tensor, cells: int) -> Problem:
        """Return the classes' known cells; with tags alone also unknown ones, about ``cells`` altogether.

        What is known is no worse known for having been checked more often: only the base rate among known cells is another one.
        """
        states = self.states[rows][:, labels]
        if self.checking.kind == "tags-alone":
            telling = self.checking.cells(states, labels, self.rank[rows], cells)
            return Problem(pictures, states, self.text[labels], self.checking.base_rates[labels], self.landmarks, telling)
        return Problem(pictures, states, self.text[labels], self.known_rates[labels], self.landmarks)

    def _final_problem(self, labels: Tensor) -> Problem:
        """Return all known cells of the classes, and unknown ones where these say something."""
        states, base_rates = self.states[:, labels], self.checking.base_rates[labels]
        if bool(self._told_by_unknown()[labels].any()):
            telling = self.checking.cells(states, labels, self.rank, CELLS_TELLING)
            return Problem(self.pictures, states, self.text[labels], base_rates, self.landmarks, telling)
        shift = self.known_rates[labels] - base_rates
        return Problem(self.pictures, states, self.text[labels], base_rates, self.landmarks, shift=shift)

    def _told_by_unknown(self) -> Tensor:
        """Return the classes whose unknown cells say something and are wanted; with enough known ones of both kinds they are not."""
        return self.checking.informed & ((self.known < CELLS_TELLING) | (self.checking.absent == 0))

    def _basis(self, weights: KernelWeights) -> Basis:
        """Return the basis of the deviations, made from about :data:`SAMPLE` pictures."""
        sample = self.pictures
        if len(sample) > SAMPLE:
            sample = TrainingPictures(self.features, self.order[:SAMPLE].sort().values.cpu().numpy(), scaled_by=self.pictures)
        return choose_basis(self.pictures, sample, self.base, self.text, self.landmarks, weights)

    def _infer(self, labels: Tensor, chosen: _Chosen, basis: Basis, logits: Tensor) -> None:
        """Infer some classes; write their weights, and the leave-one-out ``logits`` (image, label) of their known cells."""
        problem = self._final_problem(labels)
        looking = _Looking(self.base[labels], self.base[labels], None)
        if chosen.following and chosen.weights.local:
            looking = self._attention(labels, problem, chosen)
        if problem.cells.rows.shape[1] > MOST_DUAL and problem.telling is None:
            found = solve_large(problem, chosen.weights, looking.of_cells)
        else:
            found = solved(problem.fit(chosen.weights, looking.of_cells, looking.start))
        columns = labels[:, None].expand_as(problem.known)
        logits[problem.cells.rows[problem.known], columns[problem.known]] = found.left_out[problem.known]
        write_classes(self.method, found, labels, looking.queries)
        write_deviations(self.method.deviation, found, labels, basis)

    def _attention(self, labels: Tensor, whole: Problem, chosen: _Chosen) -> _Looking:
        """Learn where to look on a sample; a picture of the sample is attended by what the others taught."""
        pictures, rows = self._sample(labels, CELLS_FOR_ATTENTION)
        alike = pictures is self.pictures and whole.telling is None
        problem = whole if alike else self._problem(labels, pictures, rows, CELLS_FOR_ATTENTION)
        base = self.base[labels]
        shared = problem.shared_kernel(chosen.weights)
        fit = problem.fit(chosen.weights, base, shared=shared)
        evidence = fit.evidence_for_positions()
        for _ in range(ROUNDS - 1):
            fit = attended(problem, fit, base, evidence, chosen.following, shared)
            evidence = fit.evidence_for_positions()
        queries = base + chosen.following * evidence.whole
        own = base[:, None] + chosen.following * evidence.without
        if problem is whole:
            return _Looking(queries, own, fit.posterior.coefficients)
        return _spread(queries, own, fit, whole, rows)


def _spread(queries: Tensor, own: Tensor, fit: Fit, whole: Problem, rows: Tensor) -> _Looking:
    """Put what was found for the cells of a sample at their places among all cells; the others are looked at as new pictures are."""
    of_cells = queries[:, None].repeat(1, whole.cells.rows.shape[1], 1)
    start = fit.posterior.coefficients.new_zeros(whole.cells.rows.shape)
    for label in range(len(queries)):
        known = fit.problem.known[label]
        everything = whole.cells.rows[label][whole.cells.filled[label]]
        at = torch.searchsorted(everything, rows[fit.problem.cells.rows[label][known]])
        of_cells[label, at] = own[label][known]
        start[label, at] = fit.posterior.coefficients[label][known]
    return _Looking(queries, of_cells, start)


def _probabilities(method: ExactHead, features: FeatureRows, logits: Tensor) -> NDArray[np.float32]:
    """Return the probabilities of every training picture: leave-one-out where there are ``logits``."""
    start = 0
    for batch in batches_of(features, np.arange(len(logits)), 256, logits.device):
        scored = method(batch, {}).logits
        part = logits[start : start + len(scored)]
        part.copy_(torch.where(part.isnan(), scored, part))
        start += len(scored)
    found: NDArray[np.float32] = torch.sigmoid(logits).cpu().numpy()
    return found
