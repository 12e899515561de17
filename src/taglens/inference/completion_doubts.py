"""Whether the known labels look like the random sample that every promise takes them for."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from taglens.labels.states import PartialLabels

LEVEL = 0.001
"""How often a sound table may be doubted, over all its classes together."""


def doubtful_classes(probabilities: NDArray[np.float64], sampled: NDArray[np.bool_], labels: PartialLabels) -> list[int]:
    """Return the classes whose given labels have other scores than their unknown cells: they were not chosen at random.

    Two-sample Kolmogorov-Smirnov test, shared out over the classes (Bonferroni). It finds what the scores show and no more.

    Args:
        probabilities: (image, label), out of fold.
        sampled: (image, label) the given labels.
        labels: (image, label).
    """
    classes = labels.shape[1]
    found = []
    for place in range(classes):
        known, unknown = probabilities[sampled[:, place], place], probabilities[labels.unknown[:, place], place]
        if len(known) and len(unknown) and ks_2samp(known, unknown, method="asymp").pvalue < LEVEL / classes:
            found.append(place)
    return found
