"""Known cells that are no random sample: how much more often wrong cells are left unknown than right ones, as one odds ratio.

``odds`` is G = (odds of being unknown, of a wrong cell) / (odds of being unknown, of a right cell). At G = 1 the known cells are a
random sample. At G = 2 the odds of wrong against right are twice as high among the unknown cells as among the known ones, so that a
share a of right unknown cells looks like a G / (a G + 1 - a) among the known ones. The number of known wrong cells then has Fisher's
noncentral hypergeometric distribution, which takes the place of the hypergeometric one in the exact test.

Sources: Fisher, "The logic of inductive inference", 1935; Rosenbaum, Observational Studies, 2002 (bounds for an odds ratio).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import hypergeom

HIGHEST = 1000.0
"""Where the search for a tipping point ends: no way of missing is that extreme and still leaves something to learn from."""


def shifted(share: float, odds: float) -> float:
    """Return the share of right cells among the known ones that corresponds to ``share`` among the unknown ones, a G / (a G + 1 - a)."""
    return share * odds / (share * odds + 1 - share)


def at_most(
    found: NDArray[np.int64], wrong: NDArray[np.int64], right: NDArray[np.int64], known: NDArray[np.int64], odds: float = 1.0
) -> NDArray[np.float64]:
    """Return the probability that at most ``found`` of the wrong cells are known.

    P(X <= found), P(X = x) in proportion to C(wrong, x) C(right, known - x) odds^-x.

    Args:
        found: known wrong cells, (set,).
        wrong: all wrong cells, (set,).
        right: all right cells, (set,).
        known: known cells, (set,).
        odds: G.
    """
    if odds == 1:
        exact = hypergeom.cdf(found, wrong + right, wrong, known)
        return np.where(found >= np.minimum(known, wrong), 1.0, exact)  # of an empty set too, where the library has no answer
    each = np.broadcast_arrays(found, wrong, right, known)
    values = [_at_most(int(x), int(w), int(r), int(k), odds) for x, w, r, k in zip(*(value.ravel() for value in each), strict=True)]
    return np.array(values).reshape(each[0].shape)


def tipping_point(holds: Callable[[float], bool], start: float, *, precision: float = 0.005) -> float:
    """Return the largest odds ratio up to which a statement holds, by bisection; it must hold at ``start``.

    Args:
        holds: whether the test still passes at an odds ratio; once it fails, it fails at every larger one.
        start: odds ratio at which the statement was made.
        precision: relative; the answer errs to the low side by at most so much.
    """
    if holds(HIGHEST):
        return HIGHEST
    low, high = start, HIGHEST
    while high > low * (1 + precision):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _at_most(found: int, wrong: int, right: int, known: int, odds: float) -> float:
    lowest, highest = max(0, known - right), min(known, wrong)
    if found >= highest:
        return 1.0
    if found < lowest:
        return 0.0
    mode = _mode(wrong, right, known, odds)
    spread = 12 * np.sqrt(min(mode, known - mode, wrong) + 1) + 60  # beyond it lies less than any number that matters
    hits = np.arange(max(lowest, int(mode - spread)), min(highest, int(mode + spread)) + 1)
    if found < hits[0]:
        return 0.0
    weights = -(gammaln(hits + 1) + gammaln(wrong - hits + 1) + gammaln(known - hits + 1) + gammaln(right - known + hits + 1))
    weights -= hits * np.log(odds)
    weights = np.exp(weights - weights.max())
    return float(weights[: found - hits[0] + 1].sum() / weights.sum())


def _mode(wrong: int, right: int, known: int, odds: float) -> float:
    """Return the most probable number of known wrong cells: where P(x) = P(x - 1), a quadratic equation in x."""
    factor = 1 / odds
    square, linear, constant = factor - 1, (wrong + known + 2) * factor + right - known, (wrong + 1.0) * (known + 1.0) * factor
    return float(2 * constant / (linear + np.sqrt(max(linear * linear - 4 * square * constant, 0.0))))
