"""From probabilities to a filled table: which cells are filled with which value, and what is said of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taglens.completion.assumption import Assumption
from taglens.completion.config import Targets
from taglens.completion.guarantees.average import fill_on_average
from taglens.completion.guarantees.candidates import fill_for_audit
from taglens.completion.guarantees.exact import Cells
from taglens.completion.guarantees.outcome import Outcome, nothing
from taglens.completion.guarantees.per_class import guarantee_classes
from taglens.completion.guarantees.table import guarantee_table
from taglens.errors import TableError
from taglens.labels.states import NEGATIVE, POSITIVE, PartialLabels

METHODS: dict[str, Callable[..., Outcome]] = {
    "table": guarantee_table,
    "class": guarantee_classes,
    "average": fill_on_average,
    "audit": fill_for_audit,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Filling:
    """The outcome: labels with more cells known, and what is said of the filled ones."""

    labels: PartialLabels
    present: Outcome
    absent: Outcome | None
    """None if no negative predictive value was asked for."""
    probabilities: NDArray[np.float64]
    """(image, label) that cells are present, by which they were filled."""

    def outcomes(self) -> tuple[tuple[int, Outcome], ...]:
        """Return the values that were asked for, each with its outcome."""
        return ((POSITIVE, self.present), *(() if self.absent is None else ((NEGATIVE, self.absent),)))

    def filled(self, value: int) -> NDArray[np.bool_]:
        """Return the cells (image, label) that were filled with ``value``."""
        found = dict(self.outcomes()).get(value)
        return np.zeros(self.labels.shape, dtype=bool) if found is None else found.filled.reshape(self.labels.shape)


def fill(
    probabilities: NDArray[np.float64],
    labels: PartialLabels,
    targets: Targets,
    assumption: Assumption,
    *,
    reviewed: NDArray[np.bool_] | None = None,
    seed: int = 0,
) -> Filling:
    """Fill the unknown cells that a guarantee covers; known labels are never changed.

    Args:
        probabilities: (image, label) calibrated, each from a model that did not see the cell's own state.
        labels: (image, label).
        targets: precision, negative predictive value, confidence, and what is to be guaranteed.
        assumption: what known cells are taken for; if nothing may be assumed, nothing is filled but for an audit.
        reviewed: (image, label) known cells that somebody chose to look at, so that they are no random sample; None: none are.
        seed: of which known cells are set aside where the known shares of classes differ.

    Raises:
        TableError: no cell is unknown, or none is known.
    """
    if not labels.unknown.any():
        raise TableError("no cell is unknown, so there is nothing to fill; blank cells are the ones that were not checked")
    if not labels.known.any():
        raise TableError("no cell is known, so nothing can be guaranteed; fill some cells with 1 (present) or 0 (absent)")
    chosen = np.zeros(labels.shape, dtype=bool) if reviewed is None else reviewed & labels.known
    values = labels.values.copy()
    present = _outcome(probabilities, labels, targets, assumption, chosen, POSITIVE, seed=seed)
    values[present.filled.reshape(values.shape)] = POSITIVE
    absent = None
    if targets.npv is not None:
        absent = _outcome(probabilities, labels, targets, assumption, chosen, NEGATIVE, seed=seed, taken=present)
        values[absent.filled.reshape(values.shape)] = NEGATIVE
    return Filling(labels=PartialLabels(values), present=present, absent=absent, probabilities=probabilities)


def cells_for(value: int, probabilities: NDArray[np.float64], labels: PartialLabels, reviewed: NDArray[np.bool_]) -> Cells:
    """Return all cells of the table, one after the other, as they compete to be filled with ``value``."""
    return Cells(
        scores=(probabilities if value == POSITIVE else 1 - probabilities).ravel(),
        sampled=(labels.known & ~reviewed).ravel(),
        reviewed=reviewed.ravel(),
        right=np.equal(labels.values, value).ravel(),
    )


def classes_of(labels: PartialLabels) -> NDArray[np.int64]:
    """Return the class of each cell, in the order of :func:`cells_for`."""
    return np.tile(np.arange(labels.shape[1]), labels.shape[0])


def _outcome(
    probabilities: NDArray[np.float64],
    labels: PartialLabels,
    targets: Targets,
    assumption: Assumption,
    reviewed: NDArray[np.bool_],
    value: int,
    *,
    seed: int,
    taken: Outcome | None = None,
) -> Outcome:
    """Return what is filled with ``value`` of the cells that were not ``taken`` by the other value."""
    cells, classes = cells_for(value, probabilities, labels, reviewed), classes_of(labels)
    precision = targets.precision if value == POSITIVE or targets.npv is None else targets.npv
    asked = {"precision": precision, "confidence": targets.confidence, "odds": assumption.odds(value)}
    if assumption.refused and targets.guarantee != "audit":
        return nothing(targets.guarantee, cells, classes, reason=assumption.refused, **asked)
    options: dict[str, object] = {}
    if taken is not None and taken.filled.any():
        highest = np.full(labels.shape[1], -np.inf)
        np.maximum.at(highest, classes[taken.filled], cells.scores[taken.filled])
        options["above"] = highest if targets.guarantee == "class" else float(highest.max())
    if targets.guarantee in ("table", "average"):
        options["seed"] = seed
    return METHODS[targets.guarantee](cells, classes, **asked, **options)
