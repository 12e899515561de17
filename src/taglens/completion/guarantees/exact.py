"""The exact test of a set of cells: how many of the unknown ones are right, after what the known ones among them show.

The known labels are taken as a random sample of the cells. Then, among the cells whose score reaches a threshold, the
known ones are a random sample too, and what they show bounds how many of the *unknown* ones are right: exactly, for this finite
table, by the hypergeometric distribution. It is Clopper and Pearson's exact test for the cells that are really filled; for a table
that is large beside its known part it becomes the binomial one, which is never stricter. Known cells that are no random sample are
described by an odds ratio (:mod:`taglens.completion.guarantees.odds`).

Sources: Clopper and Pearson, Biometrika 1934; Krishnamoorthy and Peng, "Improved closed-form prediction intervals", 2011 (the
prediction form).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taglens.completion.guarantees.odds import at_most


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """The cells that compete to be filled with one value; all arrays are (cell,)."""

    scores: NDArray[np.float64]
    """Probability that the value is right; the highest are filled first."""
    sampled: NDArray[np.bool_]
    """Known at random: labels that the data gave."""
    reviewed: NDArray[np.bool_]
    """Known because somebody chose to look: no random sample, but no cell to fill either."""
    right: NDArray[np.bool_]
    """Known to have the value; only read where a cell is sampled or reviewed."""

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """The cells that can be filled."""
        return ~(self.sampled | self.reviewed)

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "Cells":
        """Return some of the cells, by a mask or by their places."""
        return Cells(scores=self.scores[chosen], sampled=self.sampled[chosen], reviewed=self.reviewed[chosen], right=self.right[chosen])


@dataclass(frozen=True, kw_only=True, eq=False)
class Counts:
    """What sets of cells hold; all arrays are (set,)."""

    sampled: NDArray[np.int64]
    """Randomly known cells."""
    right: NDArray[np.int64]
    """Those of them that have the value."""
    reviewed: NDArray[np.int64]
    """Cells known because they were chosen."""
    reviewed_right: NDArray[np.int64]
    """Those of them that have the value."""
    unknown: NDArray[np.int64]
    """Cells that would be filled."""

    def __getitem__(self, index: slice) -> "Counts":
        return Counts(
            sampled=self.sampled[index],
            right=self.right[index],
            reviewed=self.reviewed[index],
            reviewed_right=self.reviewed_right[index],
            unknown=self.unknown[index],
        )

    def p_value(self, target: float, odds: float = 1.0) -> NDArray[np.float64]:
        """Return :func:`p_value` of each set, (set,)."""
        return p_value(
            self.right,
            self.sampled,
            self.unknown,
            target,
            reviewed_right=self.reviewed_right,
            reviewed=self.reviewed,
            odds=odds,
        )

    def so_few(self, target: float, odds: float = 1.0) -> NDArray[np.float64]:
        """Return the probability of no more right known cells if at least ``target`` of the unknown cells were right, (set,)."""
        right = self.right + self.reviewed_right + wanted(target, self.unknown)
        wrong = self.sampled + self.reviewed + self.unknown - right
        found = 1 - at_most(self.sampled - self.right - 1, wrong, right, self.sampled, odds)
        return np.where((self.unknown == 0) | (self.sampled == 0), 1.0, found)

    def lower_bound(self, confidence: float, odds: float = 1.0) -> NDArray[np.float64]:
        """Return the share of right unknown cells that is reached at least with ``confidence``, each set by itself; NaN where none is.

        By bisection over their number: the most whose :func:`p_value` still passes.
        """
        low, high = np.zeros_like(self.unknown), self.unknown.copy()
        while (low < high).any():
            middle = (low + high + 1) // 2
            passes = self._p(middle - 1, odds) <= 1 - confidence
            low, high = np.where(passes & (low < high), middle, low), np.where(~passes & (low < high), middle - 1, high)
        return np.where(self.unknown > 0, low / np.maximum(self.unknown, 1), np.nan)

    def _p(self, failing: NDArray[np.int64], odds: float) -> NDArray[np.float64]:
        right = self.right + self.reviewed_right + failing
        wrong = self.sampled + self.reviewed + self.unknown - right
        return at_most(self.sampled - self.right, wrong, right, self.sampled, odds)


def counts_by_class(cells: Cells, classes: NDArray[np.int64], reached: NDArray[np.bool_], count: int) -> Counts:
    """Return what the cells that are ``reached`` hold, class by class, (class,)."""
    kinds = (cells.sampled, cells.sampled & cells.right, cells.reviewed, cells.reviewed & cells.right, cells.unknown)
    return Counts(
        **{
            name: np.bincount(classes[kind & reached], minlength=count).astype(np.int64)
            for name, kind in zip(("sampled", "right", "reviewed", "reviewed_right", "unknown"), kinds, strict=True)
        }
    )


def p_value(
    right: NDArray[np.int64],
    sampled: NDArray[np.int64],
    unknown: NDArray[np.int64],
    target: float,
    *,
    reviewed_right: NDArray[np.int64] | int = 0,
    reviewed: NDArray[np.int64] | int = 0,
    odds: float = 1.0,
) -> NDArray[np.float64]:
    """Return the exact probability of so many right known cells if fewer than ``target`` of the unknown cells were right.

    P(X >= right), X hypergeometric: ``sampled`` drawn of sampled + reviewed + unknown cells, of which right + j are right;
    j = ceil(target * unknown) - 1 + reviewed_right is the most that fails. Where nothing is unknown the answer is 0.

    Args:
        right: known cells that have the value, (set,).
        sampled: known cells, (set,).
        unknown: cells that would be filled, (set,).
        target: share of them that must be right.
        reviewed_right: cells known because they were chosen, that have the value, (set,).
        reviewed: all cells known because they were chosen, (set,).
        odds: how much higher the odds of being unknown are for wrong cells than for right ones.
    """
    failing = right + np.maximum(wanted(target, unknown) - 1, 0) + reviewed_right
    found = at_most(sampled - right, sampled + reviewed + unknown - failing, failing, sampled, odds)
    return np.where(np.asarray(unknown) == 0, 0.0, found)


def wanted(target: float, unknown: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the right cells that keep the guarantee; the small number forgives 0.9 * 10 = 9.000000000000002."""
    least: NDArray[np.int64] = np.ceil(target * unknown - 1e-9).astype(np.int64)
    return least
