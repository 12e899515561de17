"""Precision, recall and F1 over classes (C) and over all labels together (O)."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taglens.errors import TagLensError
from taglens.labels.states import POSITIVE, UNKNOWN
from taglens.metrics.checking import Floats, Labels, checked, chunks, require_probabilities


@dataclass(frozen=True)
class PrecisionRecallF1:
    """Six numbers within 0..1 (NaN where no class has a known positive)."""

    CP: float
    """Mean over classes of right / predicted."""
    CR: float
    """Mean over classes of right / present."""
    CF1: float
    """2 CP CR / (CP + CR); not the mean of per-class F1."""
    OP: float
    """Right / predicted, all classes pooled."""
    OR: float
    """Right / present, all classes pooled."""
    OF1: float
    """2 OP OR / (OP + OR)."""

    def to_json(self, suffix: str = "") -> dict[str, float | None]:
        """Return percentages by name, ``suffix`` added to each name; None where undefined."""
        return {name + suffix: None if np.isnan(value) else 100 * value for name, value in asdict(self).items()}


def precision_recall_f1(
    probabilities: NDArray[Any], labels: Labels, threshold: ArrayLike = 0.5, top_k: int | None = None
) -> PrecisionRecallF1:
    """Return CP, CR, CF1, OP, OR and OF1 of the known entries.

    With Nc right, Np predicted and Ng present for each class: CP = mean Nc/Np (0 where nothing is predicted), CR = mean Nc/Ng,
    CF1 = 2 CP CR / (CP + CR); OP, OR and OF1 likewise from the pooled counts. A class without a known positive has no recall:
    it is left out of CP and CR, as it is of mAP, but its wrong predictions count in OP.

    Args:
        probabilities: (image, label) within 0..1.
        labels: (image, label), PartialLabels or 1 / 0 / -1; unknown entries are neither right nor wrong.
        threshold: predicted where probability >= threshold; one number or one for each class.
        top_k: predict instead the k most probable classes of each image, and whatever ties with the k-th.

    Raises:
        TagLensError: the arrays, thresholds or k do not fit each other.
    """
    scores, states = checked(probabilities, labels)
    cut = _thresholds(scores, threshold) if top_k is None else None
    counts = np.zeros((3, states.shape[1]), np.int64)
    for rows in chunks(len(states), states.shape[1]):
        predicted = _top(scores[rows], _valid_k(top_k, scores.shape[1])) if cut is None else scores[rows] >= cut
        positive = states[rows] == POSITIVE
        counts += [(predicted & positive).sum(0), (predicted & (states[rows] != UNKNOWN)).sum(0), positive.sum(0)]
    return _from_counts(*counts)


def _thresholds(scores: Floats, threshold: ArrayLike) -> Floats:
    require_probabilities(scores)
    # The type of the scores: a float32 0.7 must reach a threshold written 0.7.
    cut = np.asarray(threshold, scores.dtype)
    if cut.shape not in ((), (scores.shape[1],)):
        raise TagLensError(f"one threshold or {scores.shape[1]} (one for each class) expected, shape {cut.shape} came")
    return cut


def _valid_k(top_k: int | None, classes: int) -> int:
    if top_k is None or top_k < 1:
        raise TagLensError(f"top_k must be at least 1, {top_k} came")
    return min(top_k, classes)


def _top(scores: Floats, top_k: int) -> NDArray[np.bool_]:
    rank = scores.shape[1] - top_k
    return scores >= np.partition(scores, rank, axis=1)[:, rank, None]


def _from_counts(right: NDArray[np.int64], predicted: NDArray[np.int64], present: NDArray[np.int64]) -> PrecisionRecallF1:
    counted = present > 0
    if not counted.any():
        return PrecisionRecallF1(*[float("nan")] * 6)
    class_precision = float(np.mean(right[counted] / np.maximum(predicted[counted], 1)))
    class_recall = float(np.mean(right[counted] / present[counted]))
    precision = float(right.sum() / max(predicted.sum(), 1))
    recall = float(right.sum() / present.sum())
    return PrecisionRecallF1(
        class_precision, class_recall, _harmonic(class_precision, class_recall), precision, recall, _harmonic(precision, recall)
    )


def _harmonic(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
