"""How the known cells of a table came about, as far as scores can tell: the ratio at which present and absent cells were checked.

With c1 = P(known | present), c0 = P(known | absent) and s the probability that a cell is present, a cell is

    known present: c1 s,   known absent: c0 (1 - s),   unknown: (1 - c1) s + (1 - c0) (1 - s).

The known cells alone give s / (1 - s) times r = c1 / c0, so s follows from scores of known cells and r, and r has a likelihood over all
cells. What is taken from it is an interval, not a point: a guarantee is computed for the end of the interval that is worse for it.
It is counted as *odds ratio* G: the odds of being wrong among the unknown cells are G times those among the known ones, which for cells
filled as present is [(1 - c0) / c0] / [(1 - c1) / c1], and its inverse for cells filled as absent.

Source: Elkan and Noto, "Learning classifiers from only positive and unlabeled data", KDD 2008 (c0 = 0); profile likelihood.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN

MOST_RATIO = 64.0
"""Ratios beyond this, or below its inverse, are not told apart; a table at the limit is one that the model does not fit."""
NATS = 2.0
"""How far the log likelihood may lie below the highest within the interval: about 95 % for one parameter."""
FEWEST_POSITIVES = 3
"""Known present cells of a class that says something of the ratio."""
SMALLEST = 1e-6
_STEP = 0.05
"""Of the logarithm of the ratio, for slopes of the likelihood."""
_TRIED = 97
"""Ratios at which the likelihood is computed, evenly spread in the logarithm; then once more around the ends of the interval."""


@dataclass(frozen=True)
class Ratio:
    """How many times as often present cells were checked as absent ones: the most likely, and the interval that cannot be told from it."""

    best: float
    low: float
    high: float

    @property
    def at_random(self) -> bool:
        """Whether 1 is within the interval."""
        return self.low <= 1 <= self.high

    @property
    def told(self) -> bool:
        """Whether the interval ends before the limits."""
        return self.low > 1.01 / MOST_RATIO and self.high < MOST_RATIO / 1.01


def find_ratio(known_logits: NDArray[np.float64], states: NDArray[np.int8]) -> Ratio | None:
    """Return the ratio of c1 to c0, or None if no class has known cells of both kinds and unknown ones.

    Args:
        known_logits: (image, label) log-odds that a cell is present *if it is known*, from a model without that cell's own state.
        states: (image, label).
    """
    counts = [(states == kind).sum(0) for kind in (POSITIVE, NEGATIVE, UNKNOWN)]
    told = (counts[0] >= FEWEST_POSITIVES) & (counts[1] > 0) & (counts[2] > 0)
    if not told.any():
        return None
    classes = [_Class.of(known_logits[:, label], states[:, label]) for label in np.flatnonzero(told)]

    def support(log_ratio: float) -> float:
        return sum(one.support(log_ratio) for one in classes)

    limit = math.log(MOST_RATIO)
    grid = np.linspace(-limit, limit, _TRIED)
    values = np.array([support(log_ratio) for log_ratio in grid])
    at = int(values.argmax())
    near = np.linspace(grid[max(at - 1, 0)], grid[min(at + 1, _TRIED - 1)], 17)
    found = np.array([support(log_ratio) for log_ratio in near])
    best, least = float(near[found.argmax()]), float(found.max()) - NATS
    inside = np.flatnonzero(values >= least)
    first, last = (int(inside[0]), int(inside[-1])) if len(inside) else (at, at)
    low = _crossing(support, grid[max(first - 1, 0)], min(grid[first], best), least)
    high = _crossing(support, grid[min(last + 1, _TRIED - 1)], max(grid[last], best), least)
    room = 2 * _error(classes, best)
    return Ratio(math.exp(best), math.exp(max(min(low, best - room), -limit)), math.exp(min(max(high, best + room), limit)))


def odds_ratio(states: NDArray[np.int8], ratio: float, value: int) -> float:
    """Return the largest G of the classes, at least 1, for cells filled with ``value``, if c1 / c0 is ``ratio``.

    Args:
        states: (image, label).
        ratio: how many times as often present cells were checked as absent ones.
        value: 1 or 0, the value that is filled.
    """
    present, absent = ((states == kind).sum(0) for kind in (POSITIVE, NEGATIVE))
    some = (present + absent > 0) & (present + absent < len(states))
    if not some.any():
        return 1.0
    c0 = np.clip((present[some] / ratio + absent[some]) / len(states), 1e-9, 1 - 1e-6)
    c1 = np.clip(ratio * c0, 1e-9, 1 - 1e-6)
    odds = (c1 / (1 - c1)) / (c0 / (1 - c0))
    return float(max(1.0, (odds if value == POSITIVE else 1 / odds).max()))


@dataclass(frozen=True, eq=False)
class _Class:
    """What one class says: its known cells, and its unknown ones in groups of like logits."""

    pictures: int
    present: NDArray[np.float64]
    absent: NDArray[np.float64]
    unknown: NDArray[np.float64]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, logits: NDArray[np.float64], states: NDArray[np.int8]) -> "_Class":
        present, absent, unknown = (np.sort(logits[states == kind]) for kind in (POSITIVE, NEGATIVE, UNKNOWN))
        # the term of an unknown cell is smooth: groups of 1/512 of them say the same as single ones
        groups = np.array_split(unknown, min(512, len(unknown)))
        means = np.array([group.mean() for group in groups])
        return cls(len(states), present, absent, means, np.array([float(len(group)) for group in groups]))

    def support(self, log_ratio: float) -> float:
        """Return the log likelihood of the class's cells."""
        ratio = math.exp(log_ratio)
        c0 = min(max((len(self.present) / ratio + len(self.absent)) / self.pictures, 1e-9), 1 - SMALLEST)
        c1 = min(max(ratio * c0, 1e-9), 1 - SMALLEST)
        chance = expit(self.unknown - log_ratio)
        unknown = self.weights @ np.log((1 - c1) * chance + (1 - c0) * (1 - chance))
        present = -np.logaddexp(0, log_ratio - self.present).sum() + len(self.present) * math.log(c1)
        absent = -np.logaddexp(0, self.absent - log_ratio).sum() + len(self.absent) * math.log(c0)
        return float(present + absent + unknown)


def _crossing(support: object, outside: float, inside: float, least: float) -> float:
    """Return where the likelihood crosses ``least`` between a place outside the interval and one inside; the limit if nowhere."""
    assert callable(support)
    if support(outside) >= least:
        return float(outside)
    for _ in range(12):
        middle = (outside + inside) / 2
        outside, inside = (outside, middle) if support(middle) >= least else (middle, inside)
    return float(outside)


def _error(classes: list[_Class], best: float) -> float:
    """Return the standard error of the logarithm of the ratio, over the classes: their shares are estimated, too, and their scores are off.

    Source: White, "Maximum likelihood estimation of misspecified models", Econometrica 1982.
    """
    below, at, above = (np.array([one.support(best + step) for one in classes]) for step in (-_STEP, 0.0, _STEP))
    bend = float((2 * at - below - above).sum()) / _STEP**2
    return float(np.sqrt((((above - below) / (2 * _STEP)) ** 2).sum())) / bend if bend > 0 else 0.0


def logits_of(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return log-odds, kept finite."""
    found: NDArray[np.float64] = logit(np.clip(probabilities.astype(np.float64), SMALLEST, 1 - SMALLEST))
    return found


def for_all(known_logits: NDArray[np.float64], ratio: float) -> NDArray[np.float64]:
    """Return the probabilities that cells are present, known or not, from log-odds among known ones."""
    found: NDArray[np.float64] = np.clip(expit(known_logits - math.log(ratio)), SMALLEST, 1 - SMALLEST)
    return found
