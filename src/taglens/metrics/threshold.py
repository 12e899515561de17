"""From which probability on a class is called a tag: the rule, and how thresholds are chosen.

Either on labels that training did not see, one for all classes; or, where probabilities are calibrated, from the probabilities
alone, one for each class: then the tags that are right among some pictures are expected to be the sum of their probabilities.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taglens.errors import TagLensError
from taglens.labels.states import POSITIVE, UNKNOWN
from taglens.metrics.checking import Floats, Labels, checked, require_probabilities

FEWEST_POSITIVES = 10
"""With fewer known positives the best threshold is luck, and one half is kept."""
ENOUGH_KNOWN = 20
"""From so many known labels on a class has a threshold of its own; with fewer it shares the others'."""
UNREACHED = 1.0
"""A threshold that no probability below 1 reaches."""
_DIGITS = 4
"""Significant digits of a threshold where these tell the same pictures apart: people read and edit it."""


class Expected(NamedTuple):
    """What calibrated probabilities promise of each class's tags, (label,) each; NaN where there is nothing to divide by."""

    tags: NDArray[np.int64]
    """Pictures that reach the threshold."""
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]


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
    scores, positive = _known(probabilities, labels)
    if positive.sum() < FEWEST_POSITIVES:
        return 0.5
    return _best_f1(scores, np.cumsum(positive))


def precision_threshold(probabilities: NDArray[Any], labels: Labels, precision: float) -> float:
    """Return the lowest threshold at which at least ``precision`` of the tags among the known entries are right, one for all classes.

    Args:
        probabilities: (image, label) within 0..1.
        labels: (image, label), PartialLabels or 1 / 0 / -1; unknown entries are left out.
        precision: the share asked for, above 0 and below 1.

    Returns:
        The threshold; UNREACHED if there is none.

    Raises:
        TagLensError: the arrays do not fit each other, or under 10 positives or no negative are known.
    """
    scores, positive = _known(probabilities, labels)
    if positive.sum() < FEWEST_POSITIVES or positive.all():
        raise TagLensError(
            f"a threshold for a precision of {precision:g} needs at least {FEWEST_POSITIVES} present and some absent labels that training "
            f"did not see, there are {int(positive.sum())} and {int((~positive).sum())}; label more, or raise --training.holdout"
        )
    ends = _ends(scores)
    enough = np.flatnonzero(np.cumsum(positive)[ends] >= precision * (ends + 1) - 1e-9)
    return _below(scores, int(ends[enough[-1]])) if enough.size else UNREACHED


def expected_f1_thresholds(probabilities: NDArray[Any], known: ArrayLike | None = None) -> NDArray[np.float64]:
    """Return for each class the threshold with the highest expected F1, from calibrated probabilities alone; no label is needed.

    With the pictures of a class in descending order of p::

        k = argmax_k  2 sum_{i <= k} p_i / (k + sum_i p_i)

    and the threshold halfway between p_k and the next lower probability; pictures with equal probabilities go together. A class with
    n < 20 known labels shares strength with the others, since its probabilities rest on little: with t the class's own threshold and
    t_all that of the same rule over the cells of all classes together, its threshold is sigmoid(w logit t + (1 - w) logit t_all),
    w = n / 20.

    Args:
        probabilities: (image, label) within 0..1, calibrated: of those called 0.7, seven out of ten are present.
        known: number of known labels of each class, (label,); None: enough of each.

    Returns:
        (label,); UNREACHED for a class whose probabilities are all 0, one half without pictures.

    Raises:
        TagLensError: no probabilities, or numbers of known labels for other classes.
    """
    scores = _calibrated(probabilities)
    if not scores.size:
        return np.full(scores.shape[1], 0.5)
    own = np.array([_expected_f1(column) for column in scores.T])
    weight = np.ones(len(own)) if known is None else np.minimum(np.asarray(known, np.float64) / ENOUGH_KNOWN, 1)
    if weight.shape != own.shape:
        raise TagLensError(f"a number of known labels for each of {len(own)} classes expected, shape {weight.shape} came")
    few = weight < 1
    if few.any():
        own[few] = _shared(own[few], _expected_f1(scores.ravel()), weight[few])
    return own


def expected_precision_thresholds(probabilities: NDArray[Any], precision: float) -> NDArray[np.float64]:
    """Return for each class the lowest threshold at which its tags are expected to be right at least ``precision`` of the time.

    The expected precision of the k most probable pictures is their mean p, which falls with k: the largest k that has enough counts.
    Classes share nothing here: a mean with others could break what was asked for.

    Args:
        probabilities: (image, label) within 0..1, calibrated.
        precision: the share asked for, above 0 and below 1.

    Returns:
        (label,); UNREACHED for a class without such a threshold, and without pictures.

    Raises:
        TagLensError: no probabilities, or a share outside of 0..1.
    """
    if not 0 < precision < 1:
        raise TagLensError(f"a precision above 0 and below 1 expected, such as 0.9; {precision:g} came")
    return np.array([_expected_precision(column, precision) for column in _calibrated(probabilities).T], np.float64)


def expected_at(probabilities: NDArray[Any], thresholds: ArrayLike) -> Expected:
    """Return how many tags each class has at ``thresholds``, and their expected precision, recall and F1.

    Args:
        probabilities: (image, label) within 0..1, calibrated.
        thresholds: one for all classes, or (label,).
    """
    scores = _calibrated(probabilities)
    chosen = reached(scores, thresholds)
    tags, right, present = chosen.sum(0), np.where(chosen, scores, 0).sum(0, np.float64), scores.sum(0, np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Expected(tags, right / tags, right / present, 2 * right / (tags + present))


def _known(probabilities: NDArray[Any], labels: Labels) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the known entries' probabilities in descending order, and which of them are positive."""
    scores, states = checked(probabilities, labels)
    require_probabilities(scores)
    known = states != UNKNOWN
    scores, positive = scores[known], states[known] == POSITIVE
    order = np.argsort(-scores, kind="stable")
    return scores[order], positive[order]


def _calibrated(probabilities: NDArray[Any]) -> Floats:
    values = np.asarray(probabilities)
    if values.ndim != 2:
        raise TagLensError(f"probabilities must be (image, label), shape {values.shape} came")
    scores, _ = checked(values, np.full(values.shape, UNKNOWN, np.int8))
    require_probabilities(scores)
    return scores


def _ends(scores: Floats) -> NDArray[np.int64]:
    """Return the last place of each run of equal numbers: a tie is taken whole."""
    return np.flatnonzero(np.append(scores[1:] < scores[:-1], True))


def _best_f1(scores: Floats, right: NDArray[Any]) -> float:
    """Return the threshold of the highest 2 right(k) / (k + right(all)), (place,) each, scores in descending order."""
    ends = _ends(scores)
    return _below(scores, int(ends[np.argmax(2 * right[ends] / (ends + 1 + right[-1]))]))


def _below(scores: Floats, place: int) -> float:
    """Return a threshold between ``scores[place]`` and the next lower one, as short a number as tells them apart in their own type.

    Halfway, rounded to four digits, if such a number still separates them; else the upper one itself.
    """
    kind = scores.dtype.type
    upper, lower = scores[place], scores[place + 1] if place + 1 < len(scores) else kind(0)
    middle = (float(upper) + float(lower)) / 2
    for threshold in (_rounded(middle), middle):
        if lower < kind(threshold) <= upper:
            return threshold
    return float(upper)


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _expected_f1(values: Floats) -> float:
    scores = np.sort(values)[::-1]
    right = np.cumsum(scores, dtype=np.float64)
    return _best_f1(scores, right) if right[-1] else UNREACHED


def _expected_precision(values: Floats, precision: float) -> float:
    scores = np.sort(values[values > 0])[::-1]  # what cannot be there is never a tag, however low the share that was asked for
    ends = _ends(scores) if scores.size else np.zeros(0, np.int64)
    mean = (np.cumsum(scores, dtype=np.float64)[ends] / (ends + 1)).astype(scores.dtype)
    enough = np.flatnonzero(reached(mean, precision))  # in the scores' own type, so that float32 0.9 is as much as was asked
    return _below(scores, int(ends[enough[-1]])) if enough.size else UNREACHED


def _shared(own: NDArray[np.float64], pooled: float, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sigmoid(w logit own + (1 - w) logit pooled)."""
    own, common = np.clip(own, 1e-6, 1 - 1e-6), float(np.clip(pooled, 1e-6, 1 - 1e-6))
    logit = weight * np.log(own / (1 - own)) + (1 - weight) * np.log(common / (1 - common))
    return np.array([_rounded(value) for value in 1 / (1 + np.exp(-logit))])


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
