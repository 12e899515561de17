"""What every kind of statement returns: the cells that are filled, and what is said of them together and class by class."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from taglens.completion.guarantees.exact import Cells, counts_by_class

Method = Literal["table", "class", "average", "audit"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassRows:
    """What is known of each class; all arrays are (class,). Only ``--guarantee class`` guarantees anything of a single class."""

    thresholds: NDArray[np.float64]
    """Lowest score that is filled; inf where nothing is."""
    filled: NDArray[np.int64]
    right: NDArray[np.int64]
    """Randomly known cells at or above the threshold that have the value."""
    wrong: NDArray[np.int64]
    """Those that do not."""
    bounds: NDArray[np.float64]
    """One-sided lower bound of the share of right filled cells, each class by itself: no guarantee of all at once; NaN: nothing filled."""
    reasons: tuple[str, ...]
    """Why the class was left out; "" where it took part."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """Which cells are filled with one value, and what is said of them."""

    method: Method
    filled: NDArray[np.bool_]
    """(cell,), only cells that were unknown."""
    precision: float
    """What was asked, and is said of the filled cells: so many are right at least, surely (table, class) or on average over such tables."""
    confidence: float | None
    """How surely; None for ``average``, which says nothing of this one table, and for ``audit``, before which nothing is known."""
    odds: float
    """How much higher the odds of being unknown may be for wrong cells than for right ones."""
    tipping: float | None
    """Largest such odds ratio at which the tests that the statement rests on still pass; None where nothing is filled."""
    right: int
    """Randomly known cells among those that reach the thresholds, that have the value."""
    wrong: int
    """Those that do not."""
    rows: ClassRows
    reason: str
    """Why nothing is filled; "" where something is."""


def describe(
    method: Method,
    cells: Cells,
    classes: NDArray[np.int64],
    thresholds: NDArray[np.float64],
    *,
    precision: float,
    confidence: float,
    odds: float,
    tipping: float | None,
    reasons: tuple[str, ...],
    reason: str,
) -> Outcome:
    """Return the outcome of filling all unknown cells at or above their class's threshold.

    Args:
        method: what kind of statement it is.
        cells: all that compete, the known ones too.
        classes: index of each cell's class, (cell,).
        thresholds: lowest score that is filled, inf for nothing, (class,).
        precision: what is said of the filled cells.
        confidence: how surely; of the classes' own bounds too.
        odds: odds ratio of being unknown.
        tipping: the largest one at which the tests still pass.
        reasons: why a class was left out, (class,).
        reason: why nothing is filled.
    """
    reached = cells.scores >= thresholds[classes]
    counts = counts_by_class(cells, classes, reached, len(thresholds))
    filled = reached & cells.unknown
    made = bool(filled.any())
    return Outcome(
        method=method,
        filled=filled,
        precision=precision,
        confidence=None if method in ("average", "audit") else confidence,
        odds=odds,
        tipping=tipping if made else None,
        right=int(counts.right.sum()),
        wrong=int((counts.sampled - counts.right).sum()),
        rows=ClassRows(
            thresholds=thresholds,
            filled=counts.unknown,
            right=counts.right,
            wrong=counts.sampled - counts.right,
            bounds=counts.lower_bound(confidence, odds),
            reasons=reasons,
        ),
        reason="" if made else reason or "no unknown cell reaches the threshold",
    )


def nothing(
    method: Method, cells: Cells, classes: NDArray[np.int64], *, precision: float, confidence: float, odds: float, reason: str
) -> Outcome:
    """Return the outcome of filling nothing, for this ``reason``; arguments as in :func:`describe`."""
    count = len(np.bincount(classes))
    return describe(
        method,
        cells,
        classes,
        np.full(count, np.inf),
        precision=precision,
        confidence=confidence,
        odds=odds,
        tipping=None,
        reasons=("",) * count,
        reason=reason,
    )
