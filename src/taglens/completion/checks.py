"""What the labels themselves are checked for: known ones that look wrong, and classes whose known labels are no random sample.

Wrong labels are found by cleanlab's confident learning on out-of-fold probabilities, samples by the Kolmogorov-Smirnov test.
Source: Northcutt, Jiang and Chuang, "Confident learning", JAIR 2021; the library cleanlab.
"""

import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from taglens.labels.states import PartialLabels

LEVEL = 0.001
"""How often a sound table may be doubted, over all its classes together."""


class Suspect(NamedTuple):
    """A known label that a model trained without it contradicts."""

    image: int
    label: int
    value: int
    """What the table says, 1 or 0; it is never changed."""
    probability: float
    """Calibrated probability of the class."""
    quality: float
    """Probability that the table is right (cleanlab's self-confidence); the lowest come first."""


def find_suspects(probabilities: NDArray[np.float64], labels: PartialLabels) -> list[Suspect]:
    """Return the suspected label errors, the worst first; each class is judged as a question of its own.

    Args:
        probabilities: (image, label), calibrated and out of fold.
        labels: (image, label); classes without a known positive or without a known negative have no suspects.
    """
    found = [suspect for label in range(labels.shape[1]) for suspect in _of_class(probabilities, labels, label)]
    return sorted(found, key=lambda suspect: (suspect.quality, suspect.image, suspect.label))


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
    for column in range(classes):
        known, unknown = probabilities[sampled[:, column], column], probabilities[labels.unknown[:, column], column]
        if len(known) and len(unknown) and ks_2samp(known, unknown, method="asymp").pvalue < LEVEL / classes:
            found.append(column)
    return found


def _of_class(probabilities: NDArray[np.float64], labels: PartialLabels, label: int) -> Iterator[Suspect]:
    chances, states = probabilities[:, label], labels.values[:, label]
    rows = np.flatnonzero(states >= 0)
    given = states[rows].astype(np.int64)
    if len(np.unique(given)) < 2:
        return
    both = np.stack([1 - chances[rows], chances[rows]], axis=1)
    quality = get_label_quality_scores(given, both, method="self_confidence")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "May not flag all label issues")  # of few labels; nobody was promised all
        issues = find_label_issues(given, both, return_indices_ranked_by="self_confidence", n_jobs=1)
    for issue in issues:
        row = int(rows[issue])
        yield Suspect(row, label, int(given[issue]), float(chances[row]), float(quality[issue]))
