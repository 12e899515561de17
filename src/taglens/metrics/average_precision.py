"""Average precision of each class, in both published forms."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taglens.labels.states import NEGATIVE, POSITIVE
from taglens.metrics.checking import Floats, Labels, States, checked, chunks
from taglens.metrics.counting import count_reaching
from taglens.parallel import cores

WORTH_THREADS = 1 << 18
"""Entries from which on the classes are shared among the cores; fewer are done sooner than threads start."""


def average_precision(probabilities: NDArray[Any], labels: Labels, interpolated: bool = False) -> NDArray[np.float64]:
    """Return each class's average precision over the images where it is known.

    Not interpolated (DualCoOp, SCPNet, ASL, scikit-learn), with s the probabilities and P the positives of the class::

        AP = 1/P  sum_{i in P}  precision_i        precision_i = |{j in P: s_j >= s_i}| / |{j known: s_j >= s_i}|

    Without ties this is positives so far / rank. Equal probabilities share one threshold, so the order of the images
    never matters. ``interpolated`` takes the all-point envelope (HCP-MLR-PL, VOC since 2010): each precision_i becomes the
    largest precision at this or any lower threshold; it is never smaller.

    Args:
        probabilities: (image, label), any finite numbers that rank the images.
        labels: (image, label), PartialLabels or 1 / 0 / -1; unknown entries are ignored.
        interpolated: use the all-point envelope.

    Returns:
        (label,) within 0..1; NaN for a class without a known positive.

    Raises:
        TagLensError: the arrays do not fit each other or hold something else.
    """
    scores, states = checked(probabilities, labels)
    result = np.full(states.shape[1], np.nan)

    def fill(columns: slice) -> None:
        # One contiguous row for each class: strided columns would cost a cache miss for every number.
        rows = zip(np.ascontiguousarray(scores[:, columns].T), np.ascontiguousarray(states[:, columns].T), strict=True)
        result[columns] = [_one_class(score, state, interpolated) for score, state in rows]

    threads = cores() if states.size >= WORTH_THREADS else 1
    parts = chunks(states.shape[1], len(states), parts=threads)
    if threads == 1:
        list(map(fill, parts))
    else:
        with ThreadPoolExecutor(threads) as pool:  # numpy sorts, picks and compares without holding Python's lock
            list(pool.map(fill, parts))
    return result


def mean_average_precision(per_class: NDArray[np.float64]) -> float:
    """Return the mean over the classes that have an average precision; NaN if none has."""
    defined = per_class[~np.isnan(per_class)]
    return float(defined.mean()) if defined.size else float("nan")


def _one_class(score: Floats, state: States, interpolated: bool) -> float:
    positives = np.sort(score[state == POSITIVE])
    if not positives.size:
        return float("nan")
    positives_above = positives.size - np.searchsorted(positives, positives, side="left")
    negatives_above = count_reaching(score[state == NEGATIVE], positives)
    precision = positives_above / (positives_above + negatives_above)
    if interpolated:  # ascending thresholds: the best precision at this one or a lower one
        precision = np.maximum.accumulate(precision)
    return float(precision.mean())
