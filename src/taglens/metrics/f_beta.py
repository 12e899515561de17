"""F scores that some data sets are judged by: the mean F1 of the classes, and the mean F2 of the pictures."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taglens.labels.states import NEGATIVE, POSITIVE
from taglens.metrics.by_class import mean_of_defined
from taglens.metrics.checking import Labels, checked, chunks
from taglens.metrics.f1 import predicted_cut


@dataclass(frozen=True)
class MeanF:
    """Two numbers within 0..1, NaN where undefined."""

    macro_F1: float
    """Mean over classes of F1 (Danbooru's taggers, Human Protein Atlas); CF1 is another number."""
    F2: float
    """Mean over pictures of F2, which minds missing tags more than wrong ones (Planet Amazon)."""

    def to_json(self, suffix: str = "") -> dict[str, float | None]:
        """Return percentages by name, ``suffix`` added to each name; None where undefined."""
        return {name + suffix: None if np.isnan(value) else 100 * value for name, value in asdict(self).items()}


def mean_f(probabilities: NDArray[Any], labels: Labels, threshold: ArrayLike = 0.5) -> MeanF:
    """Return the mean F1 of the classes and the mean F2 of the pictures, over the known entries.

    For a class, or a picture, with ``right`` of ``predicted`` entries and ``present`` positives::

        F_beta = (1 + beta^2) right / (beta^2 present + predicted)

    which is 0 where nothing is right. A class without a known positive or without a known negative is left out of ``macro_F1``, as it is
    of mAP; so is such a picture of ``F2``: nothing could be found in it, or nothing could be wrong.

    Args:
        probabilities: (image, label) within 0..1.
        labels: (image, label), PartialLabels or 1 / 0 / -1; unknown entries are neither right nor wrong.
        threshold: predicted where probability >= threshold; one number or one for each class.

    Raises:
        TagLensError: the arrays or thresholds do not fit each other.

    Source: van Rijsbergen, "Information Retrieval", 1979.
    """
    scores, states = checked(probabilities, labels)
    cut = predicted_cut(scores, threshold)
    classes = np.zeros((4, states.shape[1]), np.int64)
    pictures = np.zeros((4, len(states)), np.int64)
    for rows in chunks(len(states), states.shape[1]):
        predicted = scores[rows] >= cut
        positive, negative = states[rows] == POSITIVE, states[rows] == NEGATIVE
        cells = (predicted & positive, predicted & negative, positive, negative)
        classes += [cell.sum(0) for cell in cells]
        pictures[:, rows] = [cell.sum(1) for cell in cells]
    return MeanF(mean_of_defined(_f_beta(classes, 1)), mean_of_defined(_f_beta(pictures, 2)))


def _f_beta(counts: NDArray[np.int64], beta: int) -> NDArray[np.float64]:
    """Return F_beta of each column of (right, wrong, present, absent); NaN without any present or without any absent."""
    right, wrong, present, absent = counts
    weight = beta * beta
    score: NDArray[np.float64] = (1 + weight) * right / np.maximum(weight * present + right + wrong, 1)
    return np.where((present > 0) & (absent > 0), score, np.nan)
