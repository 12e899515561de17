"""Whether the known cells look like the unknown ones: in their scores, and in their pictures.

A guarantee for the unknown cells is drawn from the known ones. If known ones were picked by something that scores or pictures show (what a
model suggested, what one person was sent), they are no sample of the others, whatever their number.

- *Scores*: of each class, the known cells against the number that each score lets expect, (1 + (r - 1) s) times a constant; by rank, in the
  highest tenth and in the highest fiftieth, as standardised sums, shared out over all of them (Bonferroni).
- *Pictures*: whether the pooled vectors of other pictures tell how many cells of a picture are known, more or fewer than their scores let
  expect; ridge regression, cross-fitted, and the correlation of its answer with the truth.

Source: score tests of a logistic model (Rao 1948); Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", ICLR 2017.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from taglens.labels.states import UNKNOWN

LEVEL = 0.001
"""How often a table whose known cells are a sample may be doubted."""
FEWEST_KNOWN = 5
"""Known cells of a class that is looked at."""
_TOPS = (0.1, 0.02)
_FOLDS = 5
_MOST_PICTURES = 20_000
_RIDGE = 1.0
"""Prior precision of the regression in units of one picture's length: unit vectors, so shrinkage to nothing is the rule."""


@dataclass(frozen=True)
class Likeness:
    """What was found."""

    classes: tuple[int, ...]
    """Classes whose known cells have other scores than could be expected."""
    pictures: bool
    """Whether the pictures with known cells can be told from the others by what they show."""

    @property
    def doubted(self) -> bool:
        """Whether anything speaks against known cells being like unknown ones."""
        return bool(self.classes) or self.pictures


def compare(
    probabilities: NDArray[np.float64],
    states: NDArray[np.int8],
    ratio: float,
    pooled: NDArray[np.float32] | None = None,
) -> Likeness:
    """Compare known with unknown cells.

    Args:
        probabilities: (image, label) that a cell is present, from a model without that cell's own state.
        states: (image, label); cells that somebody chose to look at count as unknown: the sample is one of them, too.
        ratio: how many times as often present cells were checked as absent ones.
        pooled: (image, channel) the pictures' vectors; None: pictures are not compared.
    """
    known = states != UNKNOWN
    weight = 1 + (ratio - 1) * probabilities
    expected = np.clip(weight * (known.sum(0) / weight.sum(0)), 0.0, 1.0)
    usable = [label for label in range(states.shape[1]) if known[:, label].sum() >= FEWEST_KNOWN and not known[:, label].all()]
    scores = {label: _standardised(probabilities[:, label], known[:, label], expected[:, label]) for label in usable}
    tests = (len(_TOPS) + 1) * max(len(usable), 1)
    limit = float(norm.isf(LEVEL / 2 / tests))
    doubted = tuple(label for label, values in scores.items() if np.abs(values).max() > limit)
    return Likeness(doubted, pooled is not None and _told_apart(pooled, (known - expected)[:, usable].sum(1)))


def _standardised(probabilities: NDArray[np.float64], known: NDArray[np.bool_], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return standardised sums of known minus expected: over ranks, and over the cells of highest rank."""
    rank = probabilities.argsort().argsort() / max(len(probabilities) - 1, 1)
    variance = np.maximum(expected * (1 - expected), 1e-9)
    sides = np.stack([rank - 0.5, *(rank > 1 - top for top in _TOPS)]).astype(np.float64)
    sides -= ((sides * variance).sum(1) / variance.sum())[:, None]
    spread = np.sqrt((sides**2 * variance).sum(1))
    # a tenth of fewer than some cells holds none: nothing is said then
    return np.where(spread > 0.5, sides @ (known - expected) / np.maximum(spread, 1e-9), 0.0)


def _told_apart(pooled: NDArray[np.float32], surplus: NDArray[np.float64]) -> bool:
    random = np.random.default_rng(0)
    rows = random.permutation(len(surplus))[:_MOST_PICTURES]
    unit = pooled[rows].astype(np.float64)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    unit -= unit.mean(0)
    target = surplus[rows] - surplus[rows].mean()
    if len(rows) < 10 * _FOLDS or not target.any():
        return False
    folds, answers = np.arange(len(rows)) % _FOLDS, np.zeros(len(rows))
    gram, right = unit.T @ unit, unit.T @ target
    for fold in range(_FOLDS):
        inside = folds == fold
        part = gram - unit[inside].T @ unit[inside] + _RIDGE * np.eye(len(gram))
        answers[inside] = unit[inside] @ np.linalg.solve(part, right - unit[inside].T @ target[inside])
    spread = float(np.sqrt((answers**2).sum() * (target**2).mean()))
    return spread > 0 and float(answers @ target) / spread > float(norm.isf(LEVEL))
