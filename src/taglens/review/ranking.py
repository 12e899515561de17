"""Which labels are most worth asking somebody about: the order of the review's queue."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taglens.labels.states import PartialLabels


class Queue(NamedTuple):
    """Cells of a table, the most valuable question first; each array is (cell,)."""

    image: NDArray[np.int64]
    label: NDArray[np.int64]
    value: NDArray[np.float32]


def uncertainty(probabilities: NDArray[Any], thresholds: NDArray[Any] | float = 0.5) -> NDArray[np.float32]:
    """Return how near each probability is to its class's threshold: 1 at the threshold, falling linearly to 0 at 0 and at 1.

    u = p / t below the threshold t, (1 - p) / (1 - t) above it; 0 where the probability is not known (NaN).

    Args:
        probabilities: (image, label).
        thresholds: one for all classes, or (label,).
    """
    p, t = _checked(probabilities, thresholds)
    near: NDArray[np.float32] = np.nan_to_num(np.minimum(p / t, (1 - p) / (1 - t)), nan=0.0)
    return near


def disagreement(probabilities: NDArray[Any], labels: PartialLabels, thresholds: NDArray[Any] | float = 0.5) -> NDArray[np.float32]:
    """Return how strongly the probabilities speak against known labels: 0 where they agree or nothing is known, at most 1.

    d = (p - t) / (1 - t) for a negative label, (t - p) / t for a positive one.

    Args:
        probabilities: (image, label).
        labels: the table's.
        thresholds: one for all classes, or (label,).
    """
    p, t = _checked(probabilities, thresholds)
    against = np.where(labels.negative, (p - t) / (1 - t), np.where(labels.positive, (t - p) / t, np.float32(0)))
    clipped: NDArray[np.float32] = np.clip(np.nan_to_num(against, nan=0.0), 0, 1)
    return clipped


def order(
    probabilities: NDArray[Any],
    labels: PartialLabels,
    *,
    thresholds: NDArray[Any] | float = 0.5,
    closed: NDArray[np.bool_] | None = None,
    limit: int = 1000,
) -> Queue:
    """Return the cells that are most worth asking about, best first.

    value = w / sqrt(1 + P + E): w is :func:`uncertainty` of an unknown label or :func:`disagreement` with a known one; P is the
    number of positives that are known of the class and E the number to be expected among the class's cells ahead in the queue (the sum
    of their probabilities). Rare classes come first, and no class takes the whole queue.

    Args:
        probabilities: (image, label), NaN where there is none: never asked.
        labels: what is known.
        thresholds: one for all classes, or (label,).
        closed: (image, label), cells not to be asked, such as those already answered.
        limit: the most cells to return.
    """
    worth = np.where(labels.unknown, uncertainty(probabilities, thresholds), disagreement(probabilities, labels, thresholds))
    if closed is not None:
        worth = np.where(closed, np.float32(0), worth)
    return rank(worth, probabilities, labels.counts().positive, limit)


def rank(worth: NDArray[np.float32], probabilities: NDArray[Any], positives: NDArray[Any], limit: int) -> Queue:
    """Order cells by ``worth`` and the rarity of their class, as :func:`order` says; cells of worth 0 are left out.

    Args:
        worth: (image, label), at least 0.
        probabilities: (image, label).
        positives: (label,) known positives.
        limit: the most cells to return.
    """
    # A class can have at most ``limit`` of the first ``limit`` cells, because values fall within a class.
    by_class = np.ascontiguousarray(worth.T)
    chosen = _largest(by_class, limit)
    worths = np.take_along_axis(by_class, chosen, axis=1)
    # Equal worths keep the order of the images, so that the queue is the same on every machine.
    ranked = np.lexsort((chosen, -worths), axis=1)
    chosen, worths = np.take_along_axis(chosen, ranked, axis=1), np.take_along_axis(worths, ranked, axis=1)
    p = np.nan_to_num(np.take_along_axis(np.asarray(probabilities, np.float32).T, chosen, axis=1))
    expected = np.cumsum(p, axis=1) - p
    values = (worths / np.sqrt(1 + np.asarray(positives, np.float32)[:, None] + expected)).astype(np.float32)
    label, column = np.nonzero(worths > 0)
    best = np.argsort(-values[label, column], kind="stable")[:limit]
    label, column = label[best], column[best]
    return Queue(chosen[label, column].astype(np.int64), label.astype(np.int64), values[label, column])


def _largest(values: NDArray[np.float32], most: int) -> NDArray[np.intp]:
    """Return the columns of the ``most`` largest values of each row, in no order."""
    if not 0 < most < values.shape[1]:
        return np.broadcast_to(np.arange(values.shape[1])[: max(0, most)], (len(values), min(max(0, most), values.shape[1])))
    return np.argpartition(-values, most - 1, axis=1)[:, :most]


def _checked(probabilities: NDArray[Any], thresholds: NDArray[Any] | float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    # Thresholds at the very ends would divide by zero.
    return np.asarray(probabilities, np.float32), np.clip(np.asarray(thresholds, np.float32), 1e-3, 1 - 1e-3)
