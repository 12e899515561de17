"""Known labels that look wrong: by cleanlab's confident learning on probabilities made without the label itself.

Of a class whose scores say no more of its known cells than their base rate does, nothing is listed.

Source: Northcutt, Jiang and Chuang, "Confident learning", JAIR 2021; the library cleanlab.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray

from taglens.labels.states import PartialLabels

MOST_QUALITY = 0.2
"""A label is listed only if the model gives it at most this chance of being right: odds of 4 to 1 against it."""


class Suspect(NamedTuple):
    """A known label that a model without it contradicts."""

    image: int
    label: int
    value: int
    """What the table says, 1 or 0; it is never changed."""
    probability: float
    """Calibrated probability of the class."""
    quality: float
    """Probability that the table is right (cleanlab's self-confidence); the lowest come first."""


@dataclass(frozen=True)
class Suspects:
    """What was found, and where nothing could be said."""

    found: tuple[Suspect, ...]
    """The worst first."""
    too_weak: tuple[int, ...]
    """Classes with known cells of which the scores say no more than the base rate."""
    contradicted: int
    """Known labels that the model gives at most a chance of ``MOST_QUALITY``, listed or not."""
    by_chance: float
    """How many these would be on average if every label were right and the probabilities meant what they say."""

    def placed(self, rows: NDArray[np.int64]) -> "Suspects":
        """Return them with ``image`` replaced by the row that it stands for."""
        return replace(self, found=tuple(suspect._replace(image=int(rows[suspect.image])) for suspect in self.found))

    def words(self) -> str:
        """Return how strong the evidence is, in a sentence."""
        if not self.contradicted:
            return "No known label is contradicted strongly enough to be listed."
        surprising = self.contradicted > self.by_chance + 2 * self.by_chance**0.5
        return (
            f"{self.contradicted:,} known labels are contradicted with odds of at least {1 / MOST_QUALITY - 1:.0f} to 1 by a model that "
            f"did not see them; if every label were right, about {self.by_chance:.0f} would be "
            f"({'more than chance' if surprising else 'no more than chance: weak evidence'}). {len(self.found):,} of them are listed."
        )


def find_suspects(probabilities: NDArray[np.float64], labels: PartialLabels) -> Suspects:
    """Return the suspected label errors; each class is judged as a question of its own.

    Args:
        probabilities: (image, label), calibrated, each without the cell's own label.
        labels: (image, label); classes without a known positive or without a known negative have no suspects.
    """
    found: list[Suspect] = []
    weak: list[int] = []
    contradicted, by_chance = 0, 0.0
    for label in range(labels.shape[1]):
        states = labels.values[:, label]
        rows = np.flatnonzero(states >= 0)
        given = states[rows].astype(np.int64)
        if len(np.unique(given)) < 2:
            continue
        chances = probabilities[rows, label]
        if not _tells(chances, given):
            weak.append(label)
            continue
        found += _of_class(chances, given, rows, label)
        contradicted += int((np.where(given == 1, chances, 1 - chances) <= MOST_QUALITY).sum())
        less = np.minimum(chances, 1 - chances)
        by_chance += float(less[less <= MOST_QUALITY].sum())
    ordered = sorted(found, key=lambda suspect: (suspect.quality, suspect.image, suspect.label))
    return Suspects(tuple(ordered), tuple(weak), contradicted, by_chance)


def _tells(chances: NDArray[np.float64], given: NDArray[np.int64]) -> bool:
    """Tell whether the log loss is below the base rate's by two standard errors."""
    share = (given.sum() + 0.5) / (len(given) + 1)
    gain = np.log(np.where(given == 1, chances, 1 - chances)) - np.log(np.where(given == 1, share, 1 - share))
    return bool(gain.mean() > 2 * gain.std() / len(gain) ** 0.5)


def _of_class(chances: NDArray[np.float64], given: NDArray[np.int64], rows: NDArray[np.int64], label: int) -> Iterator[Suspect]:
    both = np.stack([1 - chances, chances], axis=1)
    quality = get_label_quality_scores(given, both, method="self_confidence")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "May not flag all label issues")  # of few labels; nobody was promised all
        issues = find_label_issues(given, both, return_indices_ranked_by="self_confidence", n_jobs=1)
    for issue in issues:
        if quality[issue] <= MOST_QUALITY:
            yield Suspect(int(rows[issue]), label, int(given[issue]), float(chances[issue]), float(quality[issue]))
