"""Area under the receiver operating characteristic of each class."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taglens.metrics.by_class import by_class
from taglens.metrics.checking import Floats, Labels, checked


def auroc(probabilities: NDArray[Any], labels: Labels) -> NDArray[np.float64]:
    """Return each class's area under the ROC curve over the images where it is known.

    With s the probabilities, P the known positives and N the known negatives of the class::

        AUROC = 1/(|P| |N|)  sum_{i in P, j in N}  [s_i > s_j] + 1/2 [s_i = s_j]

    the probability that a positive is ranked above a negative. Equal probabilities count half, so the order of the images never matters.

    Args:
        probabilities: (image, label), any finite numbers that rank the images.
        labels: (image, label), PartialLabels or 1 / 0 / -1; unknown entries are ignored.

    Returns:
        (label,) within 0..1; NaN for a class without a known positive or without a known negative.

    Raises:
        TagLensError: the arrays do not fit each other or hold something else.

    Source: Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC) curve", Radiology 1982.
    """
    return by_class(*checked(probabilities, labels), _one_class)


def _one_class(positives: Floats, negatives: Floats) -> float:
    negatives = np.sort(negatives)
    right = sum(int(np.searchsorted(negatives, positives, side=side).sum()) for side in ("left", "right"))  # twice the pairs in order
    return right / (2 * positives.size * negatives.size)
