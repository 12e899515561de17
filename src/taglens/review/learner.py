"""What a review's labels teach: the run's exact head inferred anew with the run's own choices, from the stored features."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from taglens.errors import RunError
from taglens.labels.states import UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable
from taglens.metrics import evaluate
from taglens.metrics.threshold import expected_at
from taglens.outputs import read_object
from taglens.review.learning import Learn, Learned
from taglens.runs.thresholds import from_probabilities
from taglens.training.costs import expected_costs

if TYPE_CHECKING:
    from taglens.features.extract import StoredFeatures
    from taglens.methods.exact import ExactHead
    from taglens.recognizer import Recognizer

MOST_SECONDS = 60.0
"""A table whose fit is expected to take longer is reviewed without learning."""
Fillable = Callable[[NDArray[np.float32], PartialLabels, NDArray[np.bool_], Mapping[str, Any]], Any]
"""From probabilities, labels, which are no random sample (answered, implied) and how they came about: what could be filled now."""


def find_learner(
    run: Path, recognizer: "Recognizer", table: LabelTable, features: "Callable[[], StoredFeatures]", fillable: Fillable | None
) -> tuple[Learn | None, str]:
    """Return what learns from the answers, or None and why there is nothing.

    Args:
        run: the run's folder, whose choices are taken over.
        recognizer: of the run; it stays as it is.
        table: under review.
        features: gives those of the table's pictures, called once, by the first fit.
        fillable: says what could be filled; None: nobody knows.
    """
    from taglens.methods.exact import ExactHead

    if not isinstance(recognizer.method, ExactHead):
        return None, f"{recognizer.name} has no exact head, so this review does not learn while you answer; train on the answers afterwards"
    choices = _choices(run)
    if choices is None:
        return None, f"{run} is from before runs kept their choices, so this review does not learn while you answer; train it again"
    expected = expected_costs(table.labels).head_seconds
    if expected > MOST_SECONDS:
        return None, f"a fit of this table takes about {expected:.0f} s, so this review does not learn while you answer"
    return Learner(recognizer.method, choices, features, table, fillable), ""


def _choices(run: Path) -> Mapping[str, Any] | None:
    try:
        found = read_object(run / "metrics.json", kind=RunError, damaged="train again").get("choices")
    except RunError:
        return None
    return found if isinstance(found, dict) and {"weights", "following", "losses", "checked"} <= set(found) else None


class Learner:
    """Fits again what changed: classes with other labels than at the last fit, by the run's own choices; of tags alone all classes.

    Args:
        method: the run's head, which stays as it is.
        choices: of the run.
        features: gives those of the pictures, called once, by the first fit.
        table: under review, as it came.
        fillable: see :func:`find_learner`.
    """

    def __init__(
        self,
        method: "ExactHead",
        choices: Mapping[str, Any],
        features: "Callable[[], StoredFeatures]",
        table: LabelTable,
        fillable: Fillable | None,
    ) -> None:
        self._method, self._choices, self._open, self._classes, self._fillable = method, choices, features, table.classes, fillable
        self._reviewed, self._implied = table.of_kind("reviewed"), table.of_kind("implied")
        self._features: StoredFeatures | None = None
        self._values: NDArray[np.int8] | None = None
        self._alone: set[int] = set()

    def __call__(self, labels: PartialLabels, answered: NDArray[np.bool_]) -> Learned:
        """Return what the labels teach; see :data:`taglens.review.learning.Learn`."""
        if self._features is None:
            self._features = self._open()
        kept = self._features.kept
        seen = labels.rows(kept)
        if self._values is None:
            self._values = np.full(seen.shape, np.int8(-2))
            self._probabilities, self._deviations = np.zeros(seen.shape, np.float32), np.zeros(seen.shape, np.float32)
        changed = np.flatnonzero((seen.values != self._values).any(0))
        if len(changed) and self._choices["checked"]["ratio"] is None:
            changed = np.arange(seen.shape[1])  # of tags alone all classes together say how they came about, which answers change
        asked = answered[kept]
        implied = self._implied[kept] & ~asked
        if len(changed):
            self._fit(seen.values[:, changed], changed, implied[:, changed])
            self._values = seen.values.copy()
        thresholds = from_probabilities(self._probabilities, seen, self._classes, None).values
        numbers = self._numbers(seen, asked | self._reviewed[kept] | implied, thresholds)
        probabilities, deviations = (_everywhere(part, kept, len(labels)) for part in (self._probabilities, self._deviations))
        return Learned(probabilities, deviations, thresholds, numbers)

    def _fit(self, values: NDArray[np.int8], columns: NDArray[np.int64], implied: NDArray[np.bool_]) -> None:
        import torch

        from taglens.methods.exact import ExactHead
        from taglens.training.data import batches_of
        from taglens.training.exact.fit import fit_exact

        assert self._features is not None
        whole, device = self._method, self._method.bias.device
        head = ExactHead(
            whole.text_vectors[torch.from_numpy(columns)],
            sharpness=whole.sharpness,
            decoupling=whole.decoupling,
            reattention=whole.reattention,
            rbf=whole.use_rbf,
        ).to(device)
        found = fit_exact(head, self._features, PartialLabels(values), choices=self._choices, implied=implied)
        self._found = found.choices["checked"]
        self._alone = self._alone - set(columns.tolist()) | {int(columns[label]) for label in self._found["tags_alone_classes"]}
        self._probabilities[:, columns] = found.probabilities
        with torch.inference_mode():
            batches = batches_of(self._features, np.arange(len(values)), 256, device)
            self._deviations[:, columns] = np.concatenate([head.deviations(batch, {}).cpu().numpy() for batch in batches])

    def _numbers(self, seen: PartialLabels, no_sample: NDArray[np.bool_], thresholds: NDArray[np.float64]) -> dict[str, Any]:
        given = PartialLabels(np.where(no_sample, np.int8(UNKNOWN), seen.values))  # the same cells all the time
        mean = evaluate(self._probabilities, given, self._classes, thresholds).mAP
        f1 = expected_at(self._probabilities, thresholds).f1
        checked = {**self._found, "tags_alone_classes": sorted(self._alone)}
        return {
            "mAP": None if np.isnan(mean) else round(100 * float(mean), 1),
            "f1": None if np.isnan(f1).all() else round(float(np.nanmean(f1)), 4),
            "fillable": None if self._fillable is None else self._fillable(self._probabilities, seen, no_sample, checked),
        }


def _everywhere(values: NDArray[np.float32], kept: NDArray[np.int64], pictures: int) -> NDArray[np.float32]:
    """Return the values of all pictures, NaN for those that cannot be used."""
    whole = np.full((pictures, values.shape[1]), np.nan, np.float32)
    whole[kept] = values
    return whole
