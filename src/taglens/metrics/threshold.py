"""From which probability on a class is called a tag: the rule, and a threshold chosen on labels that training did not see."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taglens.labels.states import POSITIVE, UNKNOWN
from taglens.metrics.checking import Labels, checked, require_probabilities

FEWEST_POSITIVES = 10
"""With fewer known positives the best threshold is luck, and one half is kept."""


def best_threshold(probabilities: NDArray[Any], labels: Labels) -> float:
    """Return the threshold with the highest OF1 on the known entries, one for all classes; 0.5 with under 10 known positives.

    F1 at the k-th highest probability is 2 right(k) / (k + positives): one sort finds the best k. The threshold lies halfway to the
    next lower probability, so that it is not tied to one picture.

    Args:
        probabilities: (image, label) within 0..1.
        labels: (image, label), PartialLabels or 1 / 0 / -1; unknown entries are left out.

    Raises:
        TagLensError: the arrays do not fit each other.
    """
    scores, states = checked(probabilities, labels)
    require_probabilities(scores)
    known = states != UNKNOWN
    scores, positive = scores[known], states[known] == POSITIVE
    if positive.sum() < FEWEST_POSITIVES:
        return 0.5
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order].astype(np.float64), np.cumsum(positive[order])
    ends = np.flatnonzero(np.append(scores[1:] < scores[:-1], True))  # a tie is taken whole
    best = ends[np.argmax(2 * right[ends] / (ends + 1 + right[-1]))]
    lower = scores[best + 1] if best + 1 < len(scores) else 0.0
    return float((scores[best] + lower) / 2)


def reached(probabilities: NDArray[Any], thresholds: ArrayLike) -> NDArray[np.bool_]:
    """Return where a probability is at least its class's threshold, in the probabilities' own type: a float32 0.7 reaches 0.7.

    Args:
        probabilities: (..., label).
        thresholds: one for all classes, or (label,).
    """
    found: NDArray[np.bool_] = probabilities >= np.asarray(thresholds, probabilities.dtype)
    return found


def tag_columns(probabilities: NDArray[Any], thresholds: ArrayLike) -> list[int]:
    """Return the columns of a picture's tags, most probable first.

    Args:
        probabilities: (label,).
        thresholds: one for all classes, or (label,).
    """
    columns = np.flatnonzero(reached(probabilities, thresholds))
    return [int(column) for column in columns[np.argsort(-probabilities[columns], kind="stable")]]


def shown_columns(probabilities: NDArray[Any], thresholds: ArrayLike) -> list[int]:
    """Return the columns of a picture's tags, most probable first, else that of its most probable class: what is worth showing."""
    return tag_columns(probabilities, thresholds) or [int(probabilities.argmax())]
