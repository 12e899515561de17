"""Whether a probability of 0.8 is right eight times out of ten."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taglens.errors import TagLensError
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN
from taglens.metrics.checking import Labels, checked, chunks, require_probabilities


@dataclass(frozen=True)
class Reliability:
    """Known entries sorted into bins of equal width by their probability; all arrays are (bin,)."""

    count: NDArray[np.int64]
    """Known entries in each bin."""
    probability: NDArray[np.float64]
    """Their mean probability; NaN in an empty bin."""
    observed: NDArray[np.float64]
    """The share of them that is positive; NaN in an empty bin."""


def reliability(probabilities: NDArray[Any], labels: Labels, bins: int = 15) -> Reliability:
    """Sort the known entries into ``bins`` of equal width; a bin holds its lower edge, the last one also 1.

    Args:
        probabilities: (image, label) within 0..1.
        labels: (image, label), PartialLabels or 1 / 0 / -1; unknown entries are ignored.
        bins: number of bins.

    Raises:
        TagLensError: the arrays do not fit each other, or there is no bin.
    """
    if bins < 1:
        raise TagLensError(f"at least 1 bin is needed, {bins} came")
    scores, states = checked(probabilities, labels)
    require_probabilities(scores)
    sums = np.zeros((3, bins))
    for rows in chunks(len(states), states.shape[1]):
        known = states[rows] != UNKNOWN
        score, positive = scores[rows][known].astype(np.float64), states[rows][known] == POSITIVE
        index = np.minimum((score * bins).astype(np.int64), bins - 1)
        sums += [np.bincount(index, weight, bins) for weight in (np.ones_like(score), score, positive)]
    with np.errstate(invalid="ignore"):
        return Reliability(sums[0].astype(np.int64), sums[1] / sums[0], sums[2] / sums[0])


def expected_calibration_error(probabilities: NDArray[Any], labels: Labels, bins: int = 15) -> float:
    """Return the mean distance between probability and observed share over the known entries, all classes pooled.

    ECE = sum_b n_b/n |observed_b - probability_b| (Naeini et al. 2015, binary form); NaN if nothing is known. A class without a known
    negative is left out: what is observed of it is 1 whatever is true.
    """
    scores, states = checked(probabilities, labels)
    both = (states == NEGATIVE).any(0)
    found = reliability(scores, states, bins) if both.all() else reliability(scores[:, both], states[:, both], bins)
    full = found.count > 0
    if not full.any():
        return float("nan")
    return float(np.average(np.abs(found.observed - found.probability)[full], weights=found.count[full]))
