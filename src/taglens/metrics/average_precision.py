"""Average precision of each class, in both published forms."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taglens.labels.states import NEGATIVE, POSITIVE
from taglens.metrics.checking import Floats, Labels, States, checked, chunks
from taglens.parallel import cores

WORTH_THREADS = 1 << 18
"""Entries from which on the classes are shared among the cores; fewer are done sooner than threads start."""
BUCKETS = 1 << 16
FEW = 4096
"""Up to so many values a plain sort is as quick as :func:`count_reaching`'s buckets."""


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
        (label,) within 0..1; NaN for a class without a known positive, and for one without a known negative: among positives alone
        every order is perfect.

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
    positives, negatives = np.sort(score[state == POSITIVE]), score[state == NEGATIVE]
    if not (positives.size and negatives.size):
        return float("nan")
    positives_above = positives.size - np.searchsorted(positives, positives, side="left")
    negatives_above = count_reaching(negatives, positives)
    precision = positives_above / (positives_above + negatives_above)
    if interpolated:  # ascending thresholds: the best precision at this one or a lower one
        precision = np.maximum.accumulate(precision)
    return float(precision.mean())


def count_reaching(values: Floats, thresholds: Floats) -> NDArray[np.int64]:
    """Return for each threshold |{i: values_i >= threshold}|.

    The values are put into 65,536 buckets of equal width, and bucket numbers of 16 bits sort nine times as fast as numbers of 32. The
    result is exact: the way into a bucket never changes an order, and values that share one with a threshold are compared in full.

    Args:
        values: finite numbers.
        thresholds: finite numbers, at least one, of the same type, in ascending order.
    """
    if len(values) <= FEW:
        return len(values) - np.searchsorted(np.sort(values), thresholds, side="left")
    low, scale = _range(values, thresholds)
    bucket, wanted = _buckets(values, low, scale), _buckets(thresholds, low, scale)
    shared = np.zeros(BUCKETS, dtype=np.bool_)
    shared[wanted] = True
    close = np.sort(values[shared.take(bucket)])
    beyond = len(values) - np.searchsorted(np.sort(bucket, kind="stable"), wanted, side="right")
    within = np.searchsorted(_buckets(close, low, scale), wanted, side="right") - np.searchsorted(close, thresholds, side="left")
    return beyond + within


def _range(values: Floats, thresholds: Floats) -> tuple[Any, Any]:
    """Return the lowest number and the factor that spreads all numbers over the buckets; 0 where their range is too large or small."""
    low, high = min(values.min(), thresholds[0]), max(values.max(), thresholds[-1])
    with np.errstate(over="ignore", divide="ignore"):
        scale = values.dtype.type(BUCKETS - 1) / (high - low)
    return low, scale if np.isfinite(scale) else values.dtype.type(0)


def _buckets(values: Floats, low: Any, scale: Any) -> NDArray[np.uint16]:
    if scale == 0:
        return np.zeros(len(values), dtype=np.uint16)
    bucket: NDArray[np.uint16] = np.minimum((values - low) * scale, BUCKETS - 1).astype(np.uint16)
    return bucket
