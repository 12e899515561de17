"""A guarantee for pictures that are yet to come: of the tags that a threshold gives them, at least the asked share is right.

The known cells of the training pictures, each judged without its own state, are taken as a sample of the cells of such pictures. Of those
that reach the threshold, the right ones have a binomial distribution; thresholds are tried in a fixed sequence, as for a table. If present
cells are known r times as often as absent ones, the odds of being wrong are r times as high among all cells as among known ones, which the
test counts with. Cells of one picture are taken as independent.

Source: Clopper and Pearson, Biometrika 1934; Angelopoulos et al., "Learn then Test", 2021.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from taglens.completion.guarantees.odds import shifted
from taglens.completion.guarantees.sequence import STEP


@dataclass(frozen=True)
class NewPictures:
    """What can be guaranteed of tags of new pictures."""

    threshold: float | None
    """Lowest probability at which a class is a tag; None: nothing can be guaranteed."""
    right: int
    """Known cells at or above it that are present (at or above the first threshold tried, if there is no guarantee)."""
    known: int
    reason: str = ""
    """Why nothing is guaranteed."""


def guarantee_new(
    scores: NDArray[np.float64], right: NDArray[np.bool_], *, precision: float, confidence: float, ratio: float = 1.0
) -> NewPictures:
    """Return the lowest threshold at which at least ``precision`` of the tags of new pictures are right.

    P(share of right tags among all cells that reach the threshold >= precision) >= confidence.

    Args:
        scores: probabilities of the known cells, each without its own state, (cell,).
        right: whether they are present, (cell,).
        precision: share of the tags that must be right.
        confidence: probability that the guarantee holds.
        ratio: how many times as often present cells were checked as absent ones; below 1 it counts as 1.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(right[order])
    target = shifted(precision, max(ratio, 1.0))
    sizes = _sequence(ranked, target, confidence)
    if not len(sizes):
        needed = int(np.ceil(np.log(1 - confidence) / np.log(target)))
        return NewPictures(None, int(right.sum()), len(right), f"{needed:,} known cells would be needed even if all of them were right")
    passed = binom.sf(hits[sizes - 1] - 1, sizes, target) <= 1 - confidence
    count = len(passed) if passed.all() else int(passed.argmin())
    if not count:
        first = int(sizes[0])
        return NewPictures(
            None, int(hits[first - 1]), first, f"of the {first:,} known cells it is surest of {int(hits[first - 1]):,} are right"
        )
    last = int(sizes[count - 1])
    return NewPictures(float(ranked[last - 1]), int(hits[last - 1]), last)


def _sequence(ranked: NDArray[np.float64], target: float, confidence: float) -> NDArray[np.int64]:
    """Return numbers of cells in the order in which they are tried, from the one that the scores expect to pass most clearly."""
    fewest = np.log(1 - confidence) / np.log(target)
    if not len(ranked) or fewest > len(ranked):
        return np.empty(0, dtype=np.int64)
    steps = int(np.log(len(ranked) / fewest) / np.log(STEP)) + 2
    sizes = np.minimum(np.ceil(fewest * STEP ** np.arange(steps)), len(ranked)).astype(np.int64)
    sizes = np.unique(len(ranked) - np.searchsorted(ranked[::-1], ranked[sizes - 1]))
    expected = np.cumsum(ranked)[sizes - 1] / sizes
    return sizes[int(((expected - target) * np.sqrt(sizes)).argmax()) :]
