"""A number of each class, over the images where it is known: classes shared among the cores."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from taglens.labels.states import NEGATIVE, POSITIVE
from taglens.metrics.checking import Floats, States, chunks
from taglens.parallel import cores

WORTH_THREADS = 1 << 18
"""Entries from which on the classes are shared among the cores; fewer are done sooner than threads start."""


def by_class(scores: Floats, states: States, one_class: Callable[[Floats, Floats], float]) -> NDArray[np.float64]:
    """Return ``one_class`` of the scores of each class's known positives, ascending, and of its known negatives, in any order.

    Args:
        scores: (image, label), checked.
        states: (image, label), checked.
        one_class: gets two arrays with at least one number each.

    Returns:
        (label,); NaN for a class without a known positive, and for one without a known negative.
    """
    result = np.full(states.shape[1], np.nan)

    def of(score: Floats, state: States) -> float:
        positives, negatives = np.sort(score[state == POSITIVE]), score[state == NEGATIVE]
        return one_class(positives, negatives) if positives.size and negatives.size else float("nan")

    def fill(columns: slice) -> None:
        # One contiguous row for each class: strided columns would cost a cache miss for every number.
        rows = zip(np.ascontiguousarray(scores[:, columns].T), np.ascontiguousarray(states[:, columns].T), strict=True)
        result[columns] = [of(score, state) for score, state in rows]

    threads = cores() if states.size >= WORTH_THREADS else 1
    parts = chunks(states.shape[1], len(states), parts=threads)
    if threads == 1:
        list(map(fill, parts))
    else:
        with ThreadPoolExecutor(threads) as pool:  # numpy sorts, picks and compares without holding Python's lock
            list(pool.map(fill, parts))
    return result


def mean_of_defined(per_class: NDArray[np.float64]) -> float:
    """Return the mean over the classes that have a number; NaN if none has."""
    defined = per_class[~np.isnan(per_class)]
    return float(defined.mean()) if defined.size else float("nan")
