"""The probability from which a class is called a tag, chosen on labels that training did not see."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def tags_of(probabilities: NDArray[np.float32], classes: Sequence[str], thresholds: NDArray[np.float64]) -> list[str]:
    """Return the classes whose probability reaches their threshold."""
    return [classes[place] for place in tag_places(probabilities, thresholds)]


def tag_places(probabilities: NDArray[np.float32], thresholds: NDArray[np.float64]) -> list[int]:
    """Return the places of the classes whose probability reaches their threshold."""
    # In the probabilities' own type: a float32 0.7 reaches a threshold written 0.7.
    return [int(place) for place in np.flatnonzero(probabilities >= thresholds.astype(probabilities.dtype))]
