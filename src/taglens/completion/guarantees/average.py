"""Right on average over tables like this one: conformal selection. Fills more, and says nothing of how many are right in this table.

Of the cells above a threshold, (1 + known wrong ones) / (1 + known ones) times the unknown ones are expected to be wrong. The lowest
threshold at which that is at most a share 1 - precision of the cells to fill keeps the expected share of wrong filled cells at
1 - precision: Benjamini and Hochberg's procedure over conformal p-values.

Sources: Jin and Candes, "Selection by prediction with conformal p-values", JMLR 2023; Benjamini and Hochberg, JRSS B 1995.
"""

import numpy as np
from numpy.typing import NDArray

from taglens.completion.guarantees.exact import Cells
from taglens.completion.guarantees.odds import shifted
from taglens.completion.guarantees.outcome import Outcome, describe
from taglens.completion.guarantees.shares import pool_classes


def fill_on_average(
    cells: Cells,
    classes: NDArray[np.int64],
    *,
    precision: float,
    confidence: float,
    odds: float = 1.0,
    above: float = -np.inf,
    seed: int = 0,
) -> Outcome:
    """Return the cells to fill so that over many such tables at least ``precision`` of the filled cells are right on average.

    E[share of wrong cells among all filled] <= 1 - precision, 0 where nothing is filled. All classes are taken together, as for
    the table's guarantee.

    Args:
        cells: all cells of the table that compete for one value.
        classes: index of each cell's class, 0 to the number of classes - 1, (cell,).
        precision: share of the filled cells that is right on average.
        confidence: of the classes' own bounds only.
        odds: how much higher the odds of being unknown are for wrong cells than for right ones.
        above: only cells with higher scores may be filled: the others were filled with the other value.
        seed: of which known cells are set aside where the known shares of classes differ.
    """
    pool = pool_classes(cells, classes, precision=shifted(precision, odds), seed=seed)
    joined = cells.where(pool.joined)
    thresholds = np.unique(joined.scores[joined.unknown & (joined.scores > above)])[::-1]
    estimates = wrong_share(joined, thresholds)
    chosen = np.flatnonzero(odds * estimates <= 1 - precision + 1e-12)
    lowest = float(thresholds[chosen[-1]]) if len(chosen) else np.inf
    return describe(
        "average",
        cells,
        classes,
        np.where(np.array(pool.reasons, dtype=object) == "", lowest, np.inf),
        precision=precision,
        confidence=confidence,
        odds=odds,
        tipping=float((1 - precision) / estimates[chosen[-1]]) if len(chosen) else None,
        reasons=pool.reasons,
        reason=_reason(joined, estimates),
    )


def wrong_share(cells: Cells, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the expected share of wrong cells among the unknown ones at or above each threshold, m (1 + v) / ((n + 1) u), (threshold,).

    v known wrong cells lie above it and u unknown ones; n cells are known at random and m are not. Reviewed cells count among the m:
    how many of those above are wrong is bounded with the unknown ones.
    """
    known_wrong, unknown = (np.sort(cells.scores[kind]) for kind in (cells.sampled & ~cells.right, cells.unknown))
    wrong = len(known_wrong) - np.searchsorted(known_wrong, thresholds)
    filled = len(unknown) - np.searchsorted(unknown, thresholds)
    known = np.count_nonzero(cells.sampled)
    found: NDArray[np.float64] = (len(cells.scores) - known) * (1 + wrong) / ((known + 1) * np.maximum(filled, 1))
    return found


def _reason(cells: Cells, estimates: NDArray[np.float64]) -> str:
    if not cells.sampled.any():
        return "no known cell, so nothing says how good a guess is"
    if not len(estimates):
        return "no unknown cell is left to fill"
    return f"at every threshold more would be wrong on average than asked: {estimates.min():.1%} at the best"
