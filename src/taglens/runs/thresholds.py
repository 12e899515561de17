"""Which thresholds a run gets and by which rule, and the thresholds.csv that says what they promise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taglens.errors import TrainingError
from taglens.labels.files.thresholds import THRESHOLDS, write_thresholds
from taglens.labels.states import PartialLabels
from taglens.metrics.threshold import (
    FEWEST_POSITIVES,
    UNREACHED,
    best_threshold,
    expected_at,
    expected_f1_thresholds,
    expected_precision_thresholds,
    precision_threshold,
)

Probabilities = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Thresholds:
    """A threshold for each class, and where it came from."""

    values: NDArray[np.float64]
    """(label,) within 0..1."""
    rule: str
    """How they were chosen, in words."""
    precision: float | None = None
    """The precision that was asked for; None: F1."""
    notes: tuple[str, ...] = ()
    """What a reader must know."""


def from_probabilities(probabilities: Probabilities, labels: PartialLabels, classes: Sequence[str], precision: float | None) -> Thresholds:
    """Return each class's threshold from calibrated probabilities alone: the best expected F1, or an expected precision.

    Args:
        probabilities: (image, label) of the training pictures, where a label is known without its own influence.
        labels: (image, label); only how many of each class are known counts.
        classes: their names.
        precision: the share of right tags that is asked for; None: the best F1.
    """
    if precision is None:
        return Thresholds(expected_f1_thresholds(probabilities, labels.known.sum(0)), "each class's best expected F1")
    values = expected_precision_thresholds(probabilities, precision)
    never = [name for name, value in zip(classes, values, strict=True) if value == UNREACHED]
    said = f"no threshold promises a precision of {precision:g} for {len(never)} of {len(classes)} classes, which get no tags"
    notes = (f"{said}: {', '.join(never[:10])}{' ...' * (len(never) > 10)}",) if never else ()
    return Thresholds(values, f"each class's expected precision of at least {precision:g}", precision, notes)


def from_held_out(
    score: Callable[[NDArray[np.int64]], Probabilities], labels: PartialLabels, rows: NDArray[np.int64], precision: float | None
) -> Thresholds:
    """Return one threshold for all classes from held-out pictures: the best OF1, or a precision; one half where there are too few.

    Args:
        score: the probabilities (row, label) of some training pictures.
        labels: (image, label) of all training pictures.
        rows: the held-out ones.
        precision: the share of right tags that is asked for; None: the best OF1.

    Raises:
        TrainingError: a precision is asked for and too few labels were held out.
    """
    count, seen = labels.shape[1], labels.rows(rows)
    if precision is not None:
        require_held_out(seen, precision)
        value = precision_threshold(score(rows), seen, precision)
        notes = (f"no threshold has a precision of {precision:g} on the held-out labels, so there are no tags",) * (value == UNREACHED)
        return Thresholds(np.full(count, value), f"precision of at least {precision:g} on held-out labels", precision, notes)
    if seen.positive.sum() < FEWEST_POSITIVES or not seen.negative.any():  # among present ones alone every tag is right
        return Thresholds(np.full(count, 0.5), "one half: too few labels were held out")
    return Thresholds(np.full(count, best_threshold(score(rows), seen)), "best OF1 on held-out labels")


def require_held_out(labels: PartialLabels, precision: float) -> None:
    """Raise TrainingError if held-out labels are too few to choose a threshold for ``precision``."""
    present, absent = int(labels.positive.sum()), int(labels.negative.sum())
    if present < FEWEST_POSITIVES or not absent:
        raise TrainingError(
            f"--for-precision {precision:g} needs at least {FEWEST_POSITIVES} present and some absent labels that training does not see; "
            f"held out are {present} and {absent}. Label more, raise --training.holdout, or leave out --for-precision"
        )


def write_run_thresholds(
    folder: Path, classes: Sequence[str], thresholds: NDArray[np.float64], labels: PartialLabels, probabilities: Probabilities | None
) -> None:
    """Write thresholds.csv: what each threshold rests on and, where probabilities are calibrated, what it promises.

    Args:
        folder: of the run.
        classes: class names.
        thresholds: (label,).
        labels: (image, label), the training labels.
        probabilities: (image, label), calibrated ones of the training pictures; None: the columns about them stay empty.
    """
    counts = labels.counts()
    more: dict[str, Sequence[object]] = {
        "known_present": counts.positive.tolist(),
        "known_absent": counts.negative.tolist(),
    }
    names = ("tags", "expected_precision", "expected_recall", "expected_f1")
    if probabilities is None:
        more |= {name: [None] * len(classes) for name in names}
    else:
        found = expected_at(probabilities, thresholds)
        more |= {"tags": found.tags.tolist()} | {name: _shares(values) for name, values in zip(names[1:], found[1:], strict=True)}
    write_thresholds(folder / THRESHOLDS, classes, thresholds, more)


def _shares(values: NDArray[np.float64]) -> list[object]:
    return [None if np.isnan(value) else f"{value:.3f}" for value in values]
