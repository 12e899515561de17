"""Average precision of each class, in both published forms."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taglens.metrics.by_class import by_class, mean_of_defined
from taglens.metrics.checking import Floats, Labels, checked

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

    def one_class(positives: Floats, negatives: Floats) -> float:
        return _one_class(positives, negatives, interpolated)

    return by_class(*checked(probabilities, labels), one_class)


def mean_average_precision(per_class: NDArray[np.float64]) -> float:
    """Return the mean over the classes that have an average precision; NaN if none has."""
    return mean_of_defined(per_class)


def _one_class(positives: Floats, negatives: Floats, interpolated: bool) -> float:
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
