"""All numbers of one evaluation, and their JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taglens.errors import TagLensError
from taglens.labels.states import NEGATIVE, POSITIVE
from taglens.metrics.auroc import auroc
from taglens.metrics.average_precision import average_precision, mean_average_precision
from taglens.metrics.by_class import mean_of_defined
from taglens.metrics.calibration import expected_calibration_error
from taglens.metrics.checking import Labels, checked
from taglens.metrics.f1 import PrecisionRecallF1, precision_recall_f1
from taglens.metrics.f_beta import MeanF, mean_f

TOP_K = 3
MOST_NAMES = 20
"""Classes named in a sentence; their lists are whole."""


@dataclass(frozen=True)
class Evaluation:
    """What one method reached on one split; shares within 0..1, percent only in :meth:`to_json`."""

    classes: tuple[str, ...]
    images: int
    positives: NDArray[np.int64]
    """Known positives of each class, (label,)."""
    negatives: NDArray[np.int64]
    """Known negatives of each class, (label,)."""
    ap: NDArray[np.float64]
    """Average precision of each class, not interpolated (the headline), (label,); NaN without positives or without negatives."""
    ap_interpolated: NDArray[np.float64]
    auroc: NDArray[np.float64]
    """Area under the ROC curve of each class, (label,); NaN as ``ap``."""
    at_half: PrecisionRecallF1
    """Predicted where probability >= 0.5."""
    at_top: PrecisionRecallF1
    """Predicted are those of the three most probable classes that reach 0.5: the published form."""
    at_top_plain: PrecisionRecallF1
    """Predicted are the three most probable classes, whatever their probability."""
    at_thresholds: PrecisionRecallF1 | None
    """Predicted where probability >= the class's own threshold, if thresholds were given."""
    mean_f: MeanF
    """Macro F1 and F2 where probability >= 0.5."""
    mean_f_at_thresholds: MeanF | None
    """The same at the classes' own thresholds."""
    calibration_error: float
    """Over the classes with negatives; NaN without any."""

    @property
    def mAP(self) -> float:
        """Mean of ``ap`` over the classes with positives and negatives."""
        return mean_average_precision(self.ap)

    @property
    def mAP_interpolated(self) -> float:
        """Mean of ``ap_interpolated`` over the classes with positives and negatives."""
        return mean_average_precision(self.ap_interpolated)

    @property
    def AUROC(self) -> float:
        """Mean of ``auroc`` over the classes with positives and negatives."""
        return mean_of_defined(self.auroc)

    def mean_auroc(self, names: Sequence[str]) -> float:
        """Return the mean AUROC of the classes called ``names``; NaN unless all of them are there and have one."""
        found = [self.auroc[self.classes.index(name)] if name in self.classes else np.nan for name in names]
        return float(np.mean(found)) if found else float("nan")

    @property
    def classes_without_positives(self) -> tuple[str, ...]:
        """The classes left out of every mean because nothing present is known of them."""
        return tuple(name for name, count in zip(self.classes, self.positives, strict=True) if not count)

    @property
    def classes_without_negatives(self) -> tuple[str, ...]:
        """The classes with known positives alone: no order of them is wrong and no tag is, so they are left out of every number."""
        counts = zip(self.classes, self.positives, self.negatives, strict=True)
        return tuple(name for name, positives, negatives in counts if positives and not negatives)

    @property
    def left_out(self) -> tuple[str, ...]:
        """What is not reported, and why, in sentences."""
        said = []
        if self.classes_without_positives:
            said.append(f"left out of the means, no known positive: {_listed(self.classes_without_positives)}")
        if alone := self.classes_without_negatives:
            none = " (so there is no precision, F1 or ECE)" if not self.negatives.any() else ""
            said.append(f"left out of all numbers, no known absent cell, so that nothing could be wrong{none}: {_listed(alone)}")
        return tuple(said)

    def to_json(self) -> dict[str, Any]:
        """Return everything in percent, None where undefined."""
        return {
            "mAP": _percent(self.mAP),
            "mAP_interpolated": _percent(self.mAP_interpolated),
            **self.at_half.to_json(),
            **self.at_top.to_json(f"_top{TOP_K}"),
            **self.at_top_plain.to_json(f"_top{TOP_K}_plain"),
            **(self.at_thresholds.to_json("_thresholds") if self.at_thresholds else {}),
            "AUROC": _percent(self.AUROC),
            **self.mean_f.to_json(),
            **(self.mean_f_at_thresholds.to_json("_thresholds") if self.mean_f_at_thresholds else {}),
            "ECE": _percent(self.calibration_error),
            "images": self.images,
            "classes": len(self.classes),
            "classes_without_positives": list(self.classes_without_positives),
            "classes_without_negatives": list(self.classes_without_negatives),
            "left_out": list(self.left_out),
            "per_class": {
                name: {
                    "ap": _percent(self.ap[i]),
                    "ap_interpolated": _percent(self.ap_interpolated[i]),
                    "auroc": _percent(self.auroc[i]),
                    "positives": int(self.positives[i]),
                    "negatives": int(self.negatives[i]),
                }
                for i, name in enumerate(self.classes)
            },
        }


def evaluate(probabilities: NDArray[Any], labels: Labels, classes: Sequence[str], thresholds: ArrayLike | None = None) -> Evaluation:
    """Compute every metric of ``probabilities`` (image, label) against the known ``labels`` (image, label).

    CF1, OF1 and their parts are the field's: probability >= 0.5, and among these the three most probable classes. ``thresholds``
    (one number or one for each class) adds the same numbers at a run's own thresholds.

    Raises:
        TagLensError: the arrays, class names or thresholds do not fit each other.
    """
    scores, states = checked(probabilities, labels)
    if len(classes) != states.shape[1]:
        raise TagLensError(f"{states.shape[1]} class names expected (one for each column of the labels), {len(classes)} came")
    return Evaluation(
        classes=tuple(classes),
        images=len(states),
        positives=np.count_nonzero(states == POSITIVE, axis=0),
        negatives=np.count_nonzero(states == NEGATIVE, axis=0),
        ap=average_precision(scores, states),
        ap_interpolated=average_precision(scores, states, interpolated=True),
        auroc=auroc(scores, states),
        at_half=precision_recall_f1(scores, states),
        at_top=precision_recall_f1(scores, states, top_k=TOP_K),
        at_top_plain=precision_recall_f1(scores, states, 0.0, top_k=TOP_K),
        at_thresholds=None if thresholds is None else precision_recall_f1(scores, states, thresholds),
        mean_f=mean_f(scores, states),
        mean_f_at_thresholds=None if thresholds is None else mean_f(scores, states, thresholds),
        calibration_error=expected_calibration_error(scores, states),
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else "")


def _percent(value: float | np.float64) -> float | None:
    return None if np.isnan(value) else 100 * float(value)
