"""What could be guaranteed at every precision at once: a simultaneous band over all thresholds, for the curve and the dry run.

Walk down the *wrong* cells by score. Each is known with the chance pi of a known cell, so that the number of unknown wrong ones before
the (v + 1)-th known one has a negative binomial distribution, NB(v + 1, pi). Above a threshold with v known wrong cells there are thus
at most U(v) unknown wrong ones, U(v) = max{u : P(NB(v + 1, pi) >= u) > l}, and the local level l is chosen so that the whole walk
stays below U with the asked confidence. Any threshold and any precision may then be read off after looking. It costs about twice the
known cells of a single test, so that it is for showing what can be had, not for filling.

Walks are drawn once per (pi, confidence), at the numbers v of a growing grid; between two of them the larger U holds.

Sources: Goeman, Hemerik and Solari, "Only closed testing procedures are admissible for controlling false discovery proportions", 2021;
Song, Jin and Candes, "Everywhere valid bounds", 2026 (the same idea for conformal selection); Besag and Clifford, Biometrika 1991
(exact levels from drawn walks).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import nbinom

from taglens.completion.guarantees.exact import Cells
from taglens.completion.guarantees.odds import shifted
from taglens.completion.guarantees.sequence import counts_above
from taglens.completion.guarantees.shares import pool_classes

WALKS = 4000
MOST_WRONG = 30_000
"""Known wrong cells that the band looks at; no table is filled at a precision at which more are above the threshold."""
GROWTH = 1.08
"""Each number v of the grid is at least so many times the one before."""
POINTS = 800
"""Thresholds of the curve, spread evenly over the logarithm of the number of cells."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Band:
    """Cells filled against the precision that is guaranteed of them, for all thresholds at once; arrays are (point,), few cells first."""

    thresholds: NDArray[np.float64]
    filled: NDArray[np.int64]
    """Unknown cells at or above the threshold."""
    precision: NDArray[np.float64]
    """Lower bound of the share of right ones among them; all bounds hold together with ``confidence``."""
    confidence: float
    odds: float

    def most_cells(self, precision: float) -> int | None:
        """Return the point with the most cells at which at least ``precision`` is guaranteed; None if there is none."""
        reached = np.flatnonzero((self.precision >= precision) & (self.filled > 0))
        return int(reached[-1]) if len(reached) else None

    def nearest(self, precision: float) -> int | None:
        """Return the point to offer to somebody who asked for ``precision``; None if nothing at all can be guaranteed.

        The one with the most cells that reaches what was asked, else with the most cells at the highest whole percent that is reached.
        """
        reached = self.most_cells(precision)
        if reached is not None:
            return reached
        best = float(np.floor(100 * self.precision.max(initial=0.0)) / 100)
        return self.most_cells(best) if best > 0 else None


def guarantee_curve(
    cells: Cells, classes: NDArray[np.int64], *, precision: float, confidence: float, odds: float = 1.0, seed: int = 0
) -> Band:
    """Return what is guaranteed of the filled cells of all classes together, at all thresholds at once.

    P(for all thresholds: share of right filled cells >= bound) >= confidence.

    Args:
        cells: all cells of the table that compete for one value.
        classes: index of each cell's class, 0 to the number of classes - 1, (cell,).
        precision: what was asked, for choosing which classes are taken together where their known shares differ.
        confidence: probability that the whole curve holds.
        odds: how much higher the odds of being unknown are for wrong cells than for right ones.
        seed: of which known cells are set aside where the known shares of classes differ.
    """
    pool = pool_classes(cells, classes, precision=shifted(precision, odds), seed=seed)
    joined = cells.where(pool.joined)
    known, ranked = int(joined.sampled.sum()), np.sort(joined.scores)[::-1]
    if not known or known == len(ranked):
        none = np.empty(0)
        return Band(thresholds=none, filled=none.astype(np.int64), precision=none, confidence=confidence, odds=odds)
    sizes = np.unique(np.geomspace(1, len(ranked), POINTS).astype(np.int64))
    thresholds = np.unique(ranked[sizes - 1])[::-1]
    counts = counts_above(joined, thresholds)
    wrong = counts.sampled - counts.right
    bound = most_unknown_wrong(wrong, _chance(known, len(ranked), odds), confidence) - (counts.reviewed - counts.reviewed_right)
    share = np.clip(bound, 0, counts.unknown) / np.maximum(counts.unknown, 1)
    return Band(
        thresholds=thresholds,
        filled=counts.unknown,
        precision=np.where(counts.unknown > 0, 1 - share, 0.0),
        confidence=confidence,
        odds=odds,
    )


def most_unknown_wrong(wrong: NDArray[np.int64], chance: float, confidence: float) -> NDArray[np.int64]:
    """Return U(v), so many unknown wrong cells there are at most with each number v of known wrong ones, all v at once.

    Args:
        wrong: known wrong cells above the threshold, (threshold,).
        chance: with which a wrong cell is known.
        confidence: probability that all bounds hold.
    """
    near = float(np.exp(np.round(10 * np.log(chance)) / 10))  # the level hardly depends on it, and is drawn once for all near ones
    grid, level = _level(min(near, 0.99), round(1 - confidence, 9))
    place = np.searchsorted(grid, wrong)
    # U(v) = max{u : P(NB >= u) > l}; P(NB >= u) = sf(u - 1) and isf(l) is the smallest u with sf(u) <= l.
    bounds = nbinom.isf(level, grid + 1, chance).astype(np.int64)
    found: NDArray[np.int64] = np.append(bounds, np.iinfo(np.int64).max // 2)[place]
    return found


@lru_cache(maxsize=64)
def _level(chance: float, broken: float) -> tuple[NDArray[np.int64], float]:
    """Return the numbers v that are looked at, and the local level at which a share ``broken`` of all walks exceeds a bound anywhere."""
    grid = _grid()
    steps = np.diff(np.append(-1, grid))
    random = np.random.default_rng(0)
    lowest = np.ones(WALKS)
    walked = np.zeros(WALKS, dtype=np.int64)
    for number, step in zip(grid, steps, strict=True):
        walked += random.negative_binomial(step, chance, WALKS)
        lowest = np.minimum(lowest, nbinom.sf(walked - 1, number + 1, chance))
    return grid, float(np.sort(lowest)[max(0, int(broken * (WALKS + 1)) - 1)])


def _grid() -> NDArray[np.int64]:
    numbers = [0]
    while numbers[-1] < MOST_WRONG:
        numbers.append(max(numbers[-1] + 1, int(numbers[-1] * GROWTH)))
    return np.array(numbers)


def _chance(known: int, total: int, odds: float) -> float:
    """Return the chance with which a wrong cell is known at the least: its odds are those of all cells divided by the odds ratio."""
    ratio = known / (total - known) / odds
    return ratio / (1 + ratio)
