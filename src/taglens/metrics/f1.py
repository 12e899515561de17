"""Precision, recall and F1 over classes (C) and over all labels together (O)."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taglens.errors import TagLensError
from taglens.labels.states import NEGATIVE, POSITIVE
from taglens.metrics.checking import Floats, Labels, checked, chunks, require_probabilities


@dataclass(frozen=True)
class PrecisionRecallF1:
    """Six numbers within 0..1 (NaN where no class has a known positive; without a known negative only recalls are defined)."""

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
    """Return CP, CR, CF1, OP, OR and OF1 of the known entries; with ``top_k`` in the published form of this field.

    With Nc right, Np predicted and Ng present for each class: CP = mean Nc/Np (0 where nothing is predicted), CR = mean Nc/Ng,
    CF1 = 2 CP CR / (CP + CR); OP, OR and OF1 likewise from the pooled counts. A class without a known positive has no recall:
    it is left out of CP and CR, as it is of mAP, but its wrong predictions count in OP. A class without a known negative cannot be
    wrong: it is left out of all six. Where no class has a known negative there is no precision and no F1, and the recalls are those
    of the classes with positives.

    Args:
        probabilities: (image, label) within 0..1.
        labels: (image, label), PartialLabels or 1 / 0 / -1; unknown entries are neither right nor wrong.
        threshold: predicted where probability >= threshold; one number or one for each class.
        top_k: predict only what is also among the k most probable classes of its image, or ties with the k-th (ML-GCN, SSGRL,
            HCP-MLR-PL); with threshold 0 the k most probable whatever they are.

    Raises:
        TagLensError: the arrays, thresholds or k do not fit each other.
    """
    scores, states = checked(probabilities, labels)
    cut, most = predicted_cut(scores, threshold), _valid_k(top_k, scores.shape[1])
    counts = np.zeros((4, states.shape[1]), np.int64)
    for rows in chunks(len(states), states.shape[1]):
        predicted = scores[rows] >= cut
        if most is not None:
            predicted &= _top(scores[rows], most)
        positive, negative = states[rows] == POSITIVE, states[rows] == NEGATIVE
        counts += [(predicted & positive).sum(0), (predicted & negative).sum(0), positive.sum(0), negative.sum(0)]
    return from_counts(*counts)


def predicted_cut(scores: Floats, threshold: ArrayLike) -> Floats:
    """Return the thresholds, one or (label,), as numbers of the scores' type.

    Raises:
        TagLensError: scores that are no probabilities, or another number of thresholds.
    """
    require_probabilities(scores)
    # The type of the scores: a float32 0.7 must reach a threshold written 0.7.
    cut = np.asarray(threshold, scores.dtype)
    if cut.shape not in ((), (scores.shape[1],)):
        raise TagLensError(f"one threshold or {scores.shape[1]} (one for each class) expected, shape {cut.shape} came")
    return cut


def _valid_k(top_k: int | None, classes: int) -> int | None:
    if top_k is None:
        return None
    if top_k < 1:
        raise TagLensError(f"top_k must be at least 1, {top_k} came")
    return min(top_k, classes)


def _top(scores: Floats, top_k: int) -> NDArray[np.bool_]:
    rank = scores.shape[1] - top_k
    return scores >= np.partition(scores, rank, axis=1)[:, rank, None]


def from_counts(
    right: NDArray[np.int64], wrong: NDArray[np.int64], present: NDArray[np.int64], absent: NDArray[np.int64]
) -> PrecisionRecallF1:
    """Return the numbers from each class's right and wrong predictions and its known positives and negatives, (label,) each."""
    nan, judged = float("nan"), absent > 0
    counted = judged & (present > 0)
    if not counted.any():
        class_recall, recall = _recalls(right, present)
        return PrecisionRecallF1(nan, class_recall, nan, nan, recall, nan)
    class_precision = float(np.mean(right[counted] / np.maximum(right + wrong, 1)[counted]))
    class_recall, recall = _recalls(right[counted], present[counted])
    precision = float(right[judged].sum() / max((right + wrong)[judged].sum(), 1))
    return PrecisionRecallF1(
        class_precision, class_recall, _harmonic(class_precision, class_recall), precision, recall, _harmonic(precision, recall)
    )


def _recalls(right: NDArray[np.int64], present: NDArray[np.int64]) -> tuple[float, float]:
    """Return CR and OR; NaN without a positive."""
    counted = present > 0
    if not counted.any():
        return float("nan"), float("nan")
    return float(np.mean(right[counted] / present[counted])), float(right.sum() / present.sum())


def _harmonic(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
