"""One guarantee for the whole table: of all filled cells together at least the asked share is right, at the asked confidence.

One ranking over all classes, by calibrated probability, and one exact test of the pooled cells along a fixed sequence. No single class
is spoken for; but a class whose own known cells speak against it is left out afterwards (the floor).

Leaving out after the test keeps the statement: if at most a share q of all cells is wrong, and at least a share q of those of the
classes that are left out, then at most a share q of the rest is wrong. A class is left out where its known cells reject, at 5 %, that
even q + 0.1 of its cells are wrong, so that one with fewer than q wrong hardly ever is. The test itself still counts the known
wrong cells of every class.

Source: Candes, Ilyas and Zrnic, "Probably approximately correct labels", 2025 (one statement for a data set, there with a betting
bound); Angelopoulos et al., "Learn then Test", 2021 (fixed-sequence testing).
"""

import numpy as np
from numpy.typing import NDArray

from taglens.completion.guarantees.exact import Cells, counts_by_class
from taglens.completion.guarantees.odds import shifted
from taglens.completion.guarantees.outcome import Outcome, describe
from taglens.completion.guarantees.sequence import find_guarantee
from taglens.completion.guarantees.shares import pool_classes

FLOOR_BELOW = 0.1
"""A class is left out where its precision is surely so much lower than what was asked."""
FLOOR_LEVEL = 0.05
"""How often a class that is just good enough is left out."""


def guarantee_table(
    cells: Cells,
    classes: NDArray[np.int64],
    *,
    precision: float,
    confidence: float,
    odds: float = 1.0,
    above: float = -np.inf,
    seed: int = 0,
) -> Outcome:
    """Return the cells that can be filled so that at least ``precision`` of them, over all classes, are right.

    P(share of right cells among all filled >= precision) >= confidence.

    Args:
        cells: all cells of the table that compete for one value.
        classes: index of each cell's class, 0 to the number of classes - 1, (cell,).
        precision: share of the filled cells that must be right.
        confidence: probability that the statement holds.
        odds: how much higher the odds of being unknown are for wrong cells than for right ones.
        above: only cells with higher scores may be filled: the others were filled with the other value.
        seed: of which known cells are set aside where the known shares of classes differ.
    """
    pool = pool_classes(cells, classes, precision=shifted(precision, odds), seed=seed)
    joined = cells.where(pool.joined)
    found = find_guarantee(joined, precision, confidence, most=int((joined.scores > above).sum()), odds=odds)
    reasons = np.array(pool.reasons, dtype=object)
    thresholds = np.full(len(reasons), np.inf)
    if found.threshold is not None:
        reached = (cells.scores >= found.threshold) & (reasons == "")[classes]
        reasons = np.where(reasons == "", _floor(cells, classes, reached, precision, odds, len(reasons)), reasons)
        thresholds[reasons == ""] = found.threshold
    return describe(
        "table",
        cells,
        classes,
        thresholds,
        precision=precision,
        confidence=confidence,
        odds=odds,
        tipping=found.tipping,
        reasons=tuple(reasons),
        reason=found.reason,
    )


def _floor(
    cells: Cells, classes: NDArray[np.int64], reached: NDArray[np.bool_], precision: float, odds: float, count: int
) -> NDArray[np.object_]:
    """Return why a class is left out, "" where it is not, (class,)."""
    counts = counts_by_class(cells, classes, reached, count)
    least = precision - FLOOR_BELOW
    fails = counts.so_few(least, odds) <= FLOOR_LEVEL if least > 0 else np.zeros(count, dtype=bool)
    reasons = np.full(count, "", dtype=object)
    for column in np.flatnonzero(fails):
        reasons[column] = (
            f"only {counts.right[column]:,} of its {counts.sampled[column]:,} known cells that would be filled are right, which "
            f"speaks against even {least:.0%}"
        )
    return reasons
